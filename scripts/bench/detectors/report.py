"""The report of the detectors' benchmark, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from flink_jobs.version import __version__
from scripts.bench.detectors.long_stream import LongResult
from scripts.bench.detectors.measure import RowResult, Timing
from scripts.bench.detectors.rows import Comparison
from scripts.bench.environments import torch_version

_INTRODUCTION = """\
# Benchmark of the detectors

Written by `python -m scripts.bench.detectors`: Loudly {version}, Python {python}, NumPy {numpy},
SciPy {scipy}, PyTorch {torch}, {cores} cores, one thread. Each peer runs in an environment of its
own with the versions in `scripts/bench/peers`. All calls of a table were timed in turn in
one run, {rounds} rounds, in processor time. Machines differ and are noisy: the ratios are the
result. A ratio is printed only where the numbers of both agree, and a goal counts as reached only
where the ratio of the minima and that of the medians both reach it.
"""


def report(
    results: Sequence[RowResult],
    long_result: LongResult | None,
    unavailable: Mapping[str, str],
    n_rounds: int,
) -> str:
    """The whole report.

    Parameters
    ----------
    unavailable : mapping
        Why a peer could not be installed, by its name.
    """
    head = _INTRODUCTION.format(
        version=__version__,
        python=platform.python_version(),
        numpy=version("numpy"),
        scipy=version("scipy"),
        torch=torch_version(),
        cores=os.cpu_count(),
        rounds=n_rounds,
    )
    missing = [
        f"**{name} could not be installed, its rows are missing:** {reason.splitlines()[-1]}\n"
        for name, reason in unavailable.items()
    ]
    parts = [head, *missing, *(_section(result) for result in results)]
    if long_result is not None:
        parts.append(_long_section(long_result))
    return "\n".join(parts)


def goal_reached(comparison: Comparison, ratios: tuple[float, float]) -> bool | None:
    """Whether both ratios reach the goal; None without a goal."""
    if comparison.at_least is not None:
        return min(ratios) >= comparison.at_least
    if comparison.below is not None:
        return max(ratios) < comparison.below
    return None


def _section(result: RowResult) -> str:
    row = result.row
    lines = [f"## {row.title}", "", "| call | minimum | median |", "| --- | ---: | ---: |"]
    for entry in row.entries:
        timing = result.timings.get(entry.label)
        lines.append(f"| {entry.label} | {_cells(timing)} |")
    lines += [
        "",
        "| ratio | minima | medians | goal | reached |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    lines += [_comparison(result, comparison) for comparison in row.comparisons]
    lines += ["", f"Load average: {result.load[0]:.2f} before, {result.load[1]:.2f} after.", ""]
    if result.disagreements:
        lines += ["**The numbers disagree, so that no ratio is given:**", ""]
        lines += [*(f"* {objection}" for objection in result.disagreements), ""]
    return "\n".join(lines)


def _comparison(result: RowResult, comparison: Comparison) -> str:
    name = f"{comparison.slower} / {comparison.faster}"
    goal = ""
    if comparison.at_least is not None:
        goal = f"at least {comparison.at_least:g}"
    elif comparison.below is not None:
        goal = f"below {comparison.below:g}"
    ratios = result.ratios(comparison)
    if ratios is None:
        return f"| {name} | – | – | {goal} | no ratio |"
    reached = {True: "yes", False: "**no**", None: ""}[goal_reached(comparison, ratios)]
    return f"| {name} | {ratios[0]:.2f} | {ratios[1]:.2f} | {goal} | {reached} |"


def _cells(timing: Timing | None) -> str:
    if timing is None:
        return "not installed | not installed"
    return f"{_time(timing.minimum)} | {_time(timing.median)}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"


def _long_section(result: LongResult) -> str:
    lines = [
        "## SlidingMMD over a long stream: window 100, 1,000 reference rows, 32 dimensions",
        "",
        "Time per event before a mark, in turn with a detector that has just begun.",
        "",
        "| events | time per event | of a new detector | ratio | resident memory |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {mark.n_events:,} | {_time(mark.seconds)} | {_time(mark.seconds_of_new)} | "
        f"{mark.ratio:.2f} | {mark.rss_bytes / 1e6:.1f} MB |"
        for mark in result.marks
    ]
    verdict = "yes" if result.flat else "**no**"
    lines += ["", f"Flat (time within 10 % of a new detector's, memory within 5 %): {verdict}.", ""]
    lines += [f"Load average: {result.load[0]:.2f} before, {result.load[1]:.2f} after.", ""]
    return "\n".join(lines)
