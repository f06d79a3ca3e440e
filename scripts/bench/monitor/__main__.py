"""Measures what an event costs in the monitor, and what its state takes.

Run by ``make bench-monitor``, writes ``docs/benchmark-monitor.md``. With ``--against`` the monitor
of another checkout takes turns with this one (``git worktree add OTHER COMMIT``); it needs no
environment of its own. Exits with 1 where results are wrong or disagree.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from scripts.bench.harness import DOCS, ROOT, publish
from scripts.bench.monitor.measure import measure_costs, measure_sizes
from scripts.bench.monitor.report import report

_console = Console()


def main(
    rounds: Annotated[int, typer.Option(min=1, help="rounds in turn")] = 5,
    against: Annotated[Path | None, typer.Option(help="a checkout to take turns with")] = None,
    sizes: Annotated[bool, typer.Option(help="measure state of daily windows")] = True,
    quick: Annotated[bool, typer.Option(help="two small rounds, and no page")] = False,
    output: Annotated[Path, typer.Option(help="where the page goes")] = DOCS
    / "benchmark-monitor.md",
) -> None:
    """Measure the monitor, alone or in turn with that of another checkout."""
    rounds = min(rounds, 2) if quick else rounds
    checkouts = {"this": ROOT}
    if against is not None:
        checkouts["other"] = against.resolve()
    measured = measure_costs(checkouts, rounds, share=0.25 if quick else 1.0)
    if sizes and not quick:
        with _console.status("state of daily windows"):
            measured.sizes = measure_sizes(ROOT)
    text = report(measured, rounds, has_other=against is not None)
    publish(text, _console, None if quick else output)
    if measured.objections:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
