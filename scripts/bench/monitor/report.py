"""The page of the monitor's benchmark."""

from __future__ import annotations

from scripts.bench.harness import NO_GOAL, SPREAD_HEADER, Goal, Spread, page, ratios
from scripts.bench.monitor.measure import (
    FAST,
    SHORT,
    SLOW,
    WINDOWS,
    Measured,
    events_per_pane,
)
from scripts.bench.monitor.of_checkout import N_COLUMNS, N_EVENTS, N_REFERENCE, PANE_MS, Size
from scripts.shared.markdown import table

PACKAGES = ("numpy", "scipy")
_AGAINST_SHORT = Goal(at_most=1.5)
_AGAINST_OTHER = Goal(at_most=1.0)
_AGAINST_SLOW = Goal(at_most=1.2)
_MOST_BYTES = 8_000_000
# Of the written bytes: those that do not depend on the events.
_FIXED_BYTES = 4_000
# Cells between and on the values of the reference, one above them all and one for missing values.
_CELLS = N_COLUMNS * (2 * N_REFERENCE + 2)
_INTRODUCTION = f"""\
The monitor alone, in a process of its own, without Kafka and Flink: panes of one model come one
after the other, {N_COLUMNS} columns, KS against a reference of {N_REFERENCE:,} events. State is
kept as the job keeps it, as bytes that are written and read again with every pane.

D of the first and the last window is compared with `scipy.stats.ks_2samp` of the same rows, and all
scores with those of the other rounds.
"""
_COST = f"""\
## Time of an event

Panes of {N_EVENTS} events; processor time once the first window is full.
"""
_SIZE = f"""\
## State of daily windows

Windows of a day slide by the hour, panes are {PANE_MS // 1_000} s. This is counted, not timed, and
done once. A pane's own summary is 2 bytes for each of its events and columns, or 4 bytes for each
of its {_CELLS:,} cells where that is less.
"""


def report(measured: Measured, n_rounds: int, *, has_other: bool) -> str:
    """Write the whole page."""
    parts = [_INTRODUCTION, _costs(measured, has_other=has_other)]
    if measured.sizes:
        parts.append(_sizes(measured))
    if measured.objections:
        parts.append(
            "\n".join(
                [
                    "**Results are wrong or disagree, so that no ratio is given:**",
                    "",
                    *(f"* {each}" for each in measured.objections),
                    "",
                ]
            )
        )
    return page("Benchmark of the monitor", "make bench-monitor", n_rounds, PACKAGES, parts)


def _costs(measured: Measured, *, has_other: bool) -> str:
    checkouts = ("this", "other") if has_other else ("this",)
    times = [
        [_label(checkout, windows, has_other=has_other), *_times(measured, checkout, windows)]
        for windows in WINDOWS
        for checkout in checkouts
    ]
    lines = [_COST, table(["µs an event", *SPREAD_HEADER], times), ""]
    if not measured.objections:
        lines += [table(["ratio", *SPREAD_HEADER, "goal"], _ratios(measured, checkouts)), ""]
    return "\n".join(lines)


def _label(checkout: str, windows: str, *, has_other: bool) -> str:
    return f"{windows}, {checkout} version" if has_other else windows


def _times(measured: Measured, checkout: str, windows: str) -> list[str]:
    return Spread.of(_microseconds(measured, checkout, windows)).cells("{:.2f}".format)


def _microseconds(measured: Measured, checkout: str, windows: str) -> list[float]:
    return [each.us_per_event for each in measured.costs[checkout, windows]]


def _ratios(measured: Measured, checkouts: tuple[str, ...]) -> list[list[str]]:
    rows = []
    for checkout in checkouts:
        short = _microseconds(measured, checkout, SHORT)
        for windows in WINDOWS:
            if windows != SHORT:
                found = ratios(_microseconds(measured, checkout, windows), short)
                label = _label(checkout, f"{windows} / {SHORT}", has_other=len(checkouts) > 1)
                goal = _AGAINST_SHORT if checkout == "this" else NO_GOAL
                rows.append([label, *found.cells("{:.2f}".format), goal.verdict(found)])
    if len(checkouts) > 1:
        for windows in WINDOWS:
            ours, theirs = (_microseconds(measured, each, windows) for each in checkouts)
            found = ratios(ours, theirs)
            cells = found.cells("{:.3f}".format)
            rows.append([f"{windows}, this / other version", *cells, _AGAINST_OTHER.verdict(found)])
    return rows


def _sizes(measured: Measured) -> str:
    rows = [_size_row(rate, size) for rate, size in measured.sizes.items()]
    header = ["events/s", "hours read", "state, bytes", "written with a pane, bytes"]
    header += ["most", "pane's own summary, bytes"]
    return "\n".join([_SIZE, table(header, rows), "", *map("* {}".format, _verdicts(measured)), ""])


def _size_row(rate: int, size: Size) -> list[str]:
    state = f"{size.state_bytes:,}" if size.is_whole else f"more than {size.state_bytes:,}"
    return [
        f"{rate:,}",
        f"{size.n_hours:.1f}",
        state,
        f"{size.pane_bytes:,.0f}",
        f"{size.most_pane_bytes:,}",
        f"{summary_bytes(rate):,}",
    ]


def summary_bytes(events_per_s: int) -> int:
    """Size of the counts of one pane, in the smaller of two forms.

    Examples
    --------
    >>> summary_bytes(100), summary_bytes(1_000)
    (20000, 80080)
    """
    return min(2 * N_COLUMNS * events_per_pane(events_per_s), 4 * _CELLS)


def _verdicts(measured: Measured) -> list[str]:
    slow, fast = measured.sizes[SLOW], measured.sizes[FAST]
    if not (slow.is_whole and fast.is_whole):
        return ["State passed the limit before a window was full: **no** goal is reached."]
    growth = fast.state_bytes / slow.state_bytes
    most = max(slow.state_bytes, fast.state_bytes)
    found = [
        f"State at {FAST:,} events/s is {growth:.2f} times that at {SLOW}: "
        f"{_AGAINST_SLOW.verdict(Spread.of([growth]))}.",
        f"State holds at most {most:,} bytes; below {_MOST_BYTES:,}: {_yes(most < _MOST_BYTES)}.",
    ]
    for rate, size in measured.sizes.items():
        bound = 2 * summary_bytes(rate) + _FIXED_BYTES
        found.append(
            f"At {rate:,} events/s a pane writes {size.pane_bytes:,.0f} bytes; at most {bound:,}, "
            f"twice its own summary and {_FIXED_BYTES:,}: {_yes(size.pane_bytes <= bound)}."
        )
    return found


def _yes(holds: bool) -> str:
    return "yes" if holds else "**no**"
