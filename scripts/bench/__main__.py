"""Prints throughput ratios and checkpoint sizes, all from one run on real Kafka and real Flink.

Run by ``make bench``. The results are checked before any ratio is printed: every job must have
accounted for every event of the stream.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.measure import Measurement, measure
from scripts.bench.report import report
from scripts.bench.stream import N_PARTITIONS, Stream, produce

PEER_JOBS = Path(__file__).with_name("peer_jobs.py")
_RESULT_TOPICS = ("drift-alerts", "drift-scores", "drift-dead-letters")
_console = Console()


def main(
    events: Annotated[int, typer.Option(help="events in each stream")] = 1_000_000,
    output: Annotated[Path | None, typer.Option(help="write the report here as well")] = None,
) -> None:
    """Measure the drift job against an identity job and a plain per-event job."""
    few = Stream("few-models", events, n_models=16, events_per_pane=500)
    many = Stream("many-models", events, n_models=1_000, events_per_pane=100)
    settings = {"metrics.fetcher.update-interval": "500"}
    with KafkaBroker() as broker, FlinkCluster(settings=settings) as cluster:
        for topic in _RESULT_TOPICS:
            broker.create_topic(topic)
        results = {stream: _measure_all(stream, broker, cluster) for stream in (few, many)}
    text = report(results)
    _console.print(text, markup=False)
    if output is not None:
        output.write_text(text)


def _measure_all(stream: Stream, broker: KafkaBroker, cluster: FlinkCluster) -> list[Measurement]:
    broker.create_topic(stream.topic, n_partitions=N_PARTITIONS)
    produce(stream, broker.bootstrap_servers)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "job.toml")
        config.write_text(stream.job_toml(broker.bootstrap_servers))
        jobs = [
            ("drift job", DRIFT_JOB, ["--config", str(config)], []),
            *(
                (f"{job} job", "peer_jobs", ["--peer", job, "--config", str(config)], [PEER_JOBS])
                for job in ("identity", "plain")
            ),
        ]
        return [_measure(cluster, stream, *job) for job in jobs]


def _measure(
    cluster: FlinkCluster,
    stream: Stream,
    name: str,
    module: str,
    arguments: list[str],
    files: list[Path],
) -> Measurement:
    with _console.status(f"{stream.topic}: {name}"):
        measured = measure(cluster, name, module, arguments, stream.n_events, files)
    _console.print(
        f"{stream.topic}: {name} accounted for {measured.n_accounted:,} events, "
        f"{measured.events_per_s:,.0f} events/s"
    )
    return measured


if __name__ == "__main__":
    typer.run(main)
