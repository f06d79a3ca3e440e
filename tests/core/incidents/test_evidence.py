"""Evidence holds what a test compared, whatever its reference, and no more than is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flink_jobs.core.incidents.evidence import _place_of
from flink_jobs.core.state.incident import Incident
from flink_jobs.records.alerts import Alert, AlertKind
from flink_jobs.records.evidence import Evidence
from tests.builders import make_pane
from tests.core.watched import Watched, commanded, rows
from tests.records.examples import make_alert

LOUD = {"windows_to_start": 1, "windows_to_recover": 1, "ongoing_every_ms": 0}


def config(**tables: Any) -> Any:
    return commanded(policy=LOUD, **tables)


def evidence_of(watched: Watched) -> list[Evidence]:
    return [each for actions in watched.actions for each in actions.evidence]


def alerts_of(watched: Watched) -> list[Alert]:
    return [alert for actions in watched.actions for alert in actions.alerts]


def matrix(evidence: Evidence, side: str) -> NDArray[np.float64]:
    columns = [np.frombuffer(getattr(each, side), dtype="<f8") for each in evidence.columns]
    return np.column_stack(columns)


def as_set(x: NDArray[np.float64]) -> set[tuple[float, ...]]:
    return {tuple(row) for row in x.tolist()}


def test_both_sides_are_the_events_of_the_reference_and_of_the_window() -> None:
    watched = Watched(config(reference={"n_events": 120}))
    watched.panes(0, 1, 2, 3)
    watched.panes(4, loc=9.0)

    (found,) = evidence_of(watched)

    before = np.concatenate([rows(index) for index in range(3)])
    assert as_set(matrix(found, "reference")) == as_set(before)
    assert as_set(matrix(found, "window")) == as_set(rows(4, loc=9.0))
    (alert,) = alerts_of(watched)
    assert (found.alert_id, found.place) == (alert.alert_id, "first")
    assert found.moves[: len(alert.top_columns)] == alert.top_columns
    assert len(found.event_ids) == alert.window.n_events


def test_a_moving_reference_is_shown_as_it_was_for_the_window() -> None:
    moving = {"kind": "trailing", "size_ms": 3_000, "step_ms": 1_000, "min_events": 40}
    watched = Watched(config(reference=moving))
    watched.panes(*range(10))
    watched.panes(10, loc=9.0)
    watched.panes(11)

    found = next(each for each in evidence_of(watched) if each.place == "first")

    assert as_set(matrix(found, "window")) == as_set(rows(10, loc=9.0))
    before = np.concatenate([rows(index) for index in range(7, 10)])
    assert as_set(matrix(found, "reference")) == as_set(before)


def test_an_approved_window_is_the_reference_that_is_shown() -> None:
    watched = Watched(config(reference={"n_events": 120}))
    watched.panes(0, 1, 2, 3)
    watched.panes(4, 5, loc=9.0)
    watched.send("approve_current")
    watched.restart()
    watched.panes(6, 7)

    last = evidence_of(watched)[-1]

    assert as_set(matrix(last, "reference")) == as_set(rows(5, loc=9.0))
    assert as_set(matrix(last, "window")) <= as_set(np.concatenate([rows(6), rows(7)]))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 60), st.integers(0, 5))
def test_no_more_rows_are_kept_than_are_asked_for_and_all_are_of_the_window(
    n_rows: int, n_exemplars: int
) -> None:
    policy = LOUD | {"exemplars": n_exemplars}
    watched = Watched(
        commanded(policy=policy, reference={"n_events": 120}, evidence={"rows": n_rows})
    )
    watched.panes(0, 1, 2, 3)
    watched.panes(4, loc=9.0)

    (found,) = evidence_of(watched)

    window = matrix(found, "window")
    assert len(window) == len(found.event_ids) == len(set(found.event_ids))
    assert len(window) - found.n_exemplars == min(n_rows, 40)
    assert len(matrix(found, "reference")) == min(n_rows, 120)
    assert as_set(window) <= as_set(rows(4, loc=9.0))
    (alert,) = alerts_of(watched)
    assert {each.event_id for each in alert.exemplars} <= set(found.event_ids)


def test_without_rows_nothing_is_kept_and_records_are_the_same() -> None:
    def records(n_rows: int) -> tuple[list[bytes], int]:
        watched = Watched(config(reference={"n_events": 120}, evidence={"rows": n_rows}))
        watched.panes(0, 1, 2, 3)
        watched.panes(4, 5, loc=9.0)
        all_records = [r for a in watched.actions for r in (*a.alerts, *a.scores)]
        return [msgspec.json.encode(each) for each in all_records], len(evidence_of(watched))

    with_evidence, without = records(100), records(0)

    assert with_evidence[0] == without[0]
    assert with_evidence[1] > 0 == without[1]


@pytest.mark.parametrize("max_bytes", [10_000, 14_000, 900_000])
def test_a_record_is_no_larger_than_it_may_be(max_bytes: int) -> None:
    table = {"rows": 1_000, "max_bytes": max_bytes}
    watched = Watched(config(reference={"n_events": 120}, evidence=table))
    watched.panes(0, 1, 2, 3)
    watched.panes(4, n=300, loc=9.0)

    (found,) = evidence_of(watched)

    n_rows = len(found.event_ids) - found.n_exemplars
    assert len(msgspec.json.encode(found)) <= max_bytes
    assert (n_rows == 300) == (max_bytes == 900_000)


def test_a_column_that_is_carried_is_shown_and_changes_no_statistic() -> None:
    views = [{"name": "first", "columns": ["a"]}]
    named = {"features": {"a": "number", "plan": "category", "c": "number"}}
    x = np.random.default_rng(0).normal(size=(6, 40, 3))
    x[4:, :, 0] += 9.0

    def run(carried: list[str]) -> Watched:
        watched = Watched(
            config(
                input={"n_features": 0}, columns=named, views=views,
                detector={"reducer": None, "test": None},
                reference={"n_events": 120}, evidence={"columns": carried},
            )
        )  # fmt: skip
        for index, pane in enumerate(x):
            read = np.column_stack([pane[:, 0], np.arange(40) % 2, pane[:, 2]])
            texts = {1: ["basic", "plus"]}
            if not carried:
                read, texts = read[:, :1], {}
            pane_ = make_pane(index, read, first_offset=1_000 * index, model=watched.model)
            watched.pane(replace(pane_, events=pane_.events.with_x(read, texts)))
        return watched

    plain, carrying = run([]), run(["features"])

    def numbers(watched: Watched) -> list[Any]:
        scores = [score for actions in watched.actions for score in actions.scores]
        return [(s.window, s.statistic, s.p_value, s.is_drift) for s in scores]

    assert numbers(plain) == numbers(carrying) != []
    found = evidence_of(carrying)[0]
    assert [(each.name, each.is_watched) for each in found.columns] == [
        ("a", True), ("plan", False), ("c", False),
    ]  # fmt: skip
    assert found.columns[1].categories == ["basic", "plus"]
    assert [move.column for move in found.moves] == ["a"]
    before = np.column_stack([x[:3, :, 0].ravel(), np.tile(np.arange(40) % 2, 3),
                              x[:3, :, 2].ravel()])  # fmt: skip
    assert as_set(matrix(found, "reference")) == as_set(before)


def test_an_alarm_of_a_sequential_detector_has_evidence_too() -> None:
    whole = {"kind": "counts_e_detector", "run_time_events": 500, "score_every_ms": 5_000}
    watched = Watched(
        config(reference={"n_events": 120}, detectors=[{"name": "whole", "sequential": whole}])
    )
    watched.panes(0, 1, 2, 3, 4)
    watched.panes(5, 6, 7, loc=9.0)

    (found, *_) = [each for each in evidence_of(watched) if each.detector == "whole"]

    alert = next(each for each in alerts_of(watched) if each.alert_id == found.alert_id)
    assert found.moves[: len(alert.top_columns)] == alert.top_columns
    shown = as_set(matrix(found, "window"))
    assert shown <= as_set(np.concatenate([rows(i, loc=9.0 * (i > 4)) for i in range(3, 8)]))
    assert any(row[0] > 5 for row in shown)


_strengths = st.lists(
    st.tuples(st.sampled_from([0.0, 1e-9, 0.01]), st.sampled_from([0.1, 0.5, 0.9])), min_size=1
)


@given(_strengths)
def test_the_last_evidence_of_an_incident_is_that_of_its_strongest_alert(
    told: list[tuple[float, float]],
) -> None:
    kinds = [AlertKind.STARTED, *[AlertKind.ONGOING] * (len(told) - 1)]
    alerts = [
        msgspec.structs.replace(make_alert(), alert_id=str(n), kind=kind, p_value=p, statistic=d)
        for n, (kind, (p, d)) in enumerate(zip(kinds, told, strict=True))
    ]
    incident, kept = Incident(), dict[str, Alert]()

    for alert in alerts:
        if (place := _place_of(incident, alert)) is not None:
            kept[place] = alert

    assert kept["first"] is alerts[0]
    strongest = kept.get("strongest", kept["first"])
    assert strongest is max(alerts, key=lambda a: (-(a.p_value or 0.0), a.statistic))


def test_a_recovery_gives_no_evidence_and_the_next_incident_begins_anew() -> None:
    alert, incident = make_alert(), Incident()
    kinds = (AlertKind.STARTED, AlertKind.RECOVERED, AlertKind.STARTED)

    found = [_place_of(incident, msgspec.structs.replace(alert, kind=kind)) for kind in kinds]

    assert found == ["first", None, "first"]


def test_evidence_survives_a_restore_between_reference_and_alert() -> None:
    def run(*, restarts: bool) -> list[Evidence]:
        watched = Watched(config(reference={"n_events": 120}))
        watched.panes(0, 1, 2, 3)
        if restarts:
            watched.restart()
        watched.panes(4, 5, 6, loc=3.0)
        return evidence_of(watched)

    assert run(restarts=True) == run(restarts=False) != []
