"""Measures speed and memory of backtests against the same work with other libraries.

Run by ``make bench-backtest``, writes ``docs/benchmark-backtest.md`` and the README's figures. The
windows of the peers are compared with our scores before any ratio is given. Exits with 1 where they
disagree, or where a peer could not be installed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flink_jobs.replay.result import BacktestResult
from scripts.bench.backtest.agreement import objections
from scripts.bench.backtest.histories import write_json_lines, write_parquet
from scripts.bench.backtest.measure import LABELS, PEERS, Run, run_ours, run_peer
from scripts.bench.backtest.report import (
    JSON_LINES,
    LONG,
    LONGEST,
    NAMED,
    PACKAGES,
    SHORT,
    Measured,
    quoted,
    report,
)
from scripts.bench.environments import Peer, PeerUnavailableError, python_of
from scripts.bench.harness import DOCS, in_turn, publish, quote

_PAGE = DOCS / "benchmark-backtest.md"
_console = Console()


def main(
    rounds: Annotated[int, typer.Option(min=1, help="rounds in turn")] = 5,
    longest: Annotated[
        int, typer.Option(help="millions of events of one more backtest, for its memory; 0: none")
    ] = 50,
    quick: Annotated[bool, typer.Option(help="two small rounds, and no page")] = False,
    output: Annotated[Path, typer.Option(help="where the page goes")] = _PAGE,
) -> None:
    """Measure backtests against the same work written with alibi-detect and NannyML."""
    sizes = {SHORT: 1_000_000, LONG: 10_000_000, NAMED: 10_000_000, JSON_LINES: 2_000_000}
    n_peer_events = 50_000
    if quick:
        rounds, longest, n_peer_events = min(rounds, 2), 0, n_peer_events // 2
        sizes = {name: n_events // 10 for name, n_events in sizes.items()}
    n_processes = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="loudly-bench-") as name:
        bench = _Bench(Path(name), n_processes)
        measured = bench.measure(sizes, n_peer_events, rounds)
        if longest:
            measured.longest = bench.longest(longest * 1_000_000)
    text = report(measured, n_processes=n_processes, n_rounds=rounds)
    publish(text, _console, None if quick else output)
    if measured.objections or measured.unavailable or measured.not_named:
        raise typer.Exit(1)
    if not quick:
        quote("bench-backtest", quoted(measured), PACKAGES)


class _Bench:
    """A folder for histories and results, and what runs over them."""

    def __init__(self, scratch: Path, n_processes: int) -> None:
        self._scratch = scratch
        self._n_processes = n_processes

    def measure(self, sizes: dict[str, int], n_peer_events: int, n_rounds: int) -> Measured:
        """Run our backtests and those of the peers in turn."""
        unavailable = _unavailable()
        found: dict[str, list[str]] = {}
        if not_named := self._why_not_named():
            _console.print(f"{NAMED}: not measured: {not_named}", style="bold red", markup=False)
            sizes = {name: n_events for name, n_events in sizes.items() if name != NAMED}
        calls = {name: self._ours(name, n_events) for name, n_events in sizes.items()}
        calls |= self._peers([p for p in PEERS if p.name not in unavailable], n_peer_events, found)
        rounds = in_turn(calls, n_rounds)
        return Measured(rounds, found, unavailable, not_named=not_named)

    def _why_not_named(self) -> str:
        """Try a short history with named columns; the last line of the error, if there is one."""
        history = write_parquet(self._scratch / "named-first.parquet", 20_000, is_named=True)
        try:
            run_ours(NAMED, history, self._scratch / "result-first", 1)
        except RuntimeError as error:
            return str(error).strip().splitlines()[-1]
        return ""

    def longest(self, n_events: int) -> Run:
        """Run one backtest that is long enough for its memory to show growth."""
        return self._ours(LONGEST, n_events)()

    def _ours(self, name: str, n_events: int) -> Callable[[], Run]:
        ending = "jsonl" if name == JSON_LINES else "parquet"
        history = self._scratch / f"{'named-' * (name == NAMED)}{n_events}.{ending}"
        with _console.status(f"writing {name}, {n_events:,} events"):
            if name == JSON_LINES:
                write_json_lines(history, n_events)
            else:
                write_parquet(history, n_events, is_named=name == NAMED)
        return partial(self._run, name, history)

    def _run(self, name: str, history: Path) -> Run:
        return _told(run_ours(name, history, self._scratch / "result", self._n_processes))

    def _peers(
        self, peers: list[Peer], n_events: int, found: dict[str, list[str]]
    ) -> dict[str, Callable[[], Run]]:
        """All on one history; their windows are compared with our scores in every round."""
        history = write_parquet(self._scratch / "peers.parquet", n_events)
        run_ours("ours", history, self._scratch / "result-for-peers", 1)
        result = BacktestResult.open(self._scratch / "result-for-peers")

        def run(peer: Peer) -> Run:
            run, windows = run_peer(peer, history, n_events)
            if wrong := objections(peer.name, windows, result):
                found[run.label] = wrong
            return _told(run)

        return {LABELS[peer.name]: partial(run, peer) for peer in peers}


def _unavailable() -> dict[str, str]:
    """Install the peers; returns the reasons of those for which that failed, by name."""
    reasons = {}
    for peer in PEERS:
        try:
            with _console.status(f"environment of {peer.name} (some minutes, once)"):
                python_of(peer)
        except PeerUnavailableError as error:
            reasons[peer.name] = str(error).splitlines()[-1]
    return reasons


def _told(run: Run) -> Run:
    rate = f"{run.n_events:,} events, {run.events_per_s:,.0f} events/s"
    _console.print(f"{run.label}: {rate}", highlight=False)
    return run


if __name__ == "__main__":
    typer.run(main)
