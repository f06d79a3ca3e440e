"""Measures false-alarm rates on shuffled images and writes them as a table.

Run by ``make type-one``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

# Before numpy and torch come in: workers take a core each, and inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import typer
from rich.console import Console

from scripts.type_one.measure import Plan, measure
from scripts.type_one.table import report

_console = Console()


def main(
    repeats: Annotated[int, typer.Option(min=20, help="pairs of samples for each rate")] = 200,
    sizes: Annotated[
        list[int] | None, typer.Option("--size", help="rows in each sample, may be repeated")
    ] = None,
    images: Annotated[int | None, typer.Option(help="number of images, for a try")] = None,
    workers: Annotated[int, typer.Option(min=1, help="processes, one core each")] = 2,
    output: Annotated[Path, typer.Option(help="the report")] = Path("build/type-one-errors.md"),
) -> None:
    """Draw two samples of the same images again and again, and count the alarms."""
    plan = Plan(tuple(sizes or (10, 20, 50, 100, 200, 500, 1000)), repeats, n_images=images)
    rates = measure(plan, workers, _console)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(report(plan, rates))
    _console.print(f"Wrote {output}", markup=False)


if __name__ == "__main__":
    typer.run(main)
