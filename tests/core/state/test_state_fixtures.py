"""State of every version that was ever written goes on where it stopped."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.core.state.state import STATE_VERSION
from tests.state_fixtures import (
    FOLDER,
    PHASES,
    Records,
    expected_records,
    judged,
    read_state,
    records,
    version_of,
)

VERSIONS = sorted(folder.name for folder in FOLDER.iterdir())


@pytest.mark.parametrize("version", sorted({*VERSIONS, f"v{STATE_VERSION}"}))
@pytest.mark.parametrize("phase", PHASES)
def test_there_is_state_of_each_version_in_each_phase(version: str, phase: str) -> None:
    recent = FOLDER / version / f"{phase}.recent"

    assert recent.exists(), "run `python -m tests.write_state_fixtures` and commit what it writes"
    assert f"v{version_of(recent)}" == version


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("phase", PHASES)
def test_a_restored_model_gives_the_results_that_the_old_code_would_have_given(
    version: str, phase: str
) -> None:
    folder = FOLDER / version
    expected = expected_records(folder, phase)

    actions = PHASES[phase].go_on(PHASES[phase].after(), read_state(folder, phase))

    assert [n for each in actions for n in each.notices if "belongs to" in n.text] == []
    found = records(actions)
    assert [judged(s) for s in found["scores"]] == [judged(s) for s in expected["scores"]]
    assert [judged(a) for a in found["alerts"]] == [judged(a) for a in expected["alerts"]]
    assert [_named(a) for a in found["alerts"]] == [_named(a) for a in expected["alerts"]]
    # The logarithms and powers behind a p-value differ in the last digit between machines.
    p_values = [s["p_value"] for s in found["scores"]]
    assert p_values == pytest.approx([s["p_value"] for s in expected["scores"]], rel=1e-9)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("phase", ["monitoring", "incident"])
def test_the_reference_stays_the_one_that_was_learned(version: str, phase: str) -> None:
    folder = FOLDER / version
    (expected,) = _references(expected_records(folder, phase))

    found = records(PHASES[phase].go_on(PHASES[phase].after(), read_state(folder, phase)))

    assert _references(found) == {expected}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_incident_that_was_open_goes_on_until_it_has_recovered(version: str) -> None:
    folder = FOLDER / version
    (incident_id,) = {a["incident_id"] for a in expected_records(folder, "incident")["alerts"]}
    phase = PHASES["incident"]

    alerts = records(phase.go_on(phase.after(), read_state(folder, "incident")))["alerts"]

    assert {alert["incident_id"] for alert in alerts} == {incident_id}
    assert alerts[0]["kind"] == "ongoing"
    assert alerts[-1]["kind"] == "recovered"


def _references(found: Records) -> set[str]:
    return {record["reference"]["fingerprint"] for kind in found.values() for record in kind}


def _named(alert: dict[str, Any]) -> tuple[str, list[str]]:
    """The kind of an alert and the events it shows, which lie in the state with their names."""
    return alert["kind"], [exemplar["event_id"] for exemplar in alert["exemplars"]]
