"""Measures what an event costs after a million others, for every detector of streams.

Run by ``make bench-streams``, writes ``docs/benchmark-streams.md``. Exits with 1 where a detector
grows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flink_jobs.one_thread import use_one_thread
from scripts.bench.harness import DOCS, publish
from scripts.bench.streams.measure import MARKS, measure
from scripts.bench.streams.report import is_flat, report

_PAGE = DOCS / "benchmark-streams.md"
_console = Console()


def main(
    quick: Annotated[bool, typer.Option(help="a tenth of the events, and no page")] = False,
    output: Annotated[Path | None, typer.Option(help="where the page goes, else docs")] = None,
) -> None:
    """Measure the cost of long streams."""
    use_one_thread()
    with _console.status("a million events for each detector (some minutes)"):
        measured = measure(tuple(mark // 10 for mark in MARKS) if quick else MARKS)
    publish(report(measured), _console, output or (None if quick else _PAGE))
    if not all(map(is_flat, measured.marks.values())):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
