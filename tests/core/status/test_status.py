"""Status records say what holds, when it changes, and no more often than was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.actions import Actions
from flink_jobs.records.alerts import Cause
from flink_jobs.records.control import Outcome
from flink_jobs.records.status import ModelState, ModelStatus
from tests.builders import make_config
from tests.core.status.status_oracle import StatusOracle
from tests.core.watched import Watched, commanded

N_REFERENCE = 70
SECOND_MS = 1_000


def followed(every_ms: int = 0, **tables: Any) -> DriftJobConfig:
    """A job that writes status records; windows of one pane."""
    tables = {"reference": {"n_events": N_REFERENCE}} | tables
    job = {"status_every_ms": every_ms} | tables.pop("job", {})
    return commanded(kafka={"status_topic": "status"}, job=job, **tables)


class Step(NamedTuple):
    """One thing that happens to a model."""

    kind: str
    n_events: int = 0
    loc: float = 0.0
    for_ms: int = 0


steps = st.lists(
    st.one_of(
        st.builds(
            Step,
            st.just("pane"),
            st.sampled_from([1, 30, 40]),
            st.sampled_from([0.0, 0.0, 3.0]),
        ),
        st.builds(
            Step,
            st.sampled_from(["pause", "resume", "rebaseline", "acknowledge", "restart", "silence"]),
        ),
        st.builds(Step, st.just("snooze"), for_ms=st.sampled_from([0, 1_500, 4_000])),
    ),
    min_size=1,
    max_size=25,
)


def last_of(watched: Watched) -> ModelStatus | None:
    return watched.statuses[-1] if watched.statuses else None


def command_keys(step: Step, oracle: StatusOracle) -> dict[str, Any]:
    if step.kind == "snooze":
        return {"until_ms": oracle.now_ms + step.for_ms}
    if step.kind == "acknowledge":
        return {"incident_id": next(iter(oracle.told), "unknown")}
    return {}


def take(watched: Watched, oracle: StatusOracle, step: Step, index: int) -> None:
    """Let a step happen to the model and to the oracle."""
    if step.kind == "restart":
        watched.restart()
    elif step.kind == "pane":
        actions: Actions = watched.panes(index, n=step.n_events, loc=step.loc)
        end_ms = (index + 1) * SECOND_MS
        oracle.pane(step.n_events, end_ms, actions.scores, actions.alerts)
    elif step.kind != "silence":
        keys = command_keys(step, oracle)
        audit = watched.send(step.kind, **keys)
        if audit.outcome is Outcome.APPLIED:
            oracle.command(step.kind, watched.actions[-1].alerts, **keys)


def agree(status: ModelStatus, oracle: StatusOracle) -> None:
    (view,) = status.views
    (detector,) = view.detectors
    told = {each.incident_id: each.is_acknowledged for each in status.incidents if each.is_told}
    assert told == oracle.told
    assert view.phase == ("monitoring" if oracle.is_monitoring else "collecting")
    assert (view.n_collected, view.n_wanted) == (oracle.n_collected, N_REFERENCE)
    assert view.n_monitored == oracle.n_monitored
    assert view.reference.n_events == (N_REFERENCE if oracle.is_monitoring else 0)
    assert (status.at_ms, status.heard_ms) == (oracle.now_ms, oracle.heard_ms)
    assert status.is_paused == oracle.is_paused
    assert status.snoozed_until_ms == (oracle.snoozed_until_ms if oracle.is_snoozed else None)
    is_drifting = any(each.cause is Cause.DRIFT for each in status.incidents)
    assert status.state == oracle.state(is_drifting=is_drifting)
    last, score = detector.last_window, oracle.last_score
    assert (last is None) == (score is None)
    if last is not None and score is not None:
        assert (last.window, last.status) == (score.window, score.status)
        assert (last.statistic, last.p_value) == (score.statistic, score.p_value)
        assert (last.threshold, last.is_drift) == (score.threshold, score.is_drift)
        assert last.effect_size == score.effect_size


@settings(max_examples=40)
@given(steps)
def test_after_any_history_the_last_record_says_what_holds(history: Sequence[Step]) -> None:
    watched, oracle = Watched(followed()), StatusOracle(N_REFERENCE)

    for index, step in enumerate(history):
        take(watched, oracle, step, index)
        status = last_of(watched)
        if status is not None and step.kind != "restart":
            agree(status, oracle)


def test_the_histories_of_this_file_reach_every_state_that_the_oracle_knows() -> None:
    kinds = [*["pane"] * 3, "pause", "resume", *["pane"] * 2]
    history = [Step(kind, 40) for kind in kinds] + [Step("pane", 40, 3.0)]
    watched, oracle = Watched(followed()), StatusOracle(N_REFERENCE)

    for index, step in enumerate(history):
        take(watched, oracle, step, index)

    words = {status.state.value for status in watched.statuses}
    assert words == {"collecting", "quiet", "paused", "untested", "drift"}


def told_at_once(status: ModelStatus) -> ModelStatus:
    """A record without what is told at intervals."""
    views = [
        msgspec.structs.replace(
            view,
            n_collected=0,
            n_monitored=0,
            complete_ms=None,
            reference=msgspec.structs.replace(view.reference, start_ms=None),
            detectors=[
                msgspec.structs.replace(each, last_window=None, evidence=None)
                for each in view.detectors
            ],
        )
        for view in status.views
    ]
    return msgspec.structs.replace(
        status,
        status_id="",
        number=0,
        at_ms=0,
        heard_ms=None,
        state=ModelState.QUIET,
        views=views,
    )


@settings(max_examples=20)
@given(steps, st.sampled_from([1, 2_500, 60_000]))
def test_records_are_numbered_and_those_without_a_change_keep_their_distance(
    history: Sequence[Step], every_ms: int
) -> None:
    watched, oracle = Watched(followed(every_ms)), StatusOracle(N_REFERENCE)

    for index, step in enumerate(history):
        take(watched, oracle, step, index)

    records = watched.statuses
    assert [each.number for each in records] == list(range(len(records)))
    assert len({each.status_id for each in records}) == len(records)
    for before, after in pairwise(records):
        assert before.at_ms <= after.at_ms
        is_change = told_at_once(before) != told_at_once(after)
        assert is_change or after.at_ms - before.at_ms >= every_ms


def test_a_model_that_collects_says_how_many_of_how_many_events() -> None:
    watched = Watched(followed())

    watched.panes(0)

    status = last_of(watched)
    assert status is not None
    assert status.state is ModelState.COLLECTING
    assert [(v.n_collected, v.n_wanted, v.complete_ms) for v in status.views] == [(40, 70, None)]


@pytest.mark.parametrize(
    ("reference", "wanted", "until_ms"),
    [
        ({"kind": "first_time", "duration_ms": 9_000, "min_events": 50}, 50, 10_000),
        (
            {"kind": "trailing", "size_ms": 6_000, "step_ms": 2_000, "gap_ms": 2_000,
             "min_events": 60},
            60,
            9_000,
        ),
    ],
)  # fmt: skip
def test_a_reference_that_takes_time_says_until_when(
    reference: dict[str, object], wanted: int, until_ms: int
) -> None:
    watched = Watched(followed(reference=reference))

    watched.panes(1)

    status = last_of(watched)
    assert status is not None
    (view,) = status.views
    assert (view.n_collected, view.n_wanted, view.complete_ms) == (40, wanted, until_ms)


def test_nothing_is_told_at_intervals_longer_than_a_model_lives_but_changes_are() -> None:
    watched = Watched(followed(every_ms=60_000))

    watched.panes(*range(8))

    assert [(each.at_ms, each.state) for each in watched.statuses] == [
        (1_000, ModelState.COLLECTING),
        (2_000, ModelState.QUIET),
    ]


def test_what_waits_for_the_interval_is_told_without_a_further_pane() -> None:
    watched = Watched(followed(every_ms=5_000))
    watched.panes(0, 1, 2, 3)

    watched.time(20_000)

    last = watched.statuses[-1]
    assert (last.at_ms, last.heard_ms) == (7_000, 4_000)
    assert last.views[0].detectors[0].last_window is not None
    assert last.views[0].detectors[0].last_window.window.end_ms == 4_000


def test_a_timer_is_asked_for_while_something_waits() -> None:
    watched = Watched(followed(every_ms=5_000, window={"kind": "count", "size": 500, "slide": 500}))

    watched.panes(0, 1, 2)
    asked = watched.status.wake_ms
    watched.time(30_000)

    assert asked == 2_000 + 5_000 + 4_000
    assert watched.status.wake_ms is None


def test_the_end_of_a_snooze_is_told_with_the_pane_in_which_it_lies() -> None:
    watched = Watched(followed(every_ms=60_000))
    watched.panes(0, 1)
    watched.send("snooze", until_ms=3_500)

    watched.time(20_000)

    assert [(s.at_ms, s.snoozed_until_ms) for s in watched.statuses[-2:]] == [
        (2_000, 3_500),
        (4_000, None),
    ]


def test_a_command_that_waited_is_told_at_its_time() -> None:
    watched = Watched(followed(every_ms=60_000))
    watched.panes(0, 1)
    watched.send("pause", effective_ms=4_000)

    watched.time(9_000)

    assert [(s.at_ms, s.n_pending, s.is_paused) for s in watched.statuses[-2:]] == [
        (2_000, 1, False),
        (4_000, 0, True),
    ]


def test_an_incident_that_the_policy_holds_back_is_told_of_as_such() -> None:
    watched = Watched(followed())
    watched.panes(0, 1)
    watched.send("snooze", until_ms=50_000)
    watched.panes(2, 3, loc=3.0)

    status = last_of(watched)

    assert status is not None
    assert watched.alerts == []
    assert [each.is_told for each in status.incidents] == [False]
    assert status.state is ModelState.DRIFT


def test_a_model_that_is_gone_has_a_last_record_and_begins_again() -> None:
    watched = Watched(followed(job={"forget_after_ms": 5_000}))
    watched.panes(0, 1)

    watched.time(60_000)
    gone = watched.statuses[-1]
    watched.panes(90)
    again = watched.statuses[-1]

    assert (gone.state, gone.is_forgotten, gone.at_ms) == (ModelState.FORGOTTEN, True, 7_000)
    assert (gone.heard_ms, gone.views, gone.incidents) == (2_000, [], [])
    assert (again.state, again.number, again.at_ms) == (ModelState.COLLECTING, 0, 91_000)
    assert len({each.status_id for each in watched.statuses}) == len(watched.statuses)


def test_a_new_configuration_is_told_when_the_model_is_next_seen() -> None:
    watched = Watched(followed(every_ms=60_000))
    watched.panes(0, 1)

    watched.restart(followed(every_ms=60_000, calibration={"level": 1e-3}))
    watched.time(5_000)

    before, after = watched.statuses[-2:]
    assert before.config_version != after.config_version
    assert after.at_ms == 2_000
    assert after.views[0].detectors[0].promise.level == 1e-3


def test_a_name_that_no_event_has_gets_no_status_by_a_refused_command() -> None:
    watched = Watched(followed())

    refused = watched.send("rebaseline")
    paused = watched.send("pause")

    assert (refused.outcome, paused.outcome) == (Outcome.REFUSED, Outcome.APPLIED)
    assert [(s.at_ms, s.state) for s in watched.statuses] == [(0, ModelState.PAUSED)]


def test_without_a_topic_only_the_end_of_a_model_is_told() -> None:
    watched = Watched()
    watched.panes(0, 1)
    before = watched.statuses

    watched.end()

    assert before == []
    (status,) = watched.statuses
    assert (status.state, status.at_ms) == (ModelState.QUIET, 2_000)


def test_the_end_of_the_input_is_told_once() -> None:
    watched = Watched(followed(every_ms=60_000))
    watched.panes(0, 1, 2)

    watched.end()
    watched.end()

    assert [s.at_ms for s in watched.statuses] == [1_000, 2_000, 3_000]


def test_each_view_has_a_reference_and_promises_of_its_own() -> None:
    views: list[dict[str, Any]] = [
        {
            "name": "few",
            "columns": ["features"],
            "reference": {"kind": "first_events", "n_events": 30},
        },
        {
            "name": "many",
            "columns": ["features"],
            "calibration": {"kind": "expected_run_time", "windows": 500},
        },
    ]
    mixed: dict[str, Any] = {"reducer": None, "test": None}
    # A policy whose run times come with the package.
    policy = {"windows_to_start": 2, "windows_to_recover": 3}
    watched = Watched(followed(views=views, detector=mixed, policy=policy))

    watched.panes(0)

    status = last_of(watched)
    assert status is not None
    few, many = status.views
    assert [view.phase for view in status.views] == ["monitoring", "collecting"]
    assert few.detectors[0].promise.level == 1e-6
    promise = many.detectors[0].promise
    assert (promise.run_time, promise.unit, promise.confidence) == (500, "windows", 0.9)
    assert status.state is ModelState.COLLECTING


def test_a_record_that_was_read_is_written_as_the_same_bytes() -> None:
    sequential = {"kind": "counts_e_detector", "run_time_events": 500, "n_cells": 3}
    detectors = [{"name": "whole", "sequential": sequential}]
    watched = Watched(followed(detectors=detectors))

    watched.panes(0, 1, 2)

    for status in watched.statuses:
        written = msgspec.json.encode(status)
        assert msgspec.json.encode(msgspec.json.decode(written, type=ModelStatus)) == written


def test_a_job_that_decides_over_many_models_says_so() -> None:
    storm = {"within_ms": 60_000, "models": 5}
    watched = Watched(make_config(storm=storm, kafka={"status_topic": "s"}))

    watched.panes(0)

    status = last_of(watched)
    assert status is not None
    assert status.may_hold_back


def test_once_there_is_a_reference_a_record_says_how_large_a_shift_is_found() -> None:
    watched = Watched(followed())

    watched.panes(0, 1, 2)

    collecting, *_, monitoring = (each.views[0].detectors[0] for each in watched.statuses)
    assert collecting.finds == []
    often, half = monitoring.finds
    assert (often.probability, half.probability) == (0.9, 0.5)
    assert often.size is not None and half.size is not None  # noqa: PT018
    assert 0.0 < half.size < often.size
    assert often.n_events == half.n_events


def test_another_level_finds_another_shift_against_the_same_reference() -> None:
    watched = Watched(followed())
    watched.panes(0, 1, 2)
    before = watched.statuses[-1].views[0]

    watched.send("configure", change={"calibration": {"kind": "level_per_window", "level": 1e-12}})
    watched.panes(3)

    after = watched.statuses[-1].views[0]
    assert after.reference == before.reference
    assert (after.detectors[0].finds[0].size or 0.0) > (before.detectors[0].finds[0].size or 0.0)
