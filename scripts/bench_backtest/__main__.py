"""Measures speed and memory of backtests, and those of the same work with other libraries.

Run by ``make bench-backtest``, writes ``docs/benchmark-backtest.md``. What the peers find is
compared with our scores before any ratio is given. Exits with 1 where they disagree, or where a
peer could not be installed.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from flink_jobs.replay.result import BacktestResult
from scripts.bench_backtest.agreement import objections
from scripts.bench_backtest.histories import write_json_lines, write_parquet
from scripts.bench_backtest.measure import PEERS, Run, run_ours, run_peer
from scripts.bench_backtest.report import Against, report
from scripts.bench_detectors.environments import ROOT, Peer, PeerUnavailableError

_REPORT = ROOT / "docs" / "benchmark-backtest.md"
_console = Console()


def main(
    millions: Annotated[
        list[int] | None,
        typer.Option(help="events in millions, for speed and memory: 1, 10, 50 (18 GB of disk)"),
    ] = None,
    json_events: Annotated[int, typer.Option(help="JSON lines")] = 2_000_000,
    peer_events: Annotated[int, typer.Option(help="events for the other libraries")] = 50_000,
    quick: Annotated[bool, typer.Option(help="a minute, and no report is written")] = False,
    output: Annotated[Path, typer.Option(help="where the report goes")] = _REPORT,
) -> None:
    """Measure backtests beside the same work written with alibi-detect and NannyML."""
    n_processes, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    sizes = millions or ([1] if quick else [1, 10, 50])
    if quick:
        json_events, peer_events = json_events // 10, peer_events // 2
    with tempfile.TemporaryDirectory(prefix="loudly-bench-") as name:
        scratch = Path(name)
        runs = [_parquet(scratch, n * 1_000_000, n_processes) for n in sorted(sizes)]
        lines = _json_lines(scratch, json_events, n_processes)
        against = _against(scratch, peer_events)
    text = report(runs, lines, against, n_processes=n_processes, load=load, is_quick=quick)
    _console.print(Markdown(text))
    if not quick:
        output.write_text(text)
    if any(each.run is None or each.objections for each in against):
        raise typer.Exit(1)


def _parquet(scratch: Path, n_events: int, n_processes: int) -> Run:
    with _console.status(f"Parquet, {n_events:,} events"):
        history = write_parquet(scratch / "history.parquet", n_events)
        run = run_ours("Parquet", history, scratch / "result", n_processes)
    history.unlink()
    _console.print(f"{n_events:,} events: {run.events_per_s:,.0f} events/s", highlight=False)
    return run


def _json_lines(scratch: Path, n_events: int, n_processes: int) -> Run:
    with _console.status(f"JSON lines, {n_events:,} events"):
        history = write_json_lines(scratch / "history.jsonl", n_events)
        run = run_ours("JSON lines", history, scratch / "result", n_processes)
    history.unlink()
    _console.print(f"JSON lines: {run.events_per_s:,.0f} events/s", highlight=False)
    return run


def _against(scratch: Path, n_events: int) -> list[Against]:
    """All on one history, the peers right after our own run with one process."""
    history = write_parquet(scratch / "history.parquet", n_events)
    run_ours("ours", history, scratch / "result", 1)
    result = BacktestResult.open(scratch / "result")
    return [_beside(peer, history, n_events, result) for peer in PEERS]


def _beside(peer: Peer, history: Path, n_events: int, result: BacktestResult) -> Against:
    try:
        with _console.status(f"{peer.name} (some minutes, once, to install it)"):
            run, windows = run_peer(peer, history, n_events)
    except PeerUnavailableError as error:
        return Against(peer.name, None, [], str(error).splitlines()[-1])
    return Against(peer.name, run, objections(peer.name, windows, result))


if __name__ == "__main__":
    typer.run(main)
