"""Measures the job and backtests in every format against the own event, round by round.

Run by ``make bench-formats``, writes ``docs/benchmark-formats.md``. Alerts and scores of all
formats are compared before any ratio is given. Exits with 1 where they differ.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.config.loading import load_config
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.replay.engine import run_backtest
from scripts.bench.formats.decode import N_EVENTS, decoding
from scripts.bench.formats.encoders import FORMATS
from scripts.bench.formats.report import Section, report
from scripts.bench.formats.stream import FormatStream
from scripts.bench.harness import DOCS, in_turn, publish
from scripts.bench.job.results import Results, create_topics, disagreements, rate, read_results
from scripts.bench.job.stream import N_PARTITIONS, produce
from scripts.shared.throughput import REFRESH, measure

_N_MODELS = 16
_FEW, _MANY = 50, 500
_console = Console()


@dataclass(frozen=True)
class _Bench:
    """Broker and cluster with the streams written, and a folder for what runs leave."""

    broker: KafkaBroker
    cluster: FlinkCluster
    folder: Path
    streams: Mapping[str, FormatStream]
    _numbers: Iterator[int] = field(default_factory=count)

    def jobs(self, n_rounds: int) -> Section:
        """Run the job on each stream in turn."""
        results: dict[str, list[Results]] = {name: [] for name in self.streams}
        calls = {name: partial(self._job, name, results[name]) for name in self.streams}
        rates = in_turn(calls, n_rounds, n_warm_up=1)
        title = f"Job, {_MANY} events of a model in a pane"
        return Section(title, rates, disagreements([r for each in results.values() for r in each]))

    def backtests(self, n_rounds: int) -> Section:
        """Replay each topic in turn."""
        found: dict[str, list[dict[str, bytes]]] = {name: [] for name in self.streams}
        calls = {name: partial(self._backtest, name, found[name]) for name in self.streams}
        rates = in_turn(calls, n_rounds, n_warm_up=1)
        every = [(name, each) for name, rounds in found.items() for each in rounds]
        wrong = [f"{name}: other records" for name, each in every if each != every[0][1]]
        return Section(f"Backtest, {_MANY} events of a model in a pane", rates, wrong)

    def _job(self, name: str, results: list[Results]) -> float:
        stream = self.streams[name]
        run = f"{stream.topic}-{next(self._numbers)}"
        path = self._config(stream, run)
        create_topics(self.broker, run)
        arguments = ["--config", str(path)]
        measure(self.cluster, name, DRIFT_JOB, arguments, stream.n_events, savepoints=self.folder)
        results.append(read_results(self.broker, run))
        return _told("job", name, rate(stream, results[-1])[0])

    def _backtest(self, name: str, found: list[dict[str, bytes]]) -> float:
        stream = self.streams[name]
        config = load_config(self._config(stream, "none"))
        source = f"kafka://{self.broker.bootstrap_servers}/{stream.topic}"
        folder = self.folder / "result"
        begin_s = time.perf_counter()
        result = run_backtest(config, source, folder=folder)
        wall_s = time.perf_counter() - begin_s
        if result.summary.n_used != stream.n_events:
            raise RuntimeError(f"{name}: {result.summary.n_used:,} of {stream.n_events:,} used")
        records = ("alerts", "scores")
        found.append({each: (folder / f"{each}.jsonl").read_bytes() for each in records})
        return _told("backtest", name, stream.n_events / wall_s)

    def _config(self, stream: FormatStream, run: str) -> Path:
        path = self.folder / f"{run}.toml"
        path.write_text(stream.job_toml(self.broker.bootstrap_servers, run))
        return path


def main(
    rounds: Annotated[int, typer.Option(min=1, help="rounds in turn")] = 5,
    events: Annotated[int, typer.Option(help="events in each stream")] = 400_000,
    quick: Annotated[bool, typer.Option(help="two small rounds, and no page")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="formats besides the own event; all if left out")
    ] = None,
    output: Annotated[Path, typer.Option(help="where the page goes")] = DOCS
    / "benchmark-formats.md",
) -> None:
    """Measure every format against the own event."""
    if quick:
        rounds, events = min(rounds, 2), events // 4
    formats = [name for name in FORMATS if not only or name in ("loudly", *only)]
    sections = [_decoding(formats, n_each, 4 * rounds) for n_each in (_FEW, _MANY)]
    with _open_bench(formats, events) as bench:
        sections = [bench.jobs(rounds), bench.backtests(rounds), *sections]
    is_whole = not quick and not only
    publish(report(sections, rounds), _console, output if is_whole else None)
    if any(section.disagreements for section in sections):
        raise typer.Exit(1)


def _decoding(formats: Sequence[str], n_each: int, n_rounds: int) -> Section:
    seconds, wrong = decoding(formats, n_each, n_rounds)
    rates = {name: [N_EVENTS / each for each in rounds] for name, rounds in seconds.items()}
    for name, rounds in rates.items():
        _told(f"decoding {n_each} at a time", name, max(rounds))
    return Section(f"Decoding, {n_each} events at a time", rates, wrong)


@contextmanager
def _open_bench(formats: Sequence[str], n_events: int) -> Iterator[_Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="loudly-bench-") as folder,
        KafkaBroker() as broker,
        FlinkCluster(settings=REFRESH) as cluster,
    ):
        streams = {
            name: FormatStream(
                name.replace("_", "-"), n_events, _N_MODELS, _MANY, format=name, folder=folder
            )
            for name in formats
        }
        for stream in streams.values():
            broker.create_topic(stream.topic, n_partitions=N_PARTITIONS)
            produce(stream, broker.bootstrap_servers)
        yield _Bench(broker, cluster, Path(folder), streams)


def _told(what: str, name: str, events_per_s: float) -> float:
    _console.print(f"{what}, {name}: {events_per_s:,.0f} events/s", highlight=False)
    return events_per_s


if __name__ == "__main__":
    typer.run(main)
