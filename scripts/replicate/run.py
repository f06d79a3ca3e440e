"""Runs the units that are not finished, in worker processes, and keeps what they decide."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing.queues import SimpleQueue
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scripts.replicate import natural
from scripts.replicate.results import Configuration, FinishedUnit, Key, Record, Results
from scripts.replicate.scenarios import scenarios
from scripts.replicate.unit import Unit

SECONDS = {"mnist": 4.7, "digits": 0.9}
"""Seconds of a scenario of the full form on one core, its share of the training included."""


class Step(NamedTuple):
    """Report of a unit after each scenario; ``finished`` with the last one."""

    dataset: str
    records: list[Record]
    finished: FinishedUnit | None = None


def run(configuration: Configuration, results: Results, n_workers: int, console: Console) -> None:
    """Make every decision of ``configuration`` that ``results`` does not hold yet."""
    units = [
        (dataset, run_number, results.decided(dataset, run_number))
        for dataset in configuration.datasets
        for run_number in range(configuration.n_runs)
        if not results.is_finished(dataset, run_number)
    ]
    if not results.has_natural:
        with console.status("natural shifts"):
            results.keep_natural(natural.measure(configuration))
    n_scenarios = len(scenarios(configuration.shares, configuration.n_controls))
    total = sum(SECONDS[dataset] * n_scenarios for dataset, _, _ in units)
    if configuration.n_images is None:
        minutes = total / min(n_workers, max(len(units), 1)) / 60
        console.print(f"{len(units)} runs, about {minutes:.0f} minutes with {n_workers} workers")
    with _progress(console) as progress:
        task = progress.add_task("decisions", total=total)
        for step in _steps(configuration, units, n_workers):
            results.append(step.records)
            if step.finished is None:
                progress.advance(task, SECONDS[step.dataset])
            else:
                results.finish(step.finished)


Task = tuple[str, int, frozenset[Key]]


def _steps(configuration: Configuration, units: list[Task], n_workers: int) -> Iterator[Step]:
    if n_workers == 1:
        for unit in units:
            yield from unit_steps(configuration, *unit)
        return
    context = multiprocessing.get_context("spawn")
    queue: SimpleQueue[Step | None] = context.SimpleQueue()
    with ProcessPoolExecutor(n_workers, context, _keep_queue, (queue,)) as pool:
        futures = [pool.submit(_work, configuration, *unit) for unit in units]
        for future in futures:
            future.add_done_callback(lambda _: queue.put(None))
        try:
            yield from _until_all_done(queue, futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _until_all_done(queue: SimpleQueue[Step | None], futures: list[Future[None]]) -> Iterator[Step]:
    n_done = 0
    while n_done < len(futures):
        step = queue.get()
        if step is not None:
            yield step
            continue
        n_done += 1
        for future in wait(futures, timeout=0).done:
            future.result()


def unit_steps(
    configuration: Configuration, dataset: str, run_number: int, decided: frozenset[Key]
) -> Iterator[Step]:
    """Decide every scenario of one unit, on one core."""
    torch.set_num_threads(1)
    unit = Unit(configuration, dataset, run_number)
    for scenario in scenarios(configuration.shares, configuration.n_controls):
        yield Step(dataset, unit.decide(scenario, decided))
    yield Step(dataset, [], FinishedUnit(dataset, run_number, unit.accuracy))


_queues: list[SimpleQueue[Step | None]] = []


def _keep_queue(queue: SimpleQueue[Step | None]) -> None:
    _queues.append(queue)


def _work(
    configuration: Configuration, dataset: str, run_number: int, decided: frozenset[Key]
) -> None:
    for step in unit_steps(configuration, dataset, run_number, decided):
        _queues[0].put(step)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("elapsed, remaining"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=console,
        speed_estimate_period=600.0,
    )
