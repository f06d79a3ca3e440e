"""Sequential detectors watch a model: each pane updates them once, and an alarm is an incident."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors import CountsEDetector
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.sampling import event_keys
from flink_jobs.core.state.entries import encode
from flink_jobs.core.watchers.comparison import WindowComparison
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Ending, Score, ScoreStatus
from flink_jobs.records.control import Outcome
from tests.builders import Replay, make_config, make_pane
from tests.core.oracle.streams import (
    COLUMNS,
    PLANS,
    Burst,
    Event,
    bursts,
    make_events,
    make_panes,
)
from tests.core.watched import Watched, commanded, rows

RUN_TIME = 10_000
N_REFERENCE = 400
# The reference is panes 0 to 9, and pane 10 is the first that is watched.
FIRST = 10


def sequential(**keys: Any) -> dict[str, Any]:
    table = {"kind": "counts_e_detector", "run_time_events": RUN_TIME, "score_every_ms": 5_000}
    return {"name": "whole", "sequential": table | keys}


def config_of(*, policy: dict[str, Any] | None = None, **keys: Any) -> DriftJobConfig:
    detector = sequential(**keys) | ({"policy": policy} if policy else {})
    return commanded(reference={"n_events": N_REFERENCE}, detectors=[detector])


def watched_by(config: DriftJobConfig | None = None) -> Watched:
    """A model that has its reference."""
    watched = Watched(config or config_of())
    watched.panes(*range(FIRST))
    return watched


def scores_of(watched: Watched | Replay) -> list[Score]:
    return [score for score in watched.scores if score.detector == "whole"]


def alerts_of(watched: Watched | Replay, cause: Cause = Cause.DRIFT) -> list[Alert]:
    found = (alert for alert in watched.alerts if alert.detector == "whole")
    return [alert for alert in found if alert.cause is cause]


def kinds(watched: Watched) -> list[AlertKind]:
    return [alert.kind for alert in alerts_of(watched)]


# Scores and incidents ---------------------------------------------------------------------------


def test_a_score_says_at_the_stated_pace_how_much_evidence_there_is() -> None:
    watched = watched_by()

    watched.panes(*range(12, 22))

    shown = [(s.window.start_ms, s.window.end_ms, s.window.n_events) for s in scores_of(watched)]
    assert shown == [(10_000, 15_000, 120), (15_000, 20_000, 200)]
    for score in scores_of(watched):
        assert (score.status, score.is_drift, score.test) == (
            ScoreStatus.TESTED, False, "counts_e_detector",
        )  # fmt: skip
        assert score.window.kind == "sequential"
        assert score.threshold is not None
        assert (score.threshold.p_value, score.threshold.statistic) == (None, RUN_TIME)
        assert score.p_value is score.effect_size is None
        assert score.statistic is not None
        assert 0.0 < score.statistic < RUN_TIME


def test_a_shift_raises_an_alarm_that_starts_an_incident_and_names_what_moved() -> None:
    watched = watched_by()
    watched.panes(*range(10, 20))
    moved = [rows(index) + np.array([0.0, 0.0, 1.5]) for index in range(20, 24)]

    for index, x in enumerate(moved, start=20):
        watched.pane(make_pane(index, x, first_offset=1_000 * index))

    first = alerts_of(watched)[0]
    assert first.kind is AlertKind.STARTED
    assert first.window.closed_ms <= 23_000
    assert (first.statistic or 0.0) >= RUN_TIME
    assert first.top_columns[0].column == "features[2]"
    assert first.sample is not None
    assert 40 <= first.sample.n_test <= first.window.n_events + 200
    [score] = [s for s in scores_of(watched) if s.window == first.window]
    assert (score.is_drift, score.statistic, score.top_column) == (
        True, first.statistic, "features[2]",
    )  # fmt: skip


@pytest.mark.parametrize("scheme", ["shiryaev_roberts", "cusum"])
def test_where_nothing_moves_no_alarm_comes(scheme: str) -> None:
    watched = watched_by(config_of(scheme=scheme))

    watched.panes(*range(FIRST, 120))

    assert len(scores_of(watched)) == 22
    assert not alerts_of(watched)


def test_drift_that_lasts_alarms_again_since_the_detector_begins_anew() -> None:
    watched = watched_by()

    watched.panes(*range(10, 22), loc=0.8)

    drifting = [s for s in scores_of(watched) if s.is_drift]
    assert len(drifting) >= 3
    assert kinds(watched) == [AlertKind.STARTED, *[AlertKind.ONGOING] * (len(drifting) - 1)]
    assert len({alert.incident_id for alert in alerts_of(watched)}) == 1
    # Each alarm ends a stretch, and the next one begins there.
    ends = [s.window.end_ms for s in scores_of(watched)]
    assert [s.window.start_ms for s in scores_of(watched)][1:] == ends[:-1]


def test_an_incident_recovers_after_a_quiet_share_of_the_run_time() -> None:
    watched = watched_by(config_of(quiet_share=0.02))
    watched.panes(10, 11, loc=3.0)
    last_alarm_ms = scores_of(watched)[-1].window.closed_ms

    watched.panes(*range(12, 30))

    assert [alert.kind for alert in alerts_of(watched)][-1] is AlertKind.RECOVERED
    assert kinds(watched).count(AlertKind.RECOVERED) == 1
    # 2 % of 10,000 events are 5 panes of 40.
    assert alerts_of(watched)[-1].window.closed_ms == last_alarm_ms + 5_000
    assert alerts_of(watched)[-1].ending is Ending.NORMAL


def test_a_promise_in_time_counts_panes_with_events_whatever_they_hold() -> None:
    config = config_of(run_time_events=None, run_time_ms=100_000, quiet_share=0.05)
    watched = watched_by(config)
    watched.panes(10, 11, loc=4.0, n=400)
    assert kinds(watched) == [AlertKind.STARTED]
    watched.panes(12, 13, n=10)

    watched.panes(*range(20, 30), n=10)

    # 5 % of 100 s are five panes: two came before the gap, three after.
    assert alerts_of(watched)[-1].kind is AlertKind.RECOVERED
    assert alerts_of(watched)[-1].window.closed_ms == 23_000


def test_a_flapping_model_keeps_its_incident_open() -> None:
    policy = {"flapping_after": 2, "flapping_within_ms": 20_000, "ongoing_every_ms": 0}
    watched = watched_by(config_of(quiet_share=0.01, policy=policy))
    watched.panes(10, 11, loc=3.0)
    watched.panes(*range(12, 16))
    watched.panes(16, 17, loc=3.0)

    watched.panes(*range(18, 42))

    started = [alert for alert in alerts_of(watched) if alert.kind is AlertKind.STARTED]
    assert [alert.is_flapping for alert in started] == [False, True]
    assert alerts_of(watched)[-1].kind is AlertKind.RECOVERED
    last_alarm_ms = started[-1].window.closed_ms
    assert alerts_of(watched)[-1].window.closed_ms == last_alarm_ms + 20_000


def test_values_that_go_missing_and_categories_that_are_new_are_evidence() -> None:
    config = make_config(
        input={"n_features": 0},
        columns=COLUMNS,
        reference={"n_events": 600},
        detector={"test": {"kind": "mixed", "n_draws": 99}},
        calibration={"level": 1e-9},
        detectors=[sequential()],
    )
    steady = make_events([Burst(0, 30, False)] * 40, width_ms=1_000, seed=3)
    gone = [e._replace(score=None) if e.time_ms >= 30_000 else e for e in steady]
    new = [e._replace(plan="new") if e.time_ms >= 30_000 else e for e in steady]
    top = []

    for events in (steady, gone, new):
        it = Replay(config).run(make_panes(events, width_ms=1_000), 50_000)
        top.append([alert.top_columns[0].column for alert in alerts_of(it)][:1])

    assert top == [[], ["score"], ["plan"]]


def test_a_detector_of_a_projection_watches_its_components() -> None:
    pca = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}
    config = commanded(reference={"n_events": N_REFERENCE}, detector=pca, detectors=[sequential()])
    watched = watched_by(config)
    watched.panes(*range(10, 20))
    assert not alerts_of(watched)

    watched.restart()
    watched.panes(*range(20, 24), loc=2.0)

    assert alerts_of(watched)[0].kind is AlertKind.STARTED
    assert len(alerts_of(watched)[0].top_columns) == 3
    assert scores_of(watched)[-1].top_column is None


# Against a detector that is fed by hand ---------------------------------------------------------


class ByHand(NamedTuple):
    closed_ms: int
    n_events: int
    statistic: float
    is_drift: bool


def cell_of_number(values: Sequence[float | None], n_cells: int) -> Callable[[Any], int]:
    """Cells between quantiles of the values that are there; the last is that of missing ones."""
    there = sorted(value for value in values if value is not None)
    shares = [n / n_cells for n in range(1, n_cells)]
    edges = sorted({next(v for n, v in enumerate(there, 1) if n / len(there) >= s) for s in shares})
    return lambda v: len(edges) + 1 if v is None else sum(edge < v for edge in edges)


def cell_of_plan(plan: str | None) -> int:
    if plan is None:
        return len(PLANS) + 1
    return sorted(PLANS).index(plan) if plan in PLANS else len(PLANS)


def by_hand(events: Sequence[Event], n_reference: int, run_time: int) -> list[ByHand]:
    """Count the events of each pane in cells that one half of the reference cuts."""
    reference = events[:n_reference]
    [pane] = make_panes([e._replace(time_ms=e.time_ms % 1_000) for e in reference], width_ms=1_000)
    pane.events.times_ms[:] = [event.time_ms for event in reference]
    order = np.argsort(event_keys(pane.events, 0), kind="stable")
    cutting = [reference[place] for place in order[::2]]
    counted = [reference[place] for place in order[1::2]]
    cells: list[Callable[[Any], int]] = [
        cell_of_number([event.age for event in cutting], 4),
        cell_of_number([event.score for event in cutting], 4),
        cell_of_plan,
    ]

    def counts(some: Sequence[Event]) -> NDArray[np.int64]:
        table = np.zeros((3, 5), dtype=np.int64)
        for event in some:
            for column, value in enumerate((event.age, event.score, event.plan)):
                table[column, cells[column](value)] += 1
        return table.ravel()

    detector = CountsEDetector(run_time).fit(counts(counted), np.array([0, 5, 10]))
    return list(_scored(detector, counts, events[n_reference:]))


def _scored(detector: Any, counts: Any, events: Sequence[Event]) -> Any:
    every_ms, n_events, due_ms = 3_000, 0, None
    for number, group in groupby(events, key=lambda event: event.time_ms // 1_000):
        held, start_ms = list(group), number * 1_000
        if due_ms is not None and due_ms <= start_ms:
            yield ByHand(due_ms, n_events, detector.statistic, False)
            n_events = 0
        due_ms = start_ms - start_ms % every_ms + every_ms
        n_events += len(held)
        if detector.update(counts(held), len(held)) >= detector.run_time:
            yield ByHand(start_ms + 1_000, n_events, detector.statistic, True)
            detector.reset()
            n_events, due_ms = 0, None
    if due_ms is not None:
        yield ByHand(due_ms, n_events, detector.statistic, False)


@settings(max_examples=12)
@given(bursts, st.integers(0, 99))
def test_scores_are_those_of_a_detector_that_is_fed_by_hand(stream: list[Burst], seed: int) -> None:
    table = {"run_time_events": 300, "n_cells": 4, "score_every_ms": 3_000}
    config = make_config(
        input={"n_features": 0},
        columns=COLUMNS,
        reference={"n_events": 240},
        detector={"test": {"kind": "mixed", "n_draws": 99}},
        detectors=[sequential(**table)],
    )
    before = [Burst(0, 30, False)] * 8
    events = make_events([*before, *stream], width_ms=1_000, seed=seed)

    it = Replay(config).run(make_panes(events, width_ms=1_000), 100_000)

    expected = by_hand(events, 240, 300)
    found = [
        ByHand(s.window.closed_ms, s.window.n_events, s.statistic or 0.0, bool(s.is_drift))
        for s in scores_of(it)
    ]
    assert [each._replace(statistic=0.0) for each in found] == [
        each._replace(statistic=0.0) for each in expected
    ]
    assert [each.statistic for each in found] == pytest.approx([e.statistic for e in expected])


# State ------------------------------------------------------------------------------------------


def test_the_state_does_not_grow_with_the_stream() -> None:
    watched = watched_by()
    sizes = []

    for index in range(FIRST, 60):
        watched.panes(index)
        sizes.append(len(encode(watched.status.views[0].watches[1].sequential)))

    # Numbers of the stretch take one byte or three.
    assert max(sizes) - min(sizes) <= 20
    assert max(sizes) < 2_000


def test_a_restart_after_each_pane_changes_no_record() -> None:
    plain, restarted = watched_by(), watched_by()

    for index in range(10, 40):
        loc = 1.0 if 20 <= index < 26 else 0.0
        plain.panes(index, loc=loc)
        restarted.panes(index, loc=loc)
        restarted.restart()

    assert [msgspec.json.encode(score) for score in plain.scores] == [
        msgspec.json.encode(score) for score in restarted.scores
    ]
    assert plain.alerts == restarted.alerts
    assert kinds(plain)[0] is AlertKind.STARTED


def test_a_detector_that_had_windows_and_has_a_memory_now_begins_anew() -> None:
    window = {"kind": "time", "size_ms": 4_000, "slide_ms": 2_000, "min_events": 2}
    before = commanded(
        reference={"n_events": N_REFERENCE}, detectors=[{"name": "whole", "window": window}]
    )
    watched = watched_by(before)
    watched.panes(*range(10, 16), loc=3.0)
    assert any(name.startswith("slice/main/whole/") for name in watched.state.entries)

    watched.restart(config_of())
    watched.panes(*range(16, 32))

    assert not any(name.startswith("slice/main/whole/") for name in watched.state.entries)
    assert alerts_of(watched)[-1].ending is Ending.NEW_CONFIGURATION
    assert scores_of(watched)[-1].test == "counts_e_detector"

    watched.restart(before)
    watched.panes(*range(32, 48))

    assert watched.status.views[0].watches[1].sequential is None
    assert scores_of(watched)[-1].test == "ks"


def test_another_run_time_keeps_the_reference_and_the_evidence() -> None:
    watched = watched_by()
    watched.panes(*range(10, 20))
    evidence = scores_of(watched)[-1].statistic
    fingerprint = watched.status.views[0].reference_fingerprint

    watched.restart(config_of(run_time_events=50, score_every_ms=1_000))
    watched.panes(20)

    assert evidence is not None
    assert evidence > 50
    assert watched.status.views[0].reference_fingerprint == fingerprint
    assert scores_of(watched)[-1].is_drift


def test_other_cells_need_a_new_reference() -> None:
    watched = watched_by()
    watched.panes(10)

    watched.restart(config_of(n_cells=5))
    watched.panes(11)

    assert watched.status.views[0].phase == "collecting"


# Operators --------------------------------------------------------------------------------------


def test_a_snoozed_model_raises_no_alert_and_says_how_many_were_held_back() -> None:
    watched = watched_by()
    watched.send("snooze", until_ms=14_000)

    watched.panes(*range(10, 20), loc=2.0)

    drifting = [s for s in scores_of(watched) if s.is_drift]
    held_back = [s for s in drifting if s.window.closed_ms < 14_000]
    first = alerts_of(watched)[0]
    assert first.kind is AlertKind.STARTED
    assert first.window.closed_ms >= 14_000
    assert first.n_suppressed == len(held_back) > 0


def test_pause_forgets_the_evidence_and_resume_begins_anew() -> None:
    watched = watched_by()
    watched.panes(*range(10, 20))
    before = scores_of(watched)[-1]
    watched.send("pause")
    watched.panes(*range(20, 25), loc=5.0)
    watched.send("resume")

    watched.panes(*range(25, 30))

    after = scores_of(watched)[-1]
    assert len(scores_of(watched)) == 3
    assert (after.window.start_ms, after.window.first_event) == (25_000, 0)
    assert (after.statistic or 0.0) < (before.statistic or 0.0)
    assert not alerts_of(watched)


@pytest.mark.parametrize("kind", ["rebaseline", "approve_current"])
def test_a_new_reference_ends_the_incident_and_begins_anew(kind: str) -> None:
    watched = watched_by()
    watched.panes(*range(10, 14), loc=3.0)
    assert kinds(watched)[-1] is AlertKind.ONGOING

    answer = watched.send(kind)
    watched.panes(*range(14, 40), loc=3.0)

    assert answer.outcome is Outcome.APPLIED
    alerts = alerts_of(watched)
    assert (alerts[-1].kind, alerts[-1].ending) == (AlertKind.RECOVERED, Ending.NEW_REFERENCE)
    assert not scores_of(watched)[-1].is_drift


def test_an_acknowledged_incident_is_heard_of_no_more() -> None:
    watched = watched_by()
    watched.panes(10, 11, loc=3.0)
    n_alerts = len(alerts_of(watched))

    watched.send("acknowledge", incident_id=alerts_of(watched)[0].incident_id)
    watched.panes(12, 13, loc=3.0)

    assert len(alerts_of(watched)) == n_alerts
    assert scores_of(watched)[-1].is_drift


def test_describe_says_how_far_each_detector_is_from_an_alarm() -> None:
    watched = watched_by()
    watched.panes(*range(10, 15))

    status = watched.send("describe").status

    assert status is not None
    each = status.views[0].detectors[-1]
    promise = each.promise
    assert (each.detector, promise.run_time, promise.unit) == ("whole", RUN_TIME, "events")
    assert each.evidence == scores_of(watched)[-1].statistic


def test_a_new_reference_on_recovery_begins_anew() -> None:
    config = commanded(
        reference={"n_events": N_REFERENCE, "rebaseline": "on_recovery"},
        detectors=[sequential(quiet_share=0.01)],
    )
    watched = watched_by(config)
    watched.panes(10, 11, loc=3.0)

    watched.panes(*range(12, 16))

    assert kinds(watched)[-1] is AlertKind.RECOVERED
    assert watched.status.views[0].phase == "collecting"


def test_a_model_that_is_forgotten_ends_its_incident_and_leaves_nothing() -> None:
    config = commanded(
        reference={"n_events": N_REFERENCE},
        detectors=[sequential()],
        job={"forget_after_ms": 60_000},
    )
    watched = watched_by(config)
    watched.panes(10, 11, loc=3.0)

    watched.time(200_000)

    assert alerts_of(watched)[-1].ending is Ending.FORGOTTEN
    assert not watched.state.entries


def test_a_model_that_falls_silent_gets_its_last_score_by_a_timer() -> None:
    watched = watched_by()
    actions = watched.panes(11)
    assert not scores_of(watched)

    assert actions.wake_ms is not None
    watched.time(20_000)

    assert [s.window.end_ms for s in scores_of(watched)] == [15_000]


def test_the_end_of_the_input_closes_the_last_stretch() -> None:
    watched = watched_by()
    watched.panes(11)

    watched.end()

    assert [s.window.end_ms for s in scores_of(watched)] == [15_000]


# Failures ---------------------------------------------------------------------------------------


def test_a_pane_that_cannot_be_taken_in_is_told_and_changes_no_evidence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched, spared = watched_by(), watched_by()
    update = CountsEDetector.update

    def fails(self: CountsEDetector, counts: Any, weight: float = 1.0) -> float:
        if weight == 41.0:
            raise MemoryError("no room")
        return update(self, counts, weight)

    monkeypatch.setattr(CountsEDetector, "update", fails)

    for each, indices in ((watched, range(10, 20)), (spared, (10, 11, *range(13, 20)))):
        for index in indices:
            each.panes(index, n=41 if index == 12 else 40)

    failed, fine = scores_of(watched)
    assert (failed.status, failed.reason) == (ScoreStatus.FAILED, "MemoryError: no room")
    assert fine.statistic == scores_of(spared)[-1].statistic
    started, recovered = alerts_of(watched, Cause.TEST_FAILED)
    assert (started.kind, recovered.kind) == (AlertKind.STARTED, AlertKind.RECOVERED)


def test_an_alarm_stands_where_it_cannot_be_said_what_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(self: WindowComparison, n_columns: int, n_exemplars: int) -> None:
        raise ZeroDivisionError

    watched = watched_by(config_of(policy={"ongoing_every_ms": 0}))
    monkeypatch.setattr(WindowComparison, "evidence", fails)

    actions = watched.panes(10, 11, loc=3.0)

    assert kinds(watched) == [AlertKind.STARTED]
    assert alerts_of(watched)[0].top_columns == []
    assert "cannot be said" in " ".join(notice.text for notice in actions.notices)
