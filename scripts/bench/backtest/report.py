"""The benchmark's report, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from flink_jobs.version import __version__
from scripts.bench.backtest.histories import (
    EVENTS_PER_PANE,
    N_MODELS,
    N_REFERENCE,
    SLIDE,
    WINDOW,
)
from scripts.bench.backtest.measure import Run

EVENTS_PER_S, JSON_EVENTS_PER_S, TIMES_FASTER = 1_000_000, 150_000, 20
# Memory counts as flat while it grows by no more than this from the shortest to the longest run.
MOST_GROWTH = 1.1

_HEAD = """\
# Benchmark of backtests

Written by `make bench-backtest{quick}`: Loudly {loudly}, Python {python}, NumPy {numpy}, PyArrow
{pyarrow}, {cores} cores, {processes} processes; load average {load} before.

Events have 32 features and 10 softmax outputs, all of double precision, and belong to {models}
models in turn, {per_pane:,} of each in a pane. BBSDs and KS compare windows of {window:,} events,
sliding by {slide}, with the first {reference:,}. Times are those of the clock from opening the
history to the written result, the start of further processes included and the imports of the first
one not. Memory is the most that all processes held together. Machines differ and are noisy.
"""


@dataclass(frozen=True)
class Against:
    """A peer beside us; ``run`` is None where it could not be installed."""

    name: str
    run: Run | None
    objections: list[str] = field(default_factory=list)
    reason: str = ""


def report(
    runs: Sequence[Run],
    lines: Run,
    against: Sequence[Against],
    *,
    n_processes: int,
    load: float,
    is_quick: bool,
) -> str:
    """The whole report; ``load`` is the load average before the runs."""
    head = _HEAD.format(
        quick=' ARGS="--quick"' * is_quick,
        load=f"{load:.2f}",
        models=N_MODELS,
        per_pane=EVENTS_PER_PANE,
        window=WINDOW,
        slide=SLIDE,
        reference=N_REFERENCE,
        loudly=__version__,
        python=platform.python_version(),
        numpy=version("numpy"),
        pyarrow=version("pyarrow"),
        cores=os.cpu_count(),
        processes=n_processes,
    )
    table = [
        "| history | events | events/s | processor time | memory | goal | reached |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
        *(_row(run, EVENTS_PER_S) for run in runs),
        _row(lines, JSON_EVENTS_PER_S),
    ]
    return "\n".join([head, *table, "", *_memory(runs), *_beside(runs[-1], against)])


def _memory(runs: Sequence[Run]) -> list[str]:
    if len(runs) == 1:
        return []
    growth = runs[-1].rss_bytes / runs[0].rss_bytes
    return [
        f"From {runs[0].n_events:,} to {runs[-1].n_events:,} events memory grows by a factor of "
        f"{growth:.2f}; flat, at most {MOST_GROWTH:g}: {_yes(growth <= MOST_GROWTH)}.",
        "",
    ]


def _row(run: Run, goal: int) -> str:
    return (
        f"| {run.label} | {run.n_events:,} | {run.events_per_s:,.0f} | {run.cpu_s:.1f} s | "
        f"{run.rss_bytes / 1e6:,.0f} MB | {goal:,} | {_yes(run.events_per_s >= goal)} |"
    )


def _beside(ours: Run, against: Sequence[Against]) -> list[str]:
    lines = [
        "## The same work in a loop",
        "",
        "Each library reads the same columns with PyArrow and tests the same windows one after the "
        "other, in one process. D, and the p-values where it gives them, are compared with ours "
        "for every window before a ratio is given. Ratios are to our longest run above: by the "
        "clock, and by processor time, which counts all processes.",
        "",
        "| | events | events/s | by the clock | by processor time | goal by the clock | reached |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
        *(_row_beside(ours, each) for each in against),
        *(f"* {each.name}: {objection}" for each in against for objection in each.objections),
    ]
    return [*lines, ""]


def _row_beside(ours: Run, each: Against) -> str:
    if each.run is None:
        return f"| {each.name}: could not be installed ({each.reason}) | | | | | | |"
    ratio = ours.events_per_s / each.run.events_per_s
    by_cpu = (each.run.cpu_s / each.run.n_events) / (ours.cpu_s / ours.n_events)
    shown = "disagrees | disagrees" if each.objections else f"{ratio:.1f} | {by_cpu:.1f}"
    is_reached = not each.objections and ratio >= TIMES_FASTER
    return (
        f"| {each.run.label} | {each.run.n_events:,} | {each.run.events_per_s:,.0f} | {shown} | "
        f"{TIMES_FASTER} | {_yes(is_reached)} |"
    )


def _yes(is_reached: bool) -> str:
    return "yes" if is_reached else "**no**"
