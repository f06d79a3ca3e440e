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
from rich.table import Table

from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.measure import Measurement, measure
from scripts.bench.stream import N_OUTPUTS, N_PARTITIONS, Stream, produce

DRIFT_JOB = "flink_jobs.flink.drift_job"
PEER_JOBS = Path(__file__).with_name("peer_jobs.py")
_RESULT_TOPICS = ("drift-alerts", "drift-scores", "drift-dead-letters")
_console = Console()


def main(
    events: Annotated[int, typer.Option(help="events in each stream")] = 1_000_000,
) -> None:
    """Measure the drift job against an identity job and a plain per-event job."""
    few = Stream("few-models", events, n_models=16, events_per_pane=500)
    many = Stream("many-models", events, n_models=1_000, events_per_pane=100)
    settings = {"metrics.fetcher.update-interval": "500"}
    with KafkaBroker() as broker, FlinkCluster(settings=settings) as cluster:
        for topic in _RESULT_TOPICS:
            broker.create_topic(topic)
        results = {stream: _measure_all(stream, broker, cluster) for stream in (few, many)}
    for stream, measurements in results.items():
        _print(stream, measurements)


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
        measurements = []
        for name, module, arguments, files in jobs:
            with _console.status(f"{stream.topic}: {name}"):
                measured = measure(cluster, name, module, arguments, stream.n_events, files)
            _console.print(f"{stream.topic}: {name} accounted for {measured.n_accounted:,} events")
            measurements.append(measured)
    return measurements


def _print(stream: Stream, measurements: list[Measurement]) -> None:
    ours = measurements[0]
    if {m.n_accounted for m in measurements} != {stream.n_events}:
        raise SystemExit("the jobs disagree about the number of events: no ratio is printed")
    title = (
        f"{stream.n_events:,} events, {stream.n_models:,} models, {stream.events_per_pane} a pane"
    )
    table = Table("job", "events/s", "drift job is ... times as fast", title=title)
    for each in measurements:
        ratio = ours.events_per_s / each.events_per_s
        table.add_row(each.name, f"{each.events_per_s:,.0f}", f"{ratio:.2f}")
    _console.print(table)
    raw = stream.n_models * 8 * N_OUTPUTS * (stream.n_reference + stream.events_per_pane)
    _console.print(
        f"checkpoint: {ours.checkpoint_bytes:,} bytes, {ours.checkpoint_bytes / raw:.2f} times the "
        f"raw bytes of reference and recent panes in reduced form ({raw:,})"
    )


if __name__ == "__main__":
    typer.run(main)
