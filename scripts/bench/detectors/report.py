"""The page of the detectors' benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scripts.bench.detectors.long_stream import LongResult
from scripts.bench.detectors.measure import RowResult, Timing
from scripts.bench.detectors.rows import Comparison
from scripts.bench.environments import torch_version
from scripts.bench.harness import SPREAD_HEADER, Spread, page
from scripts.shared.markdown import table

PACKAGES = ("numpy", "scipy")
_INTRODUCTION = """\
Each peer runs in an environment of its own with the versions in `scripts/bench/peers` and PyTorch
{torch}, on one thread. Times are processor time. A goal is reached in every round, in the median,
or not.
"""


def report(
    results: Sequence[RowResult],
    long_result: LongResult | None,
    unavailable: Mapping[str, str],
    n_rounds: int,
) -> str:
    """Write the whole page.

    Parameters
    ----------
    unavailable : mapping
        Why a peer could not be installed, by its name.
    """
    missing = [
        f"**{name} could not be installed, its rows are missing:** {reason.splitlines()[-1]}\n"
        for name, reason in unavailable.items()
    ]
    parts = [_INTRODUCTION.format(torch=torch_version()), *missing, *map(_section, results)]
    if long_result is not None:
        parts.append(_long_section(long_result))
    return page("Benchmark of the detectors", "make bench-detectors", n_rounds, PACKAGES, parts)


def quoted(results: Sequence[RowResult]) -> list[tuple[str, Spread]]:
    """List the ratios that the README quotes: those with a least goal."""
    return [
        (f"{result.row.title}: {comparison.slower} / {comparison.faster}", found)
        for result in results
        for comparison in result.row.comparisons
        if comparison.goal.at_least is not None and (found := result.ratios(comparison))
    ]


def _section(result: RowResult) -> str:
    row = result.row
    calls = [[entry.label, *_cells(result.timings.get(entry.label))] for entry in row.entries]
    lines = [
        f"## {row.title}",
        "",
        table(["call", *SPREAD_HEADER], calls),
        "",
        table(
            ["ratio", *SPREAD_HEADER, "goal"],
            [_comparison(result, comparison) for comparison in row.comparisons],
        ),
        "",
        _load(result.load),
    ]
    if result.disagreements:
        lines += ["**The numbers disagree, so that no ratio is given:**", ""]
        lines += [*(f"* {objection}" for objection in result.disagreements), ""]
    return "\n".join(lines)


def _comparison(result: RowResult, comparison: Comparison) -> list[str]:
    label, goal = f"{comparison.slower} / {comparison.faster}", comparison.goal
    found = result.ratios(comparison)
    if found is None:
        return [label, "–", "–", "–", str(goal)]
    return [label, *found.cells("{:.2f}".format), goal.verdict(found)]


def _cells(timing: Timing | None) -> list[str]:
    return ["not installed"] * 3 if timing is None else Spread.of(timing.seconds).cells(_time)


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"


def _load(load: tuple[float, float]) -> str:
    return f"Load average: {load[0]:.2f} before, {load[1]:.2f} after.\n"


def _long_section(result: LongResult) -> str:
    header = ["events", "time per event", "of a new detector"]
    header += [f"ratio: {SPREAD_HEADER[0]}", *SPREAD_HEADER[1:], "resident memory"]
    rows = [
        [
            f"{mark.n_events:,}",
            _time(mark.seconds),
            _time(mark.seconds_of_new),
            *mark.ratios.cells("{:.2f}".format),
            f"{mark.rss_bytes / 1e6:.1f} MB",
        ]
        for mark in result.marks
    ]
    verdict = "yes" if result.flat else "**no**"
    lines = [
        "## SlidingMMD over a long stream: window 100, 1,000 reference rows, 32 dimensions",
        "",
        "Median time per event before a mark, in turn with a detector that has just begun: 50 "
        "times 200 events each.",
        "",
        table(header, rows),
        "",
        f"Flat (median ratio within 10 %, memory within 5 %): {verdict}.",
        "",
        _load(result.load),
    ]
    return "\n".join(lines)
