"""Measures the drift job against three others, round by round, on real Kafka and real Flink.

Run by ``make bench-job``, writes ``docs/benchmark.md`` and the README's figures. Results are
compared before any ratio is given: every job must account for every event, and the drift job must
give the same alerts and scores in every round. Exits with 1 where that does not hold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.harness import DOCS, in_turn, publish, quote
from scripts.bench.job.counting import count_events
from scripts.bench.job.report import (
    COUNT,
    DRIFT,
    IDENTITY,
    PACKAGES,
    PLAIN,
    Section,
    quoted,
    report,
)
from scripts.bench.job.results import Results, create_topics, disagreements, rate, read_results
from scripts.bench.job.stream import N_PARTITIONS, Stream, produce
from scripts.shared.throughput import REFRESH, Measurement, measure

_PEER_JOBS = Path(__file__).with_name("peer_jobs.py")
# The plain job is slow: it reads a topic of its own with fewer of the same events.
_PLAIN_SHARE = 5
_console = Console()


@dataclass(frozen=True)
class _Bench:
    """Broker and cluster with the streams written, and a folder for job files and savepoints."""

    broker: KafkaBroker
    cluster: FlinkCluster
    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def section(self, ours: Stream, peers: Mapping[str, Stream], n_rounds: int) -> Section:
        """Measure the drift job and its peers, each on its stream, in turn."""
        results: list[Results] = []
        wrong: list[str] = []
        calls = {
            DRIFT: partial(self._drift, ours, results),
            **{name: partial(self._peer, name, stream, wrong) for name, stream in peers.items()},
        }
        rounds = in_turn(calls, n_rounds)
        return Section(ours, peers, rounds, [*disagreements(results), *wrong])

    def warm_up(self, stream: Stream) -> None:
        """Run the drift job once: the first on a new cluster waits for the JVM's compiler."""
        self._run_drift(stream)

    def _drift(self, stream: Stream, results: list[Results]) -> Measurement:
        """Run the drift job; its results join those of the runs before."""
        measured, found = self._run_drift(stream)
        results.append(found)
        events_per_s, measured_s = rate(stream, found)
        return _told(stream, replace(measured, events_per_s=events_per_s, measured_s=measured_s))

    def _run_drift(self, stream: Stream) -> tuple[Measurement, Results]:
        run, arguments = self._begin(stream)
        create_topics(self.broker, run)
        measured = measure(
            self.cluster, DRIFT, DRIFT_JOB, arguments, stream.n_events, savepoints=self.folder
        )
        return measured, read_results(self.broker, run)

    def _peer(self, name: str, stream: Stream, wrong: list[str]) -> Measurement:
        """Run another job; what it counted wrong joins the others'."""
        run, arguments = self._begin(stream)
        if name == COUNT:
            create_topics(self.broker, run)
            arguments += ["--peer", "count"]
            topic = f"{run}-scores"
            found, objections = count_events(
                self.cluster, self.broker, name, arguments, stream, topic, _PEER_JOBS
            )
            wrong += objections
            return _told(stream, found)
        arguments += ["--peer", name.split()[0]]
        files = [_PEER_JOBS]
        return _told(
            stream, measure(self.cluster, name, "peer_jobs", arguments, stream.n_events, files)
        )

    def _begin(self, stream: Stream) -> tuple[str, list[str]]:
        """Write a job file with topics of its own; returns their prefix and the arguments."""
        run = f"{stream.topic}-{next(self._numbers)}"
        path = self.folder / f"{run}.toml"
        path.write_text(stream.job_toml(self.broker.bootstrap_servers, run))
        return run, ["--config", str(path)]


def main(
    rounds: Annotated[int, typer.Option(min=1, help="rounds in turn")] = 5,
    events: Annotated[int, typer.Option(help="events in each stream")] = 600_000,
    quick: Annotated[bool, typer.Option(help="two small rounds, and no page")] = False,
    output: Annotated[Path, typer.Option(help="where the page goes")] = DOCS / "benchmark.md",
) -> None:
    """Measure the drift job against an identity job, a plain per-event job and a mere count."""
    if quick:
        rounds, events = min(rounds, 2), events // 5
    few = Stream("few-models", events, n_models=16, events_per_pane=500)
    short = replace(few, topic="few-models-short", n_events=events // _PLAIN_SHARE)
    # Twelve panes, of which the first two are the reference.
    many = Stream("many-models", events, n_models=1_000, events_per_pane=events // 12_000)
    with _open_bench((few, short, many)) as bench:
        bench.warm_up(short)
        sections = [
            bench.section(few, {IDENTITY: few, COUNT: few, PLAIN: short}, rounds),
            bench.section(many, {IDENTITY: many, COUNT: many}, rounds),
        ]
    publish(report(sections, rounds), _console, None if quick else output)
    if any(section.disagreements for section in sections):
        raise typer.Exit(1)
    if not quick:
        quote("bench-job", quoted(sections), PACKAGES)


@contextmanager
def _open_bench(streams: Sequence[Stream]) -> Iterator[_Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="loudly-bench-") as folder,
        KafkaBroker() as broker,
        FlinkCluster(settings=REFRESH) as cluster,
    ):
        for stream in streams:
            broker.create_topic(stream.topic, n_partitions=N_PARTITIONS)
            produce(stream, broker.bootstrap_servers)
        yield _Bench(broker, cluster, Path(folder))


def _told(stream: Stream, measured: Measurement) -> Measurement:
    _console.print(
        f"{stream.topic}: {measured.name} accounted for {measured.n_accounted:,} events, "
        f"{measured.events_per_s:,.0f} events/s in {measured.measured_s:.1f} s",
        highlight=False,
    )
    return measured


if __name__ == "__main__":
    typer.run(main)
