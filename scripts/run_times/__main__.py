"""Measures whether detectors run as long as promised, and writes the tables of the page.

Run by ``make statistics``, writes the tables of ``docs/run-times.md``.
"""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Annotated

# Before numpy comes in: workers take a core each, and inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import typer
from rich.console import Console

from scripts.bench.harness import DOCS, machine, put_between
from scripts.run_times.cases import CASES
from scripts.run_times.measure import Task, measure
from scripts.shared.markdown import table

_PAGE = DOCS / "run-times.md"
_N_TEST, _OVERLAP = 100, 5
_REFERENCES = (2, 5, 20, 100)
_WIDTH = 130
_PACKAGES = ("numpy", "scipy")
_console = Console()


def main(
    detectors: Annotated[int, typer.Option(min=10, help="detectors of each row")] = 200,
    target: Annotated[list[float] | None, typer.Option(help="promised run times")] = None,
    length: Annotated[int, typer.Option(min=5, help="windows watched, in run times")] = 40,
    case: Annotated[list[str] | None, typer.Option(help="cases; all by default")] = None,
    workers: Annotated[int, typer.Option(min=1, help="processes, one core each")] = 2,
    write: Annotated[bool, typer.Option(help="put the tables into the page")] = True,
) -> None:
    """Let detectors of every kind watch streams without a drift, each with its own reference."""
    targets = tuple(target or (100.0,))
    tasks = [
        Task(name, n * _N_TEST, _N_TEST, _OVERLAP, targets, round(length * max(targets)), number)
        for name in case or CASES
        for n in (_REFERENCES if name == "ks, 1" else _REFERENCES[2:3])
        for number in range(detectors)
    ]
    found = measure(tasks, workers)
    text = report(found, targets, detectors, length)
    _console.print(text, markup=False)
    if write:
        arguments = shlex.join(sys.argv[1:]).replace('"', '\\"')
        command = f'make statistics ARGS="{arguments}"' if arguments else "make statistics"
        note = textwrap.fill(f"By `{command}` on {machine(_PACKAGES)}", _WIDTH)
        put_between(_PAGE, "statistics", f"{text}\n\n{note}")


def report(
    found: Mapping[Task, Sequence[float]], targets: Sequence[float], n: int, length: int
) -> str:
    """The table: for each kind of detector, how its run times compare with the promise."""
    rows: dict[tuple[str, int], list[Sequence[float]]] = {}
    for task, run_times in found.items():
        rows.setdefault((task.case, task.n_ref // task.n_test), []).append(run_times)
    order = list(CASES)
    cells = [
        [
            f"`{name}`",
            CASES[name].rows,
            str(n_ref),
            f"{target:,.0f}",
            *_cells(values, place, target),
        ]
        for (name, n_ref), values in sorted(
            rows.items(), key=lambda e: (order.index(e[0][0]), e[0][1])
        )
        for place, target in enumerate(targets)
    ]
    header = [
        "detector", "rows", "reference, windows", "promised", "at or above it", "lower decile",
        "median", "upper decile",
    ]  # fmt: skip
    head = (
        f"{n} detectors a row, each with its own reference, watched {length} run times: the last "
        "three columns are multiples of the promise, and each has an error of about "
        f"{1.0 / np.sqrt(length):.0%} for a single detector, which makes them look more different "
        f"than they are. A detector without an incident counts as {length}. Windows of "
        f"{_N_TEST} rows, {_OVERLAP} to a row, two in a row to start."
    )
    return "\n".join([textwrap.fill(head, _WIDTH), "", table(header, cells, n_left=2)])


def _cells(values: Sequence[Sequence[float]], place: int, target: float) -> list[str]:
    of_target = np.array([each[place] for each in values]) / target
    deciles = np.quantile(of_target, [0.1, 0.5, 0.9])
    return [f"{np.mean(of_target >= 1.0):.0%}", *(f"{value:.2f}" for value in deciles)]


if __name__ == "__main__":
    typer.run(main)
