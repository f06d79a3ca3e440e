"""Counts alarms on pairs of samples drawn from the same rows."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache

import numpy as np
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn

from detectors.base import FloatArray
from scripts.replicate.data import generator
from scripts.type_one.combinations import TESTS, Combination, combinations, reduced_rows

SLOW_SHARE = 0.5
"""Of the repeats, for pixels that are not reduced: 784 dimensions take 25 times as long as 32."""
CHUNK = 20


@dataclass(frozen=True)
class Plan:
    """Plan of a measurement.

    Attributes
    ----------
    sizes : tuple of int
        Rows in each of the two samples.
    n_repeats : int
        Pairs of samples for each rate.
    level : float
        The nominal false-alarm rate.
    n_images : int or None
        Number of images; None takes all.
    """

    sizes: tuple[int, ...]
    n_repeats: int
    level: float = 0.05
    n_images: int | None = None


@dataclass(frozen=True)
class Rate:
    """Alarms of one combination at one sample size."""

    combination: Combination
    size: int
    n_alarms: int
    n_repeats: int


@dataclass(frozen=True)
class Task:
    """Some of the repeats of one combination at one size."""

    combination: Combination
    size: int
    first: int
    n_repeats: int


def measure(plan: Plan, n_workers: int, console: Console) -> list[Rate]:
    """Every combination at every size, with progress."""
    counts: dict[tuple[Combination, int], list[int]] = {}
    context = multiprocessing.get_context("spawn")
    tasks = list(_tasks(plan))
    with (
        ProcessPoolExecutor(n_workers, context) as pool,
        Progress(
            *Progress.get_default_columns()[:-1],
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        ) as progress,
    ):
        bar = progress.add_task("false alarms", total=sum(_cost(task) for task in tasks))
        futures = {pool.submit(_count, plan, task): task for task in tasks}
        for future in as_completed(futures):
            task = futures[future]
            count = counts.setdefault((task.combination, task.size), [0, 0])
            count[0] += future.result()
            count[1] += task.n_repeats
            progress.advance(bar, _cost(task))
    return [Rate(combination, size, *count) for (combination, size), count in counts.items()]


def _tasks(plan: Plan) -> Iterator[Task]:
    # The longest first, so that no worker is left alone with one at the end.
    for size in sorted(plan.sizes, reverse=True):
        for combination in combinations():
            share = SLOW_SHARE if combination.reduction == "none" else 1.0
            n_repeats = max(20, round(plan.n_repeats * share))
            for first in range(0, n_repeats, CHUNK):
                yield Task(combination, size, first, min(CHUNK, n_repeats - first))


def _cost(task: Task) -> float:
    width = 784 if task.combination.reduction == "none" else 32
    return task.n_repeats * (20.0 + task.size * width / 100.0)


@cache
def _rows(n_images: int | None) -> dict[str, FloatArray]:
    return reduced_rows(0, n_images)


def _count(plan: Plan, task: Task) -> int:
    rows = _rows(plan.n_images)[task.combination.reduction]
    return sum(
        _alarms(plan, task.combination, task.size, rows, repeat)
        for repeat in range(task.first, task.first + task.n_repeats)
    )


def _alarms(plan: Plan, combination: Combination, size: int, rows: FloatArray, repeat: int) -> bool:
    # All combinations of one size and repeat see the same images.
    order = generator("pair", size, repeat).permutation(len(rows))
    x_ref, x_test = rows[order[:size]], rows[order[size : 2 * size]]
    rng = generator("test", combination.test, combination.reduction, size, repeat)
    result = TESTS[combination.test]().fit(x_ref).test(x_test, rng=rng)
    return bool(np.asarray(result.p_value) <= plan.level)
