"""Measures what it costs to look for model and event time within events, on real Kafka and Flink.

The drift job reads one topic in two ways, in turn: by key and timestamp of the records, and by what
the events say. Both must give the same alerts and scores, to the byte.
"""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.harness import in_turn, ratios
from scripts.bench.job.results import Results, create_topics, disagreements, rate, read_results
from scripts.bench.job.stream import N_PARTITIONS, Stream, produce
from scripts.shared.throughput import REFRESH, measure

_console = Console()
_numbers = count()


def main(
    rounds: Annotated[int, typer.Option(min=1, help="rounds in turn")] = 5,
    events: Annotated[int, typer.Option(help="events in the stream")] = 600_000,
) -> None:
    """Compare the rates of both ways, and their results."""
    stream = Stream("places", events, n_models=16, events_per_pane=500, has_places=True)
    results: list[Results] = []
    with (
        tempfile.TemporaryDirectory(prefix="loudly-bench-") as folder,
        KafkaBroker() as broker,
        FlinkCluster(settings=REFRESH) as cluster,
    ):
        broker.create_topic(stream.topic, n_partitions=N_PARTITIONS)
        produce(stream, broker.bootstrap_servers)
        run = partial(_run, stream, broker, cluster, Path(folder), results)
        run(is_located=False)
        calls = {"records": partial(run, is_located=False), "events": partial(run, is_located=True)}
        rates = in_turn(calls, rounds)
    spread = ratios(rates["events"], rates["records"])
    _console.print(f"located in events, relative to records: {spread}", highlight=False)
    if found := disagreements(results):
        _console.print("\n".join(found))
        raise typer.Exit(1)


def _run(
    stream: Stream,
    broker: KafkaBroker,
    cluster: FlinkCluster,
    folder: Path,
    results: list[Results],
    *,
    is_located: bool,
) -> float:
    """Run the job over the topic once; events per second."""
    prefix = f"{stream.topic}-{next(_numbers)}"
    path = folder / f"{prefix}.toml"
    path.write_text(stream.job_toml(broker.bootstrap_servers, prefix, is_located=is_located))
    create_topics(broker, prefix)
    measure(cluster, prefix, DRIFT_JOB, ["--config", str(path)], stream.n_events, savepoints=folder)
    found = read_results(broker, prefix)
    results.append(found)
    events_per_s, _ = rate(stream, found)
    _console.print(f"{'events' if is_located else 'records'}: {events_per_s:,.0f} events/s")
    return events_per_s


if __name__ == "__main__":
    typer.run(main)
