"""Repeats the study of Failing Loudly on real images and writes what agrees.

Run by ``make replicate``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

# Before numpy and torch come in: workers take a core each, and inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import typer
from rich.console import Console

from scripts.replicate.methods import METHODS
from scripts.replicate.report import write
from scripts.replicate.results import (
    Configuration,
    OtherConfigurationError,
    Results,
    read,
    remove,
)
from scripts.replicate.run import run

FULL = Configuration(methods=tuple(METHODS))
QUICK = Configuration(
    methods=("ks-none", "ks-pca", "ks-bbsds", "chi2-bbsdh", "binomial-classif", "mmd-pca"),
    n_runs=1,
    shares=(1.0,),
    sample_sizes=(20, 100),
    n_controls=3,
    n_natural_repeats=2,
    epochs=6,
    n_images=1000,
)
_console = Console()


def main(
    quick: Annotated[bool, typer.Option("--quick", help="a small form, under a minute")] = False,
    workers: Annotated[int, typer.Option(min=1, help="processes, one core each")] = 2,
    results: Annotated[Path, typer.Option(help="where decisions are kept")] = Path(
        "build/replication"
    ),
    output: Annotated[Path, typer.Option(help="the report; a picture goes next to it")] = Path(
        "build/replication/report.md"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="forget former decisions")] = False,
    only_report: Annotated[
        bool, typer.Option("--only-report", help="write the report from former decisions")
    ] = False,
) -> None:
    """Apply ten shifts to two datasets and test for them, about 15 minutes on two cores.

    Interrupted and started again, it goes on where it stopped.
    """
    folder = results / "quick" if quick else results
    if not only_report:
        if fresh:
            remove(folder)
        configuration = QUICK if quick else FULL
        try:
            run(configuration, Results(folder, configuration), workers, _console)
        except OtherConfigurationError as error:
            _console.print(str(error), style="red", markup=False)
            raise typer.Exit(2) from error
    write(read(folder), output)
    _console.print(f"Wrote {output} and {output.with_suffix('.png')}", markup=False)


if __name__ == "__main__":
    typer.run(main)
