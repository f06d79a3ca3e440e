"""The page of the backtests' benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.bench.backtest.histories import (
    EVENTS_PER_PANE,
    N_FEATURES,
    N_MODELS,
    N_OUTPUTS,
    N_REFERENCE,
    SLIDE,
    WINDOW,
)
from scripts.bench.backtest.measure import LABELS, Run
from scripts.bench.harness import NO_GOAL, SPREAD_HEADER, Goal, Spread, page, ratios
from scripts.shared.markdown import table

SHORT, LONG, LONGEST, JSON_LINES = "short Parquet", "Parquet", "long Parquet", "JSON lines"
NAMED = "Parquet, named columns"
_GOALS = {LONG: Goal(at_least=1_000_000), JSON_LINES: Goal(at_least=150_000)}
PACKAGES = ("numpy", "pyarrow")
_TIMES_FASTER = Goal(at_least=20)
_AGAINST_LONG = Goal(at_least=0.8)
# Memory counts as flat while it grows by no more than this from the shortest to the longest run.
_MOST_GROWTH = 1.1

_INTRODUCTION = f"""\
Events have {N_FEATURES} features and {N_OUTPUTS} softmax outputs, all of double precision, and
belong to {N_MODELS} models in turn, {EVENTS_PER_PANE:,} of each in a pane. BBSDs and KS compare
windows of {WINDOW:,} events, sliding by {SLIDE}, with the first {N_REFERENCE:,}. Times are those of
the clock from opening the history to the written result, the start of further processes included
and the imports of the first one not. Memory is the most that all processes held together. Backtests
run in {{n_processes}} processes.

Named columns are another history with a category and a boolean more: the mixed test watches 8
numbers and these two, so that as many columns of an event are read as by BBSDs.
"""
_LOOP = """\
## The same work in a loop

Each library reads the same columns with PyArrow and tests the same windows one after the other, in
one process. D, and the p-values where it gives them, are compared with ours for every window of
every round. A ratio is the time of an event in the loop over that in our backtest of {n_events:,}
events: by the clock, and by processor time, which counts all processes.
"""


@dataclass
class Measured:
    """All rounds.

    Attributes
    ----------
    rounds : mapping of str to sequence of Run
    objections : mapping of str to sequence of str
        Differences between a peer's windows and our scores, by label of the peer.
    unavailable : mapping of str to str
        Reasons, by name of the peer.
    longest : Run, optional
        A backtest that ran once.
    not_named : str
        Why named columns were not measured; empty where they were.
    """

    rounds: Mapping[str, Sequence[Run]]
    objections: Mapping[str, Sequence[str]]
    unavailable: Mapping[str, str]
    longest: Run | None = None
    not_named: str = ""


def report(measured: Measured, *, n_processes: int, n_rounds: int) -> str:
    """Write the whole page."""
    parts = [_INTRODUCTION.format(n_processes=n_processes), _speed(measured), _loop(measured)]
    return page("Benchmark of backtests", "make bench-backtest", n_rounds, PACKAGES, parts)


def quoted(measured: Measured) -> list[tuple[str, Spread]]:
    """List the ratios that the README quotes: those by the clock."""
    labels = [label for label in LABELS.values() if label in measured.rounds]
    return [(f"backtest against {label}", _by_clock(measured, label)) for label in labels]


def _speed(measured: Measured) -> str:
    labels = (SHORT, LONG, NAMED, JSON_LINES)
    runs = [measured.rounds[label] for label in labels if label in measured.rounds]
    once = [] if measured.longest is None else [[measured.longest]]
    return "\n".join(
        [
            table(["events/s", *SPREAD_HEADER, "goal"], map(_speed_row, [*runs, *once])),
            "",
            table(["history", "processor time", "memory"], map(_cost_row, [*runs, *once])),
            "",
            *_named(measured),
            *_growth(measured),
        ]
    )


def _speed_row(runs: Sequence[Run]) -> list[str]:
    spread = Spread.of(run.events_per_s for run in runs)
    cells = spread.cells("{:,.0f}".format)
    return [_name(runs), *cells, _GOALS.get(runs[0].label, NO_GOAL).verdict(spread)]


def _cost_row(runs: Sequence[Run]) -> list[str]:
    cpu_s = Spread.of(run.cpu_s for run in runs).median
    return [_name(runs), f"{cpu_s:.1f} s", f"{_memory_bytes(runs) / 1e6:,.0f} MB"]


def _name(runs: Sequence[Run]) -> str:
    once = ", once" if len(runs) == 1 else ""
    return f"{runs[0].label}, {runs[0].n_events:,} events{once}"


def _named(measured: Measured) -> list[str]:
    """Compare named columns with the same number of floats, by the clock."""
    if NAMED not in measured.rounds:
        return [f"**Named columns were not measured: {measured.not_named}**", ""]
    named, plain = measured.rounds[NAMED], measured.rounds[LONG]
    if {run.n_windows for run in named} != {run.n_windows for run in plain}:
        return ["**Named columns gave another number of windows, so that no ratio is given.**", ""]
    found = ratios([run.events_per_s for run in named], [run.events_per_s for run in plain])
    row = [f"{NAMED} / {LONG}", *found.cells("{:.2f}".format), _AGAINST_LONG.verdict(found)]
    return [table(["events/s, round by round", *SPREAD_HEADER, "goal"], [row]), ""]


def _growth(measured: Measured) -> list[str]:
    short, last = measured.rounds[SHORT], measured.rounds[LONG]
    if measured.longest is not None:
        last = [measured.longest]
    growth = _memory_bytes(last) / _memory_bytes(short)
    verdict = "yes" if growth <= _MOST_GROWTH else "**no**"
    return [
        f"From {short[0].n_events:,} to {last[0].n_events:,} events memory grows by a factor of "
        f"{growth:.2f}; flat, at most {_MOST_GROWTH:g}: {verdict}.",
        "",
    ]


def _memory_bytes(runs: Sequence[Run]) -> int:
    return max(run.rss_bytes for run in runs)


def _loop(measured: Measured) -> str:
    ours = measured.rounds[LONG]
    labels = [label for label in LABELS.values() if label in measured.rounds]
    rows = [row for label in labels for row in _loop_rows(measured, label)]
    unavailable, objections = measured.unavailable.items(), measured.objections.items()
    return "\n".join(
        [
            _LOOP.format(n_events=ours[0].n_events),
            table(["ratio", *SPREAD_HEADER, "goal"], rows),
            "",
            *(f"* {name} could not be installed: {reason}" for name, reason in unavailable),
            *(f"* {label}: {each}" for label, found in objections for each in found),
        ]
    )


def _loop_rows(measured: Measured, label: str) -> list[list[str]]:
    by_clock, by_cpu = f"{label}, by the clock", f"{label}, by processor time"
    if label in measured.objections:
        return [[each, "–", "–", "–", "disagrees"] for each in (by_clock, by_cpu)]
    ours, theirs = measured.rounds[LONG], measured.rounds[label]
    clock = _by_clock(measured, label)
    cpu = ratios([run.cpu_s_per_event for run in theirs], [run.cpu_s_per_event for run in ours])
    form = "{:.1f}".format
    return [
        [by_clock, *clock.cells(form), _TIMES_FASTER.verdict(clock)],
        [by_cpu, *cpu.cells(form), ""],
    ]


def _by_clock(measured: Measured, label: str) -> Spread:
    ours, theirs = measured.rounds[LONG], measured.rounds[label]
    return ratios([run.events_per_s for run in ours], [run.events_per_s for run in theirs])
