"""Lets many detectors, each with its own reference, watch streams without a drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors import (
    Calibration,
    Dependence,
    ExpectedRunTime,
    KSTest,
    StreamDependence,
    TwoSampleTest,
)
from detectors.base import FloatArray
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.core.incidents.lifecycle import Outcome, advance
from flink_jobs.core.state.incident import Incident
from scripts.run_times.cases import CASES, PEER_CASES, Case, OfPeer, Sequential, Sizes, Windowed
from scripts.run_times.peer_process import ask
from scripts.run_times.sliding_ks import sliding_distances
from scripts.run_times.streams import reference_and_rows

_CONFIDENCE = 0.9
_ALARMS_ENOUGH = 5
# D is a ratio of whole numbers that is computed in another order than the threshold.
_ROUNDING = 1e-12

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """One detector of a case.

    Attributes
    ----------
    case : str
        One of ``CASES`` or ``PEER_CASES``.
    n_ref : int
        Rows of the reference.
    n_windows : int
        Windows to watch.
    number : int
        Which of the detectors of its case.
    """

    case: str
    n_ref: int
    n_windows: int
    number: int


@dataclass(frozen=True)
class Watched:
    """The incidents of a detector without a drift.

    Attributes
    ----------
    runs : tuple of int
        Windows without an incident before each incident that started.
    n_windows : int
        All windows without an incident.
    """

    runs: tuple[int, ...]
    n_windows: int

    @property
    def run_time(self) -> float:
        """Windows per incident; a stream without an incident counts as one with one."""
        return self.n_windows / max(len(self.runs), 1)


def case_of(name: str) -> Case:
    """Give a case by its name."""
    return CASES[name] if name in CASES else PEER_CASES[name]


def watch(task: Task) -> Watched:
    """Let one detector watch its stream."""
    case = case_of(task.case)
    if isinstance(case.detector, OfPeer):
        return _watch_by_peer(task, case, case.detector)
    n_rows = case.sizes.n_test + case.sizes.slide * (task.n_windows - 1)
    x_ref, rows = reference_and_rows(case.stream, task.n_ref, task.number, n_rows)
    if isinstance(case.detector, Sequential):
        return _watch_in_sequence(case.detector, case.sizes, x_ref, rows)
    return _watch_windows(case.detector, case.sizes, x_ref, rows)


def counted(is_drift: Bools, policy: PolicyTable) -> Watched:
    """Count incidents with the lifecycle of a job."""
    incident, runs, run, n_windows = Incident(), [], 0, 0
    for place, drifts in enumerate(is_drift.tolist()):
        before = incident.incident_id
        outcome = Outcome(place, place + 1, drifts, 0.5, 0.0)
        advance(incident, outcome, policy=policy, new_incident_id=str(place))
        if not incident.incident_id:
            run, n_windows = run + 1, n_windows + 1
        elif incident.incident_id != before:
            runs.append(run)
            run = 0
    return Watched(tuple(runs), n_windows)


def _watch_windows(
    detector: Windowed, sizes: Sizes, x_ref: FloatArray, rows: FloatArray
) -> Watched:
    if detector.reducer is not None:
        reducer = detector.reducer().fit(x_ref)
        x_ref, rows = reducer.transform(x_ref), reducer.transform(rows)
    test = detector.test().fit(x_ref)
    calibration = ExpectedRunTime(sizes.target, _CONFIDENCE, sizes.overlap, detector.rule)
    dependence = StreamDependence.of(x_ref, detector.categorical).at(sizes.n_test)
    policy = PolicyTable(
        windows_to_start=detector.rule.to_start,
        windows_to_recover=detector.rule.to_recover,
        flapping_after=0,
    )
    return counted(_drifting(test, calibration, dependence, sizes, x_ref, rows), policy)


def _drifting(
    test: TwoSampleTest, calibration: Calibration, dependence: Sequence[Dependence], sizes: Sizes,
    x_ref: FloatArray, rows: FloatArray,
) -> Bools:  # fmt: skip
    """Tell which windows drift; those of KS all at once."""
    is_alike = len(set(dependence)) == 1
    if isinstance(test, KSTest) and is_alike:
        rng = np.random.default_rng(0)
        judgement = calibration.judge(test, test.test(rows[: sizes.n_test], rng=rng), dependence)
        distances = sliding_distances(x_ref, rows, sizes.n_test, sizes.slide)
        return np.asarray(distances >= judgement.threshold.statistic - _ROUNDING)
    return np.array(list(_judged(test, calibration, dependence, sizes, rows)), dtype=np.bool_)


def _judged(
    test: TwoSampleTest, calibration: Calibration, dependence: Sequence[Dependence], sizes: Sizes,
    rows: FloatArray,
) -> Iterator[bool]:  # fmt: skip
    rng = np.random.default_rng(0)
    for start in range(0, len(rows) - sizes.n_test + 1, sizes.slide):
        result = test.test(rows[start : start + sizes.n_test], rng=rng)
        yield calibration.judge(test, result, dependence).is_drift


def _watch_in_sequence(
    detector: Sequential, sizes: Sizes, x_ref: FloatArray, rows: FloatArray
) -> Watched:
    """Feed the rows of a slide at once, each slide of weight 1; an alarm begins anew.

    The fifth alarm ends it: evidence grows so evenly that a last run without an alarm, cut off by
    the end of a stream, would make the mean of five runs too long.
    """
    watching = detector.make(sizes.target)
    watching.fit(x_ref)
    alarms, starts = [], range(0, len(rows) - sizes.slide + 1, sizes.slide)
    for place, start in enumerate(starts, 1):
        if watching.update(rows[start : start + sizes.slide], weight=1.0) >= sizes.target:
            alarms.append(place)
            watching.reset()
        if len(alarms) == _ALARMS_ENOUGH:
            return _watched(alarms, place)
    return _watched(alarms, len(starts))


def _watched(alarms: Sequence[int], n_windows: int) -> Watched:
    """Make runs of the windows, counted from 1, that alarmed, after each of which all begins."""
    return Watched(tuple(np.diff([0, *alarms]).tolist()), n_windows)


def _watch_by_peer(task: Task, case: Case, detector: OfPeer) -> Watched:
    answer = ask(
        detector.peer,
        {
            "do": "watch",
            "kind": detector.kind,
            "stream": case.stream,
            "n_ref": task.n_ref,
            "number": task.number,
            "n_rows": task.n_windows,
            "n_test": case.sizes.n_test,
            "run_time": case.sizes.target,
        },
    )
    return _watched(answer["alarms"], task.n_windows)
