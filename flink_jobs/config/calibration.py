"""Calibrations of detectors from their tables, windows and policies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from detectors import (
    INDEPENDENT,
    Calibration,
    Dependence,
    ExpectedRunTime,
    IncidentRule,
    Judgement,
    LevelPerWindow,
    Sized,
    StreamDependence,
    TwoSampleResult,
    TwoSampleTest,
)
from detectors.calibration.dependence import ENOUGH_ROWS
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.config.tables.watching import (
    CalibrationTable,
    ExpectedRunTimeConfig,
    LevelPerWindowConfig,
)
from flink_jobs.config.tables.windows import CountWindow, SessionWindow, WindowTable
from flink_jobs.config.two_sample_tests import (
    lowest_p_value,
    make_test,
    n_dimensions,
    usual_events,
)
from flink_jobs.config.views import Detector, View, views_of

REFERENCE_LEVEL = 1e-5
"""The two halves of a reference are compared once, so no run time says which level they have. At
0.001 the demonstration's references, eight a run, raised 3 false alarms in 240 runs. Halves of 500
events that differ by 0.16 in one column are still found, at 0.001 by 0.13."""


def make_calibration(config: DriftJobConfig, detector: Detector) -> Calibration:
    """Make what decides whether a window of a detector of this model drifts."""
    table = detector.calibration
    if isinstance(table, LevelPerWindowConfig):
        return LevelPerWindow(table.level)
    return ExpectedRunTime(
        windows_of(config, detector),
        table.confidence,
        _overlap(detector.window),
        _rule(detector.policy),
        may_overlap_less=_newest_only(detector.window),
    )


def judge_halves(
    table: CalibrationTable, test: TwoSampleTest, halves: TwoSampleResult
) -> Judgement:
    """Judge whether the halves of a reference differ; no test goes below its lowest p-value."""
    if isinstance(table, LevelPerWindowConfig):
        return LevelPerWindow(table.level).judge(test, halves)
    lowest = test.lowest_p_value(halves.n_ref, halves.n_test, halves.dimension_statistics.size)
    return LevelPerWindow(min(max(REFERENCE_LEVEL, lowest), 0.5)).judge(test, halves)


def level_at(
    config: DriftJobConfig, view: View, detector: Detector, n_ref: int, n_test: int
) -> float:
    """Give the level of a detector for windows and references of so many independent events."""
    return sized_at(config, view, detector, n_ref, n_test).level


def sized_at(
    config: DriftJobConfig, view: View, detector: Detector, n_ref: int, n_test: int,
    dependence: StreamDependence | None = None,
) -> Sized:  # fmt: skip
    """Say what a detector asks of windows of these sizes, by the column that depends most."""
    is_univariate = make_test(detector.test, view).is_univariate
    width = n_dimensions(view, detector.test) if is_univariate else 1
    worst = INDEPENDENT if dependence is None else _worst(dependence, n_test)
    return make_calibration(config, detector).sized(n_ref, n_test, width, worst)


def windows_of(config: DriftJobConfig, detector: Detector) -> float:
    """Give the run time of a detector in its windows, such that all of a model keep the promise.

    Rates add: n detectors that each start an incident in n times the time start one in that time.
    A window with an early test is tested twice.
    """
    n_tests = 2 if getattr(detector.window, "early_events", 0) else 1
    promised = _promised(detector.calibration, detector.window)
    return max(2.0, promised * _n_detectors(config) * n_tests)


def promise_in_words(config: DriftJobConfig, detector: Detector) -> str:
    """Say how long a detector runs, and all of a model where there are several."""
    n_windows = _promised(detector.calibration, detector.window)
    together = f", all detectors together in {n_windows:,.0f}" if _n_detectors(config) > 1 else ""
    return f"a false alarm in {windows_of(config, detector):,.0f} windows or more{together}"


def run_times_of(config: DriftJobConfig) -> dict[tuple[str, str], tuple[float, float]]:
    """Give windows and confidence by the names of view and detector, where they are promised.

    ``config`` is that of the model.
    """
    return {
        (view.name, detector.name): (windows_of(config, detector), detector.calibration.confidence)
        for view in views_of(config)
        for detector in view.detectors
        if isinstance(detector.calibration, ExpectedRunTimeConfig)
    }


def promises_of(
    config: DriftJobConfig,
    view: View,
    n_ref: int,
    dependence: Mapping[str, StreamDependence],
    span_ms: int | None = None,
) -> Iterator[str]:
    """Say what the detectors of a view promise for a reference of this number of events.

    Parameters
    ----------
    config : DriftJobConfig
    view : View
    n_ref : int
    dependence : mapping of str to StreamDependence
        By name of a detector: how much the events that it sees depend on those before them. A
        detector whose events do not is not there.
    span_ms : int, optional
        The event time in which those of the reference came.
    """
    for detector in view.detectors:
        own = dependence.get(detector.name)
        n_test = usual_events(detector, n_ref, span_ms)
        if own is not None:
            yield f"{detector.name}: {_depends(view, (n_ref, n_test), own)}"
        if isinstance(detector.calibration, ExpectedRunTimeConfig):
            yield f"{detector.name}: {_promise(config, view, detector, (n_ref, n_test), own)}"


def _depends(view: View, sizes: tuple[int, int], dependence: StreamDependence) -> str:
    n_ref, n_test = sizes
    of_columns = dependence.at(n_test)
    worst = _worst(dependence, n_test)
    are_columns = view.tests_columns and len(of_columns) == len(view.slots)
    most = f", {view.slots[of_columns.index(worst)].name} most" if are_columns else ""
    own_ref, own_test = max(1, int(n_ref / worst.ref)), max(1, int(n_test / worst.test))
    few = "" if own_ref >= ENOUGH_ROWS else (
        ", too few to know well how much they depend on each other: take a longer reference"
    )  # fmt: skip
    return (
        f"its events depend on those before them{most}: a window of {n_test:,} says as much as "
        f"{own_test:,} independent {'one' if own_test == 1 else 'ones'}, a reference of {n_ref:,} "
        f"as {own_ref:,}{few}"
    )


def _worst(dependence: StreamDependence, n_test: int) -> Dependence:
    return max(dependence.at(n_test), key=lambda each: each.test)


def _promise(
    config: DriftJobConfig, view: View, detector: Detector, sizes: tuple[int, int],
    dependence: StreamDependence | None,
) -> str:  # fmt: skip
    n_ref, n_test = sizes
    sized = sized_at(config, view, detector, n_ref, n_test, dependence)
    promise = promise_in_words(config, detector)
    if not sized.is_kept:
        return (
            f"a window of {n_test:,} events is too short to promise {promise}: it drifts where it "
            "is further from the reference than all windows of the reference were; take longer "
            "windows"
        )
    level, lowest = sized.level, lowest_p_value(view, detector.test, sized.n_ref, sized.n_test)
    at = f"a window of {n_test:,} events drifts at a p-value of {max(level, lowest):.2g} or less"
    share = f"{detector.calibration.confidence:.0%} of all references"  # type: ignore[union-attr]
    if lowest > level:
        return f"{at}, the lowest there is; the promised run time needs {level:.2g}, for {share}"
    return f"{at}; {promise}, for {share}"


def lower_promise(table: CalibrationTable) -> str:
    """Say what a person can change so that a level rises."""
    if isinstance(table, LevelPerWindowConfig):
        return "a higher calibration.level"
    return f"a smaller calibration.{_given(table)[0]}"


def check_calibration(key: str, detector: Detector) -> Iterator[Problem]:
    """Yield what is wrong with the run time of a detector; ``key`` is that of its table."""
    table = detector.calibration
    if isinstance(table, LevelPerWindowConfig):
        return
    given = _given(table)
    if len(given) != 1:
        wrong = f"{' and '.join(given)} are given" if given else "no run time is given"
        yield Problem(key, wrong, "one of windows, events and time_ms")
        return
    counts = isinstance(detector.window, CountWindow)
    if given[0] == ("time_ms" if counts else "events"):
        kind = detector.window.__struct_config__.tag
        right = "events" if counts else "time_ms"
        wrong = f"windows of kind {kind!r} have no fixed rate of {given[0].removesuffix('_ms')}"
        yield Problem(f"{key}.{given[0]}", wrong, f"{key}.{right} or {key}.windows")


def _given(table: ExpectedRunTimeConfig) -> list[str]:
    return [name for name in ("windows", "events", "time_ms") if getattr(table, name) is not None]


def _promised(table: CalibrationTable, window: WindowTable) -> float:
    """Give a run time in windows; sessions end once in a gap at most."""
    match table, window:
        case ExpectedRunTimeConfig(events=int(events)), CountWindow(slide=slide):
            return events / slide
        case ExpectedRunTimeConfig(time_ms=int(time_ms)), SessionWindow(gap_ms=gap_ms):
            return time_ms / gap_ms
        case ExpectedRunTimeConfig(time_ms=int(time_ms)), _:
            return time_ms / window.slide_ms  # type: ignore[union-attr]
        case ExpectedRunTimeConfig(windows=windows), _:
            return windows or 2.0
        case _:
            raise TypeError("a level per window promises no run time")


def _n_detectors(config: DriftJobConfig) -> int:
    return sum(len(view.detectors) for view in views_of(config))


def _overlap(window: WindowTable) -> int:
    """Count the windows to which an event belongs."""
    match window:
        case CountWindow(size=size, slide=slide):
            return math.ceil(size / slide)
        case SessionWindow():
            return 1
        case _:
            return math.ceil(window.size_ms / window.slide_ms)


def _newest_only(window: WindowTable) -> bool:
    """Tell whether a window may leave out its older events, which it shares with earlier ones."""
    return bool(getattr(window, "max_events", 0))


def _rule(policy: PolicyTable) -> IncidentRule:
    k = policy.windows_to_start
    return IncidentRule(k, policy.start_within_windows or k, policy.windows_to_recover)
