"""The page about the cost of long streams."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from scripts.bench.harness import machine
from scripts.bench.streams.measure import N_COLUMNS, N_REF, ROWS, WINDOW, Mark, Measured
from scripts.shared.markdown import table

PACKAGES = ("numpy", "scipy")
MOST = 1.1
"""The ratio to a new detector grows at most to so much of itself from the first mark to the last.

It need not be 1: a classifier that has just begun has nothing to bet on yet, and takes less time.
"""
_INTRODUCTION = f"""\
Each detector watches normal events of {N_COLUMNS} columns against a reference of {N_REF:,}, on one
thread, in updates of {ROWS} events; sliding ones have a window of {WINDOW} and take one event at a
time. Before each mark 60 updates are timed in turn with 60 of a detector that has just begun:
processor time of an event, median. *Kept* is all that a detector keeps, with what it needs of the
reference, and *memory* the part that updates change, of which each model of a job has one.
"""


def report(measured: Measured) -> str:
    """Write the whole page."""
    header = ["detector", "events", "µs an event", "of a new one", "ratio", "kept", "memory"]
    rows = [
        [name, f"{mark.n_events:,}", *_cells(mark)]
        for name, marks in measured.marks.items()
        for mark in marks
    ]
    grown = [name for name, marks in measured.marks.items() if not is_flat(marks)]
    verdict = f"**not of {', '.join(grown)}**" if grown else "yes"
    before, after = measured.load
    return "\n".join(
        [
            "# The cost of long streams",
            "",
            textwrap.fill(f"Written by `make bench-streams` on {machine(PACKAGES)}", 100),
            "",
            _INTRODUCTION,
            table(header, rows),
            "",
            f"Flat (the last median ratio at most {MOST} times the first, and not a byte more): "
            f"{verdict}.",
            "",
            f"Load average: {before:.2f} before, {after:.2f} after.",
            "",
        ]
    )


def is_flat(marks: Sequence[Mark]) -> bool:
    """Tell whether the last mark costs no more than the first, and keeps no more."""
    sizes = {(mark.kept_bytes, mark.memory_bytes) for mark in marks}
    return len(sizes) == 1 and marks[-1].ratios.median <= MOST * marks[0].ratios.median


def _cells(mark: Mark) -> list[str]:
    memory = "–" if mark.memory_bytes is None else f"{mark.memory_bytes:,} B"
    return [
        f"{mark.us:.1f}",
        f"{mark.us_of_new:.1f}",
        f"{mark.ratios.median:.2f}",
        f"{mark.kept_bytes:,} B",
        memory,
    ]
