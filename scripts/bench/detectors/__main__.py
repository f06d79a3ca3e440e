"""Measures the detectors against SciPy, alibi-detect, river and frouros, round by round.

Run by ``make bench-detectors``, writes ``docs/benchmark-detectors.md`` and the README's figures.
The numbers are compared before any ratio is given. Exits with 1 where they disagree or a peer could
not be installed.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from scripts.bench.detectors.data import write_data
from scripts.bench.detectors.long_stream import NAME as LONG_STREAM
from scripts.bench.detectors.long_stream import LongResult, measure_long_stream
from scripts.bench.detectors.measure import RowResult, measure
from scripts.bench.detectors.report import PACKAGES, quoted, report
from scripts.bench.detectors.rows import Row, rows
from scripts.bench.detectors.worker import Worker
from scripts.bench.environments import OURS, Peer, PeerUnavailableError, python_of
from scripts.bench.harness import DOCS, publish, quote

_EVENTS_PER_CALL = 500
_LONGEST_WINDOW = 1_000
_PAGE = DOCS / "benchmark-detectors.md"
_console = Console()


def main(
    rounds: Annotated[int, typer.Option(min=1, help="timed rounds")] = 9,
    only: Annotated[
        list[str] | None,
        typer.Option(help="a row, or the beginning of some: ks, mmd, online, sliding, long"),
    ] = None,
    quick: Annotated[bool, typer.Option(help="three rounds, and no page is written")] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="where the page goes; by default to docs, if all rows are measured"),
    ] = None,
) -> None:
    """Measure the detectors against their peers."""
    rounds = min(rounds, 3) if quick else rounds
    chosen = [row for row in rows(_EVENTS_PER_CALL) if _wanted(row.name, only)]
    with_long_stream = _wanted(LONG_STREAM, only)
    if not chosen and not with_long_stream:
        names = [row.name for row in rows(_EVENTS_PER_CALL)] + [LONG_STREAM]
        raise typer.BadParameter(f"no such row; there are {', '.join(names)}")
    unavailable: dict[str, str] = {}
    interpreters = _interpreters(chosen, unavailable)
    results, long_result = _measure_all(chosen, interpreters, rounds, with_long_stream)
    is_whole = not (only or quick)
    text = report(results, long_result, unavailable, rounds)
    publish(text, _console, output or (_PAGE if is_whole else None))
    if unavailable or any(result.disagreements for result in results):
        raise typer.Exit(1)
    if is_whole:
        quote("bench-detectors", quoted(results), PACKAGES)


def _wanted(name: str, only: list[str] | None) -> bool:
    return not only or any(name.startswith(beginning) for beginning in only)


def _interpreters(chosen: list[Row], unavailable: dict[str, str]) -> dict[Peer, Path]:
    """The interpreter of every peer of the rows; what is missing goes into ``unavailable``."""
    peers = dict.fromkeys([OURS, *(entry.peer for row in chosen for entry in row.entries)])
    interpreters = {}
    for peer in peers:
        try:
            with _console.status(f"environment of {peer.name} (some minutes, once)"):
                interpreters[peer] = python_of(peer)
        except PeerUnavailableError as error:
            unavailable[peer.name] = str(error)
            _console.print(f"[bold red]{peer.name} could not be installed:[/]")
            _console.print(str(error), markup=False)
    return interpreters


def _measure_all(
    chosen: list[Row], interpreters: dict[Peer, Path], n_rounds: int, with_long_stream: bool
) -> tuple[list[RowResult], LongResult | None]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        n_stream = _LONGEST_WINDOW + (n_rounds + 1) * _EVENTS_PER_CALL
        data = write_data(folder / "data.npz", n_stream)
        workers = {
            peer.name: stack.enter_context(Worker(peer, python, data, folder / f"{peer.name}.log"))
            for peer, python in interpreters.items()
        }
        results = []
        for row in chosen:
            with _console.status(row.title):
                results.append(measure(row, workers, n_rounds))
        if not with_long_stream:
            return results, None
        with _console.status("one million events (half a minute)"):
            return results, measure_long_stream(workers[OURS.name])


if __name__ == "__main__":
    typer.run(main)
