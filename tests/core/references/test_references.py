"""What test windows are compared with, by each kind of reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from flink_jobs.core.sampling import event_keys, smallest
from flink_jobs.intake.event_columns import concatenate
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Ending, Score, ScoreStatus
from flink_jobs.records.control import Rebaseline, Snooze
from tests.builders import Replay, fitted_to, make_config, make_panes, make_stream

SECOND = {"size_ms": 1_000, "slide_ms": 1_000}
FIRST_TIME: dict[str, Any] = {
    "kind": "first_time",
    "duration_ms": 3_000,
    "min_events": 40,
    "max_events": 1_000,
}
TRAILING: dict[str, Any] = {
    "kind": "trailing",
    "size_ms": 6_000,
    "step_ms": 2_000,
    "min_events": 20,
}
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def normal(n: int, loc: float = 0.0, *, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng((seed, n, int(10 * abs(loc)))).normal(loc, size=(n, 3))


def levels(*locs: float, n: int = 40) -> list[NDArray[np.float64]]:
    """One pane of rows for each level, no two alike."""
    return [normal(n, loc, seed=index) for index, loc in enumerate(locs)]


def those_tested(it: Replay) -> list[Score]:
    return [score for score in it.scores if score.status is ScoreStatus.TESTED]


def of_cause(it: Replay, cause: Cause) -> list[Alert]:
    return [alert for alert in it.alerts if alert.cause is cause]


def kinds(alerts: Sequence[Alert]) -> list[str]:
    return [alert.kind.value for alert in alerts]


# The first events, and the first time.


def test_records_say_which_time_the_first_events_come_from() -> None:
    it = Replay(make_config(window=SECOND)).run(make_panes([0, 0, 20, 25, 30]))

    reference = it.scores[0].reference

    assert (reference.n_events, reference.start_ms, reference.end_ms) == (30, 2_000, 4_000)


def test_a_reference_of_the_first_time_ends_with_that_time() -> None:
    config = make_config(window=SECOND, reference=FIRST_TIME)
    panes = make_panes([0, 20, 20, 20, 20, 20])

    it = Replay(config).run(panes)

    first = it.scores[0]
    assert first.window.start_ms == 4_000
    assert (first.reference.start_ms, first.reference.end_ms) == (1_000, 4_000)
    x_ref = np.concatenate([pane.events.x for pane in panes[:3]])
    assert first.reference.n_events == 60
    assert first.reference.fingerprint == fitted_to(config, x_ref).fingerprint()


def test_a_reference_of_the_first_time_goes_on_until_it_has_enough_events() -> None:
    it = Replay(make_config(window=SECOND, reference=FIRST_TIME)).run(make_panes([10] * 7))

    first = it.scores[0]

    assert first.window.start_ms == 4_000
    assert (first.reference.n_events, first.reference.end_ms) == (40, 4_000)


@pytest.mark.parametrize("sizes", [[20, 30, 35, 20], [5, 60, 1, 20], [3, 90, 100, 20]])
def test_a_reference_of_the_first_time_keeps_a_sample_of_the_whole(sizes: list[int]) -> None:
    reference = FIRST_TIME | {"min_events": 20, "max_events": 25}
    config = make_config(window=SECOND, reference=reference)
    panes = make_panes(sizes)

    it = Replay(config).run(panes)

    whole = concatenate([pane.events for pane in panes[:3]])
    sample = whole.take(smallest(event_keys(whole, config.detector.seed), 25))
    shown = it.scores[0].reference
    assert shown.n_events == 25
    assert shown.fingerprint == fitted_to(config, sample.x).fingerprint()


def test_a_model_gone_silent_gets_its_reference_by_a_timer_and_by_its_next_pane_alike() -> None:
    config = make_config(window=SECOND, reference=FIRST_TIME)
    panes = make_panes([30, 30, 0, 0, 0, 0, 0, 30, 30])
    by_pane, by_timer = Replay(config), Replay(config)

    by_pane.run(panes)
    by_timer.run(panes[:2])
    completed = by_timer.time(5_000)
    by_timer.run(panes[2:])

    assert "monitoring starts at 3000 ms" in completed.notices[0].text
    assert by_timer.scores == by_pane.scores != []
    assert by_pane.scores[0].reference.end_ms == 3_000


# References that drift while they are collected.


def unstable(n: int = 40) -> NDArray[np.float64]:
    return np.concatenate([normal(n // 2), normal(n - n // 2, 2.0)])


def mixed(n: int = 40, seed: int = 0) -> NDArray[np.float64]:
    """The same events as an unstable reference, well mixed."""
    return np.random.default_rng(seed).permutation(unstable(n))


@pytest.mark.parametrize(
    "reference", [{"n_events": 40}, FIRST_TIME | {"duration_ms": 1_000}], ids=["events", "time"]
)
def test_a_reference_that_drifts_while_it_is_collected_raises_an_alert_of_its_own_cause(
    reference: dict[str, Any],
) -> None:
    config = make_config(window=SECOND, reference=reference, calibration={"level": 1e-3})

    it = Replay(config).run(make_stream([unstable(), mixed()]))

    (alert,) = it.alerts
    assert (alert.kind, alert.cause) == (AlertKind.STARTED, Cause.UNSTABLE_REFERENCE)
    assert (alert.window.start_ms, alert.window.end_ms) == (0, 1_000)
    assert alert.window.n_events == 40
    assert alert.p_value is not None
    assert alert.p_value <= 1e-3
    assert alert.top_columns[0].direction == "up"


def test_the_next_stable_reference_ends_the_incident_of_an_unstable_one() -> None:
    config = make_config(window=SECOND, reference={"n_events": 40}, calibration={"level": 1e-3})
    it = Replay(config)
    it.run(make_stream([unstable(), mixed()]))
    it.command(Rebaseline(command_id="c", model="model"))

    it.run(make_stream([normal(40, seed=1), normal(40, seed=2)], first=2))

    alerts = of_cause(it, Cause.UNSTABLE_REFERENCE)
    assert kinds(alerts) == ["started", "recovered"]
    assert alerts[1].ending is Ending.NORMAL
    assert len({alert.incident_id for alert in alerts}) == 1
    assert len({alert.alert_id for alert in alerts}) == 2


def test_a_second_unstable_reference_goes_on_with_the_incident_of_the_first() -> None:
    config = make_config(window=SECOND, reference={"n_events": 40}, calibration={"level": 1e-3})
    it = Replay(config)
    for first in (0, 2):
        it.run(make_stream([unstable(), mixed()], first=first))
        it.command(Rebaseline(command_id="c", model="model"))

    it.run(make_stream([normal(40)], first=4))

    assert kinds(of_cause(it, Cause.UNSTABLE_REFERENCE)) == ["started", "recovered"]


def test_a_recovery_that_collects_anew_ends_the_incident_of_an_unstable_reference() -> None:
    reference = {"n_events": 40, "rebaseline": "on_recovery"}
    config = make_config(window=SECOND, reference=reference, calibration={"level": 1e-3})
    blocks = [unstable(), mixed(), normal(40, 9.0), mixed(seed=1), normal(40), normal(40, seed=1)]

    it = Replay(config).run(make_stream(blocks))

    assert kinds(of_cause(it, Cause.DRIFT)) == ["started", "recovered"]
    assert kinds(of_cause(it, Cause.UNSTABLE_REFERENCE)) == ["started", "recovered"]
    assert it.scores[-1].reference.start_ms == 4_000


def test_a_snoozed_model_writes_no_alert_about_its_reference() -> None:
    config = make_config(window=SECOND, reference={"n_events": 40}, calibration={"level": 1e-3})
    it = Replay(config)
    it.command(Snooze(command_id="c", model="model", until_ms=60_000))

    it.run(make_stream([unstable(), mixed()]))

    assert it.alerts == []


@pytest.mark.statistics
def test_a_stable_reference_is_called_unstable_as_rarely_as_the_level_says() -> None:
    n_runs, level = 250, 0.05
    config = make_config(reference={"n_events": 60}, calibration={"level": level})

    n_unstable = sum(
        bool(Replay(config).run(make_stream([normal(60, seed=seed)])).alerts)
        for seed in range(n_runs)
    )

    # KS is conservative, so there is no lower bound but that it happens.
    assert 0 < n_unstable <= stats.binom.ppf(0.999, n_runs, level)


# Whether a recovery asks for a new reference.


def recovering(rebaseline: str) -> list[Score]:
    reference = {"n_events": 40, "rebaseline": rebaseline}
    config = make_config(window=SECOND, reference=reference, calibration={"level": 1e-4})
    it = Replay(config).run(make_stream(levels(0, 0, 3, 3, 0, 0, 0)))
    assert kinds(it.alerts) == ["started", "ongoing", "recovered"]
    return it.scores


def test_on_recovery_the_next_events_make_a_new_reference() -> None:
    scores = recovering("on_recovery")

    assert [score.window.start_ms for score in scores] == [1_000, 2_000, 3_000, 4_000, 6_000]
    assert [score.reference.start_ms for score in scores] == [0, 0, 0, 0, 5_000]
    assert scores[-1].reference.fingerprint != scores[0].reference.fingerprint


@pytest.mark.parametrize("rebaseline", ["on_command", "never"])
def test_otherwise_the_reference_stays_after_a_recovery(rebaseline: str) -> None:
    scores = recovering(rebaseline)

    assert len(scores) == 6
    assert len({score.reference.fingerprint for score in scores}) == 1


def test_after_a_recovery_no_window_of_the_time_before_is_tested() -> None:
    """The window [3 s, 6 s) is open when [2 s, 5 s) recovers, and no pane comes in between."""
    reference = {"n_events": 40, "rebaseline": "on_recovery"}
    config = make_config(reference=reference, calibration={"level": 1e-4})
    rng = np.random.default_rng(4)
    sizes = [40, 200, 40, 40, *[0] * 6, 40, 40, 40, 40]
    blocks = [rng.normal(3.0 * (index == 1), size=(n, 3)) for index, n in enumerate(sizes)]

    it = Replay(config, fires_timers=False).run(make_stream(blocks), end_ms=60_000)

    (recovered,) = (alert for alert in it.alerts if alert.kind is AlertKind.RECOVERED)
    assert recovered.window.end_ms == 5_000
    after = [score for score in it.scores if score.window.end_ms > 5_000]
    assert {score.reference.start_ms for score in after} == {10_000}


# References that move along.


WINDOWS: list[dict[str, Any]] = [
    {"size_ms": 3_000, "slide_ms": 1_000},
    {"kind": "count", "size": 15, "slide": 6},
    {"kind": "session", "gap_ms": 9_000, "max_size_ms": 20_000, "min_events": 2},
]


def test_a_count_window_that_spans_a_long_silence_keeps_its_reference() -> None:
    window = {"kind": "count", "size": 20, "slide": 20}
    config = make_config(window=window, reference=TRAILING)
    blocks = [*[normal(20, seed=i) for i in range(6)], normal(10), *[np.empty((0, 3))] * 500]

    it = Replay(config).run(make_stream([*blocks, normal(10, seed=9)]))

    assert it.scores[-1].window.start_ms == 6_000
    assert it.scores[-1].status is ScoreStatus.TESTED
    assert it.scores[-1].reference.n_events == 120


def test_a_session_that_begins_long_before_its_end_keeps_its_reference() -> None:
    window = {"kind": "session", "gap_ms": 60_000, "max_size_ms": 900_000, "min_events": 2}
    config = make_config(window=window, reference=TRAILING)
    rng = np.random.default_rng(0)
    gap = [np.empty((0, 3))] * 59
    warm_up = [rng.normal(size=(10, 3)) for _ in range(7)]
    bursts = [block for _ in range(4) for block in (rng.normal(size=(9, 3)), *gap)]
    panes = make_stream([*warm_up, *bursts])

    it = Replay(config).run(panes, 10_000_000)

    sessions = [(s.status.value, s.window.n_events, s.reference.n_events) for s in it.scores]
    # Bursts a minute apart are one session, which begins when the reference is complete.
    assert sessions == [("tested", 10 + 4 * 9, 60)]


def test_windows_begin_when_a_moving_reference_is_complete() -> None:
    config = make_config(window=SECOND, reference=TRAILING)

    it = Replay(config).run(make_panes([10] * 8))

    assert [score.status.value for score in it.scores] == ["tested"] * 2
    first = it.scores[0]
    assert first.window.start_ms == 6_000
    assert (first.reference.start_ms, first.reference.end_ms) == (0, 6_000)
    assert it.alerts == []


def test_the_log_says_that_a_moving_reference_cannot_be_made_and_is_tried_again() -> None:
    pca = {"reducer": {"kind": "pca", "n_components": 2}}
    config = make_config(window=SECOND, reference=TRAILING, detector=pca)

    it = Replay(config).run(make_stream([np.ones((10, 3))] * 10))

    notices = [n.text for actions in it.actions for n in actions.notices]
    # With the first pane of each of the cells from 6 s and from 8 s on.
    assert len(notices) == 2
    assert "make no reference" in notices[0]
    assert "another attempt follows with the next cell" in notices[0]


def test_a_silence_longer_than_a_trailing_reference_starts_a_warm_up_again() -> None:
    config = make_config(window=SECOND, reference=TRAILING)

    it = Replay(config).run(make_panes([20] * 8 + [0] * 20 + [20] * 4))

    statuses = [s.status.value for s in it.scores if s.window.start_ms >= 28_000]
    assert statuses == ["no_reference"] * 2 + ["tested"] * 2


@pytest.mark.parametrize("window", WINDOWS, ids=["time", "count", "session"])
def test_the_history_of_a_moving_reference_stays_bounded(window: dict[str, Any]) -> None:
    config = make_config(
        window=window, reference=TRAILING | {"gap_ms": 2_000, "max_events_per_step": 12}
    )
    it = Replay(config)

    n_entries, n_bytes = [], []
    for pane in make_panes([20] * 120):
        it.pane(pane)
        cells = [data for name, data in it.state.entries.items() if name.startswith("cell/main/")]
        n_entries.append(len(cells))
        n_bytes.append(sum(map(len, cells)))

    # 4 steps back from the start of a window, which lies up to 20 s or 15 events back.
    assert max(n_entries) <= 4 + 20 // 2 + 2
    assert max(n_entries[60:]) <= max(n_entries[:60])
    assert max(n_bytes[60:]) <= 1.1 * max(n_bytes[:60])


def test_a_cell_is_a_sample_of_all_its_events_however_panes_cut_them() -> None:
    reference = TRAILING | {"step_ms": 4_000, "size_ms": 8_000, "max_events_per_step": 30}
    rows = np.random.default_rng(1).normal(size=(640, 3))
    shown = []
    for n_panes in (1, 2, 4):
        width_ms = 4_000 // n_panes
        config = make_config(
            window={"size_ms": 4_000, "slide_ms": 4_000},
            reference=reference,
            panes={"width_ms": width_ms},
        )
        blocks = np.split(rows, 8 * n_panes)
        it = Replay(config).run(make_stream(blocks, width_ms=width_ms))
        shown.append([(s.reference.n_events, s.statistic, s.p_value) for s in it.scores])

    # Cells of before the first reference are counted by their samples of 30, later ones whole.
    assert shown[0] == shown[1] == shown[2]
    assert [n_events for n_events, _, _ in shown[0]] == [60, 110, 160, 160, 160, 160]


def test_a_drift_that_stays_is_forgotten_when_the_trailing_reference_holds_nothing_else() -> None:
    config = make_config(window=SECOND, reference=TRAILING, calibration={"level": 1e-5})

    it = Replay(config).run(make_stream(levels(*[0] * 12, *[2] * 14)))

    assert kinds(it.alerts)[0] == "started"
    assert it.alerts[0].window.start_ms == 12_000
    assert it.alerts[-1].kind is AlertKind.RECOVERED
    assert it.alerts[-1].window.start_ms <= 12_000 + 6_000
    assert not any(s.is_drift for s in it.scores if s.window.start_ms >= 18_000)


def test_a_gap_keeps_a_slow_drift_out_of_the_reference() -> None:
    drift = levels(*np.linspace(0, 3, 40), n=60)

    def least(gap_ms: int) -> float:
        reference = TRAILING | {"size_ms": 4_000, "gap_ms": gap_ms}
        it = Replay(make_config(window=SECOND, reference=reference)).run(make_stream(drift))
        return float(np.median([s.p_value for s in those_tested(it) if s.p_value is not None]))

    assert least(12_000) < least(0) / 10


def daily(index: int) -> float:
    return 2.0 if index % 4 < 2 else -2.0


def weekly(index: int) -> float:
    return 2.0 if (index // 4) % 7 >= 5 else 0.0


def of_seasons(reference: dict[str, Any], locs: Sequence[float]) -> Replay:
    """Panes of six hours."""
    width_ms = 6 * HOUR_MS
    config = make_config(
        window={"size_ms": width_ms, "slide_ms": width_ms},
        reference=reference,
        panes={"width_ms": width_ms},
        calibration={"level": 1e-5},
    )
    return Replay(config).run(make_stream(levels(*locs), width_ms=width_ms))


def seasonal(period: str, n_periods: int = 1) -> dict[str, Any]:
    return {
        "kind": "seasonal",
        "period": period,
        "slot_ms": 6 * HOUR_MS,
        "n_periods": n_periods,
        "min_events": 20,
    }


def test_a_daily_cycle_alarms_a_fixed_reference_and_not_a_seasonal_one() -> None:
    locs = [daily(index) for index in range(40)]

    fixed = of_seasons({"n_events": 40}, locs)
    moving = of_seasons(seasonal("day", 2), locs)

    assert kinds(of_cause(fixed, Cause.DRIFT)).count("started") >= 8
    assert moving.alerts == []
    assert len(those_tested(moving)) == 32


def test_a_shift_is_a_shift_at_every_time_of_day() -> None:
    locs = [daily(index) + (1.5 if index >= 20 else 0.0) for index in range(28)]

    it = of_seasons(seasonal("day"), locs)

    assert [s.window.start_ms // (6 * HOUR_MS) for s in it.scores if s.is_drift] == [20, 21, 22, 23]


def test_weekends_alarm_a_reference_of_the_day_before_and_not_one_of_the_week_before() -> None:
    locs = [weekly(index) for index in range(4 * 7 * 3)]

    assert of_seasons(seasonal("day"), locs).alerts != []
    assert of_seasons(seasonal("week"), locs).alerts == []


def test_a_moving_reference_changes_what_incidents_say_and_not_which_model_they_are_about() -> None:
    it = Replay(make_config(window=SECOND, reference=TRAILING)).run(
        make_stream(levels(*[0] * 8, 3, 3))
    )

    started = it.alerts[0]
    assert started.kind is AlertKind.STARTED
    assert started.reference == next(s.reference for s in it.scores if s.window == started.window)
    assert started.reference.end_ms == 8_000
    assert len(started.exemplars) == 5
    assert msgspec.json.decode(msgspec.json.encode(started))["reference"]["n_events"] == 240
