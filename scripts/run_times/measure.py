"""Lets many detectors, each with its own reference, watch streams without a drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors import UNKNOWN_OFFSET, ExpectedRunTime, StreamDependence
from detectors.base import FloatArray
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.core.incidents.lifecycle import Outcome, advance
from flink_jobs.core.state.incident import Incident
from scripts.run_times.cases import CASES, PEER_CASES, Case, OfPeer, Sequential, Sizes, Windowed
from scripts.run_times.peer_process import ask
from scripts.run_times.streams import reference_and_rows

_CONFIDENCE = 0.9
_ALARMS_ENOUGH = 5


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


def count(task: Task) -> tuple[list[int], int]:
    """Let a detector watch; its runs, and the number of its windows.

    Not in ``__main__``, which processes that are started anew do not import.
    """
    watched = watch(task)
    return list(watched.runs), watched.n_windows


class Count:
    """Count incidents with the lifecycle of a job, window by window.

    Parameters
    ----------
    policy : PolicyTable
    """

    def __init__(self, policy: PolicyTable) -> None:
        self._policy = policy
        self._incident = Incident()
        self._runs: list[int] = []
        self._run = self._n_quiet = self._n_windows = 0

    @property
    def is_calm(self) -> bool:
        """Tell whether no incident is open."""
        return not self._incident.incident_id

    @property
    def watched(self) -> Watched:
        """All that was seen so far."""
        return Watched(tuple(self._runs), self._n_quiet)

    def take(self, *, is_drift: bool) -> None:
        """Count one more window."""
        place, before = self._n_windows, self._incident.incident_id
        self._n_windows += 1
        outcome = Outcome(place, place + 1, is_drift, 0.5, 0.0)
        advance(self._incident, outcome, policy=self._policy, new_incident_id=str(place))
        if self.is_calm:
            self._run, self._n_quiet = self._run + 1, self._n_quiet + 1
        elif self._incident.incident_id != before:
            self._runs.append(self._run)
            self._run = 0


def _watch_windows(
    detector: Windowed, sizes: Sizes, x_ref: FloatArray, rows: FloatArray
) -> Watched:
    """Test window after window as a job does: levels close in while no incident is open."""
    if detector.reducer is not None:
        reducer = detector.reducer().fit(x_ref)
        x_ref, rows = reducer.transform(x_ref), reducer.transform(rows)
    test = detector.test().fit(x_ref)
    calibration = ExpectedRunTime(sizes.target, _CONFIDENCE, sizes.overlap, detector.rule)
    dependence = StreamDependence.of(x_ref, detector.categorical).at(sizes.n_test)
    rule = detector.rule
    count = Count(
        PolicyTable(
            windows_to_start=rule.to_start, windows_to_recover=rule.to_recover, flapping_after=0
        )
    )
    rng, offset = np.random.default_rng(0), UNKNOWN_OFFSET
    for start in range(0, len(rows) - sizes.n_test + 1, sizes.slide):
        result = test.test(rows[start : start + sizes.n_test], rng=rng)
        judgement = calibration.judge(test, result, dependence, offset)
        if count.is_calm:
            offset = judgement.offset
        count.take(is_drift=judgement.is_drift)
    return count.watched


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
