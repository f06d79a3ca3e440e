"""Tables of run times, as multiples of what was promised."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from scripts.run_times.cases import OfPeer
from scripts.run_times.estimate import estimate
from scripts.run_times.measure import Task, Watched, case_of
from scripts.run_times.streams import STREAMS
from scripts.shared.markdown import table

WIDTH = 130
_HEADER = (
    "detector", "rows", "reference, windows", "promised", "detectors", "at or above it",
    "lower decile", "median", "upper decile", "true share at or above", "true lower decile",
    "true median",
)  # fmt: skip


def run_time_table(found: Mapping[Task, Watched], order: Sequence[str]) -> str:
    """Write a row for each case and length of reference, cases in this order.

    Of several measurements of a row the longest counts.
    """
    rows: dict[tuple[int, int], dict[int, dict[Task, Watched]]] = {}
    for task, watched in found.items():
        if task.case in order:
            lengths = rows.setdefault((order.index(task.case), task.n_ref), {})
            lengths.setdefault(task.n_windows, {})[task] = watched
    longest = (
        (key, max(lengths.values(), key=lambda each: sum(task.n_windows for task in each)))
        for key, lengths in sorted(rows.items())
    )
    cells = [_row(order[place], n_ref, each) for (place, n_ref), each in longest]
    return table(_HEADER, cells, n_left=2)


def _row(name: str, n_ref: int, found: Mapping[Task, Watched]) -> list[str]:
    case = case_of(name)
    sizes, length = case.sizes, next(iter(found)).n_windows / case.sizes.target
    promises = not isinstance(case.detector, OfPeer) or case.detector.promises
    of_target = np.array([watched.run_time for watched in found.values()]) / sizes.target
    deciles = np.quantile(of_target, [0.1, 0.5, 0.9])
    return [
        f"`{name}`",
        STREAMS[case.stream].words,
        f"{n_ref / sizes.n_test:.0f}",
        f"{sizes.target:,.0f}" if promises else "nothing",
        f"{len(found)} × {length:.0f}",
        f"{np.mean(of_target >= 1.0):.0%}" if promises else "",
        *(f"{value:.2f}" for value in deciles),
        *(_estimated(found, sizes.target) if promises else ["", "", ""]),
    ]


def _estimated(found: Mapping[Task, Watched], target: float) -> list[str]:
    if not any(watched.runs for watched in found.values()):
        return ["no incident", "", ""]
    truth = estimate(
        [watched.runs for watched in found.values()],
        [watched.n_windows for watched in found.values()],
        target,
    )
    low, high = truth.lower_decile_interval
    return [
        f"{truth.share:.0%}",
        f"{truth.lower_decile:.2f} ({low:.2f} to {high:.2f})",
        f"{truth.median:.2f}",
    ]


def with_note(text: str, commands: Sequence[str], machine: str) -> str:
    """Add the commands by which a table came about, and the machine."""
    by = "\n".join(["```shell", *commands, "```"])
    return "\n\n".join([text, by, textwrap.fill(f"On {machine}", WIDTH)])
