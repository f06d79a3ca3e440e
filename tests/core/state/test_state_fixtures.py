"""Committed state goes on where it stopped; state of another version is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flink_jobs.core.state.entries import STATE_VERSION, StateVersionError, decode
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.core.state.status import STATUS, Status, ViewStatus
from tests.state_fixtures import (
    PHASES,
    Record,
    Records,
    judged,
    read_state,
    records,
)


def restored(phase: str) -> Records:
    """Return what comes of the panes after the cut when the committed state goes on."""
    actions = PHASES[phase].go_on(PHASES[phase].after(), read_state(phase))
    assert [n for each in actions for n in each.notices if "belongs to" in n.text] == [], (
        "run `python -m tests.write_state_fixtures` and commit what it writes"
    )
    return records(actions)


def undisturbed(phase: str) -> Records:
    """Return what comes of the same panes without a cut."""
    state = InMemoryEntries()
    PHASES[phase].go_on(PHASES[phase].before(), state)
    return records(PHASES[phase].go_on(PHASES[phase].after(), state))


@pytest.mark.parametrize("phase", PHASES)
def test_a_restored_model_gives_the_results_that_an_undisturbed_one_gives(phase: str) -> None:
    expected = undisturbed(phase)

    found = restored(phase)

    assert [judged(s) for s in found["scores"]] == [judged(s) for s in expected["scores"]]
    assert [judged(a) for a in found["alerts"]] == [judged(a) for a in expected["alerts"]]
    assert [_named(a) for a in found["alerts"]] == [_named(a) for a in expected["alerts"]]
    # The logarithms and powers behind a p-value differ in the last digit between machines.
    for name in ("p_value", "statistic"):
        numbers = [s[name] for s in found["scores"] if s[name] is not None]
        wanted = [s[name] for s in expected["scores"] if s[name] is not None]
        assert numbers == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("phase", ["monitoring", "incident"])
def test_the_reference_stays_the_one_that_was_learned(phase: str) -> None:
    learned = _view(phase).reference_fingerprint

    found = restored(phase)

    assert {r["reference"]["fingerprint"] for kind in found.values() for r in kind} == {learned}


def test_an_incident_that_was_open_goes_on_until_it_has_recovered() -> None:
    incident = _view("incident").watches[0].incident

    alerts = restored("incident")["alerts"]

    assert {alert["incident_id"] for alert in alerts} == {incident.incident_id}
    assert alerts[0]["kind"] == "ongoing"
    assert alerts[-1]["kind"] == "recovered"


@pytest.mark.parametrize("name", [STATUS, "reference/main"])
def test_an_entry_of_another_version_is_refused_with_what_to_do(name: str) -> None:
    state = read_state("monitoring")
    state.entries[name] = bytes([STATE_VERSION + 1]) + state.entries[name][1:]

    with pytest.raises(StateVersionError, match="version 2, and this code reads version 1: go on"):
        PHASES["monitoring"].go_on(PHASES["monitoring"].after(), state)


def test_what_is_not_an_entry_is_refused() -> None:
    state = read_state("monitoring")
    state.entries[STATUS] = bytes([STATE_VERSION]) + msgspec.msgpack.encode("nonsense")

    with pytest.raises(StateVersionError, match="is of another kind"):
        PHASES["monitoring"].go_on(PHASES["monitoring"].after(), state)


def _view(phase: str) -> ViewStatus:
    (view,) = decode(STATUS, read_state(phase).entries[STATUS], Status).views
    return view


def _named(alert: Record) -> tuple[str, list[Any]]:
    """The kind of an alert and the events it shows, which lie in the state with their names."""
    return alert["kind"], [exemplar["event_id"] for exemplar in alert["exemplars"]]
