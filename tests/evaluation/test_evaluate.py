from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from flink_jobs.evaluation.evaluate import (
    Alarm,
    Evaluation,
    Figures,
    Stream,
    WindowEnds,
    alarms_of,
    evaluate,
    window_ends,
)
from flink_jobs.histories.known_drifts.truth import NO_END_MS, DriftInterval
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score, ScoreStatus
from tests.records.examples import make_alert, make_score

MAIN = Stream("a")
EXAMPLE = make_alert()
Incident = tuple[int, int | None]


def alert(
    end_ms: int, kind: AlertKind, incident: str = "1", stream: Stream = MAIN, cause: str = "drift"
) -> Alert:
    window = msgspec.structs.replace(
        EXAMPLE.window, start_ms=end_ms - 10, end_ms=end_ms, closed_ms=end_ms
    )
    return msgspec.structs.replace(
        EXAMPLE,
        model=stream.model,
        view=stream.view,
        detector=stream.detector,
        kind=kind,
        cause=Cause(cause),
        window=window,
        incident_id=incident,
    )


def alerts_of(incidents: Iterable[Incident], stream: Stream = MAIN) -> list[Alert]:
    """What a job writes for incidents that start and recover at these times."""
    alerts = []
    for number, (raised_ms, until_ms) in enumerate(incidents):
        alerts.append(alert(raised_ms, AlertKind.STARTED, str(number), stream))
        if until_ms is not None:
            alerts.append(alert(until_ms, AlertKind.RECOVERED, str(number), stream))
    return alerts


def windows_to(end_ms: int, every_ms: int = 10) -> WindowEnds:
    """Tumbling windows from 0 on."""
    return WindowEnds(0, np.arange(every_ms, end_ms + 1, every_ms, dtype=np.int64))


def judged(
    incidents: Iterable[Incident],
    drifts: Iterable[tuple[int, int]],
    *,
    tolerance_ms: int = 0,
    end_ms: int = 100,
) -> Evaluation:
    """Windows of 10 ms from 0 on."""
    intervals = [DriftInterval("a", *drift) for drift in drifts]
    windows = {MAIN: windows_to(end_ms)}
    return evaluate(alerts_of(incidents), windows, intervals, tolerance_ms=tolerance_ms)


def figures(*args: Iterable[tuple[int, int | None]], **options: int) -> Figures:
    return judged(*args, **options).total.detector  # type: ignore[arg-type]


def test_the_delay_runs_from_the_drifts_start_to_the_end_of_the_first_alerts_window():
    evaluation = judged([(60, 90)], [(35, 80)])

    assert evaluation.total.detector == Figures(
        n_drifts=1,
        n_alarms=1,
        n_windows=10,
        delays_ms=[25],
        delays_windows=[3],
        monitored_ms=100,
        quiet_ms=55,
        false_alarm_ms=10,
    )
    assert [each.delay_ms for each in evaluation.detections] == [25]


def test_without_drift_every_alarm_is_false():
    found = figures([(20, 30), (50, 60)], [])

    assert (found.n_alarms, found.n_false_alarms, found.quiet_ms) == (2, 2, 100)
    assert (found.precision, found.recall, found.f1) == (0.0, None, None)
    assert found.mean_time_between_false_alarms_ms == 50
    assert found.false_alarm_share == 0.2


def test_without_alarm_every_drift_is_missed():
    found = figures([], [(20, 30), (50, 60)])

    assert (found.n_drifts, found.n_missed, found.n_false_alarms) == (2, 2, 0)
    assert (found.precision, found.recall, found.f1) == (None, 0.0, 0.0)
    assert (found.mean_delay_ms, found.median_delay_ms, found.mean_delay_windows) == (None,) * 3


def test_without_anything_no_rate_is_made_up():
    found = evaluate([], {}, []).total.detector

    assert found == Figures()
    assert found.false_alarm_share is None
    assert found.mean_time_between_false_alarms_ms is None


def test_an_alarm_that_was_raised_before_the_drift_and_goes_on_does_not_detect_it():
    found = figures([(20, None)], [(40, 60)])

    assert (found.n_missed, found.n_false_alarms) == (1, 1)
    assert found.false_alarm_ms == 60


def test_an_alarm_at_the_very_start_of_a_drift_cannot_be_about_it():
    found = figures([(40, 50)], [(40, 60)])

    assert (found.n_missed, found.n_false_alarms) == (1, 1)


def test_an_alarm_raised_in_a_drift_counts_for_those_that_overlap_it():
    found = figures([(30, 90)], [(15, 50), (45, 80)])

    assert (found.n_missed, found.n_false_alarms) == (0, 0)
    assert (found.delays_ms, found.delays_windows) == ([15, 5], [2, 1])


def test_an_alarm_that_recovered_does_not_count_for_a_later_drift_that_overlaps():
    found = figures([(30, 40)], [(15, 50), (45, 80)])

    assert (found.n_missed, found.delays_ms) == (1, [15])


def test_an_overdue_alarm_does_not_count_for_a_drift_after_a_quiet_time():
    found = figures([(20, 90)], [(5, 30), (60, 80)])

    assert (found.n_missed, found.false_alarm_ms) == (1, 40)


@pytest.mark.parametrize(("tolerance_ms", "n_missed", "n_false"), [(9, 1, 1), (10, 0, 0)])
def test_an_alarm_within_the_tolerated_time_belongs_to_the_drift(tolerance_ms, n_missed, n_false):
    found = figures([(70, 80)], [(52, 60)], tolerance_ms=tolerance_ms)

    assert (found.n_missed, found.n_false_alarms) == (n_missed, n_false)


def test_several_alarms_in_one_drift_are_all_right_and_the_first_counts():
    found = figures([(30, 40), (50, 60), (90, None)], [(20, 70)])

    assert (found.n_alarms, found.n_false_alarms, found.delays_ms) == (3, 1, [10])
    assert found.precision == pytest.approx(2 / 3)


def test_a_drift_that_goes_on_until_the_end_leaves_no_quiet_time_after_it():
    found = figures([(70, None)], [(60, NO_END_MS)], tolerance_ms=50)

    assert (found.n_missed, found.quiet_ms, found.false_alarm_ms) == (0, 60, 0)


def test_a_drift_in_which_no_window_was_tested_is_missed_and_marked():
    evaluation = judged([], [(100, 200)])

    assert evaluation.total.detector.n_missed == 1
    assert evaluation.total.detector.n_unmonitored == 1
    assert not evaluation.detections[0].is_monitored


def test_drifts_of_a_model_that_was_never_tested_are_missed():
    found = evaluate([], {}, [DriftInterval("a*", 5, 9)], streams=[MAIN]).total

    assert (found.detector.n_missed, found.always.n_missed) == (1, 1)


def test_a_drift_of_no_model_in_the_history_is_told():
    drift = DriftInterval("frued", 5, 9)

    evaluation = evaluate([], {MAIN: windows_to(50)}, [drift])

    assert evaluation.unmatched == [drift]
    assert evaluation.total.detector.n_drifts == 0


def test_models_views_and_detectors_are_told_apart_and_summed():
    other, second = Stream("b"), Stream("a", "outputs", "slow")
    windows = {stream: windows_to(100) for stream in (MAIN, other, second)}
    alerts = alerts_of([(30, 40)]) + alerts_of([(60, 70)], other) + alerts_of([(45, 50)], second)
    drifts = [DriftInterval("a", 20, 50), DriftInterval("*", 80, 90)]

    evaluation = evaluate(alerts, windows, drifts)

    counts = {
        name: (each.detector.n_drifts, each.detector.n_missed, each.detector.n_false_alarms)
        for name, each in (evaluation.by_model | evaluation.by_watcher).items()
    }
    assert counts == {
        "a": (4, 2, 0),
        "b": (1, 1, 1),
        ("main", "main"): (3, 2, 1),
        ("outputs", "slow"): (2, 1, 0),
    }
    assert list(evaluation.by_stream) == [MAIN, second, other]
    assert evaluation.total.detector.n_drifts == 5
    assert evaluation.by_model["a"] + evaluation.by_model["b"] == evaluation.total


def test_alerts_of_another_cause_are_no_alarms():
    alerts = [
        alert(30, AlertKind.STARTED, cause="silence"),
        alert(40, AlertKind.STARTED, "2", cause="unstable_reference"),
    ]

    assert alarms_of(alerts) == {}


def test_an_incident_whose_started_was_held_back_is_raised_by_its_first_alert():
    alerts = [alert(30, AlertKind.ONGOING), alert(40, AlertKind.RECOVERED)]

    assert alarms_of(alerts) == {MAIN: [Alarm(30, 40)]}


def test_a_drift_found_by_a_window_tested_early_is_found_at_the_time_of_the_test():
    window = msgspec.structs.replace(
        EXAMPLE.window, start_ms=40, end_ms=80, closed_ms=50, closed_early=True
    )
    found = msgspec.structs.replace(alert(80, AlertKind.STARTED), window=window)
    scored = make_score(model="a", detector="main", window=window)

    evaluation = evaluate(
        [found], window_ends([scored]), [DriftInterval("a", 45, 70)], streams=[MAIN]
    )

    assert evaluation.total.detector.n_false_alarms == 0
    assert [each.delay_ms for each in evaluation.detections] == [5]


def test_only_tested_windows_count_and_each_of_them_once():
    def score(start_ms: int, end_ms: int, status: ScoreStatus = ScoreStatus.TESTED) -> Score:
        example = make_score()
        window = msgspec.structs.replace(
            example.window, start_ms=start_ms, end_ms=end_ms, closed_ms=end_ms
        )
        return make_score(model="a", detector="main", window=window, status=status)

    scores = [
        score(0, 10, ScoreStatus.TOO_FEW_EVENTS),
        score(10, 20),
        score(10, 20),
        score(15, 25),
        score(20, 30, ScoreStatus.NO_REFERENCE),
    ]

    found = window_ends(scores)

    assert found[MAIN].start_ms == 10
    assert found[MAIN].ends_ms.tolist() == [20, 25]


def test_never_misses_all_and_always_alarms_with_every_window():
    total = judged([(30, 50)], [(15, 45), (71, 80)]).total

    assert (total.never.n_missed, total.never.n_alarms) == (2, 0)
    assert (total.always.n_missed, total.always.n_alarms) == (0, 10)
    assert total.always.n_false_alarms == 6
    assert total.always.delays_windows == [1, 1]
    assert total.always.false_alarm_ms == total.always.quiet_ms - 10  # before the first window


def test_every_n_windows_alarms_as_often_as_the_detector_and_evenly():
    total = judged([(10, 20), (20, 30)], [(70, 90)]).total

    # Of ten windows the third and the eighth.
    assert total.every_n_windows.n_alarms == 2
    assert total.every_n_windows.n_false_alarms == 1
    assert total.every_n_windows.delays_ms == [10]
    assert total.every_n_windows.false_alarm_ms == 10


def test_without_a_false_alarm_the_time_between_them_has_a_lower_limit_only():
    low, high = Figures(quiet_ms=1_000).time_between_false_alarms_interval_ms()

    # Of a Poisson count with that mean, none is seen in 2.5 % of the cases.
    assert poisson.pmf(0, 1_000 / low) == pytest.approx(0.025)
    assert high is None


@pytest.mark.parametrize("n", [1, 3, 40])
def test_the_interval_holds_the_rates_under_which_the_count_is_no_surprise(n):
    found = Figures(quiet_ms=10_000, n_false_alarms=n)

    low, high = found.time_between_false_alarms_interval_ms()

    assert high is not None
    assert low < 10_000 / n < high
    assert poisson.cdf(n, 10_000 / low) == pytest.approx(0.025)
    assert poisson.sf(n - 1, 10_000 / high) == pytest.approx(0.025)


def test_a_negative_tolerance_is_refused():
    with pytest.raises(ValueError, match="tolerance_ms"):
        evaluate([], {}, [], tolerance_ms=-1)


SPANS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 80)).map(lambda t: (t[0], t[0] + t[1])),
    max_size=6,
)


@st.composite
def incidents(draw: st.DrawFn) -> list[Incident]:
    """Incidents as a job raises them: at ends of windows, one after the other."""
    moments = sorted(draw(st.sets(st.integers(1, 30), max_size=12)))
    ends_ms: list[int | None] = [10 * moment for moment in moments]
    if len(ends_ms) % 2:
        ends_ms.append(None)
    return list(zip(ends_ms[::2], ends_ms[1::2], strict=True))  # type: ignore[arg-type]


@given(incidents(), SPANS, st.integers(0, 40))
def test_every_detector_keeps_within_what_is_possible(raised, drifts, tolerance_ms):
    evaluation = judged(raised, drifts, tolerance_ms=tolerance_ms, end_ms=300)
    total = evaluation.total

    for found in (total.detector, total.never, total.always, total.every_n_windows):
        assert 0 <= found.n_false_alarms <= found.n_alarms
        assert total.always.n_missed <= found.n_missed <= found.n_drifts == len(drifts)
        assert len(found.delays_ms) == len(found.delays_windows) == found.n_drifts - found.n_missed
        assert all(delay > 0 for delay in found.delays_ms + found.delays_windows)
        assert 0 <= found.false_alarm_ms <= found.quiet_ms <= found.monitored_ms == 300
    assert total.always.n_missed == total.always.n_unmonitored
    assert total.every_n_windows.n_alarms == total.detector.n_alarms == len(raised)
    assert total.always.false_alarm_ms >= total.detector.false_alarm_ms


@given(incidents(), SPANS)
def test_no_detector_is_quicker_than_one_that_always_alarms(raised, drifts):
    always = [(10 * i, 10 * i + 10) for i in range(1, 31)]

    ours = judged(raised, drifts, end_ms=300).detections
    quickest = judged(always, drifts, end_ms=300).detections

    for mine, best in zip(ours, quickest, strict=True):
        assert mine.delay_ms is None or (best.delay_ms or 0) <= mine.delay_ms


@given(incidents(), SPANS, st.integers(0, 40), st.integers(0, 40))
def test_more_tolerance_never_makes_more_false_alarms_or_more_missed_drifts(raised, drifts, a, b):
    strict = figures(raised, drifts, tolerance_ms=min(a, b), end_ms=300)
    lenient = figures(raised, drifts, tolerance_ms=max(a, b), end_ms=300)

    assert lenient.n_false_alarms <= strict.n_false_alarms
    assert lenient.n_missed <= strict.n_missed
    assert lenient.quiet_ms <= strict.quiet_ms


@given(incidents(), SPANS, st.integers(1, 10**12))
def test_figures_do_not_depend_on_when_the_history_lies(raised, drifts, later_ms):
    moved = [(a + later_ms, None if b is None else b + later_ms) for a, b in raised]
    windows = windows_to(300)
    there = {MAIN: WindowEnds(later_ms, windows.ends_ms + later_ms)}
    intervals = [DriftInterval("a", a + later_ms, b + later_ms) for a, b in drifts]

    found = evaluate(alerts_of(moved), there, intervals)

    assert found.total == judged(raised, drifts, end_ms=300).total
