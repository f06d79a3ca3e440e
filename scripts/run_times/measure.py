"""Lets many detectors, each with its own reference, watch streams without a drift."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn

from detectors import (
    Dependence,
    ExpectedRunTime,
    IncidentRule,
    TwoSampleTest,
    autocorrelation_time,
)
from detectors.base import FloatArray
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.core.incidents.lifecycle import Outcome, advance
from flink_jobs.core.state.incident import Incident
from scripts.run_times.cases import CASES

POLICY = PolicyTable(flapping_after=0)
RULE = IncidentRule(POLICY.windows_to_start, POLICY.windows_to_start, POLICY.windows_to_recover)


@dataclass(frozen=True)
class Task:
    """One detector of a case.

    Attributes
    ----------
    case : str
    n_ref, n_test, overlap : int
        Rows of the reference and of a window, and windows to which a row belongs.
    targets : tuple of float
        Promised run times, in windows; all judge the same windows.
    n_windows : int
    number : int
        Which of the detectors of its case.
    """

    case: str
    n_ref: int
    n_test: int
    overlap: int
    targets: tuple[float, ...]
    n_windows: int
    number: int


def measure(tasks: Sequence[Task], n_workers: int) -> dict[Task, tuple[float, ...]]:
    """Run all tasks, with progress; a run time in windows for each target."""
    context = multiprocessing.get_context("spawn")
    columns = (*Progress.get_default_columns()[:-1], TimeElapsedColumn(), TimeRemainingColumn())
    with ProcessPoolExecutor(n_workers, context) as pool, Progress(*columns) as progress:
        bar = progress.add_task("detectors", total=len(tasks))
        futures = {pool.submit(run_times, task): task for task in tasks}
        found = {}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            progress.advance(bar)
    return found


def run_times(task: Task) -> tuple[float, ...]:
    """Give the windows without an incident per incident, for each target."""
    rng = np.random.default_rng((hash_of(task.case), task.n_ref, task.overlap, task.number))
    case = CASES[task.case]
    x_ref = case.draw(rng, task.n_ref)
    time = autocorrelation_time(x_ref)
    test, reduce = _fitted(task, x_ref)
    levels = [_level(task, target, test, Dependence(time, time)) for target in task.targets]
    p_values = np.array(list(_p_values(task, test, reduce, rng)))
    return tuple(run_time(p_values <= level) for level in levels)


def hash_of(text: str) -> int:
    """Give a number that is the same everywhere."""
    return int.from_bytes(text.encode().ljust(8)[:24], "big")


def run_time(is_drift: np.ndarray) -> float:  # type: ignore[type-arg]
    """Count with the lifecycle of a job; a stream without an incident counts as one with one."""
    incident, n_starts, n_open = Incident(), 0, 0
    for place, drifts in enumerate(is_drift.tolist()):
        before = incident.incident_id
        outcome = Outcome(place, place + 1, drifts, 0.5, 0.0)
        advance(incident, outcome, policy=POLICY, new_incident_id=str(place))
        n_starts += bool(incident.incident_id) and incident.incident_id != before
        n_open += bool(incident.incident_id)
    return (len(is_drift) - n_open) / max(n_starts, 1)


def _fitted(
    task: Task, x_ref: FloatArray
) -> tuple[TwoSampleTest, Callable[[FloatArray], FloatArray]]:
    case = CASES[task.case]
    if case.reducer is None:
        return case.test().fit(x_ref), lambda rows: rows
    reducer = case.reducer().fit(x_ref)
    return case.test().fit(reducer.transform(x_ref)), reducer.transform


def _level(task: Task, target: float, test: TwoSampleTest, dependence: Dependence) -> float:
    calibration = ExpectedRunTime(target, 0.9, task.overlap, RULE)
    width = CASES[task.case].draw(np.random.default_rng(0), 1).shape[1]
    width = width if test.is_univariate else 1
    return calibration.level_for(task.n_ref, task.n_test, width, dependence)


def _p_values(
    task: Task,
    test: TwoSampleTest,
    reduce: Callable[[FloatArray], FloatArray],
    rng: np.random.Generator,
) -> Iterator[float]:
    slide = task.n_test // task.overlap
    rows = CASES[task.case].draw(rng, task.n_test + slide * (task.n_windows - 1))
    reduced = reduce(rows)
    for place in range(task.n_windows):
        window = reduced[place * slide : place * slide + task.n_test]
        yield test.test(window, rng=rng).p_value
