"""Measures the drift job with many models, few events of each in a pane.

Run by ``make bench-models``, writes ``docs/benchmark-models.md``. Every event is accounted for in
every run, and the job gives the same alerts and scores in every round, before anything is compared.
Exits with 1 where that does not hold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.harness import DOCS, in_turn, publish
from scripts.bench.models.measure import Bench, Run
from scripts.bench.models.report import Measured, report
from scripts.bench.models.stream import make_stream
from scripts.faults.scenarios.soak import produce
from scripts.faults.stream import Stream
from scripts.shared.throughput import REFRESH

_PARTITIONS = (1, 1, 1, 1)
_console = Console()


def main(
    rounds: Annotated[int, typer.Option(min=1, help="rounds in turn")] = 3,
    models: Annotated[
        list[int] | None, typer.Option(help="numbers of models; may be repeated")
    ] = None,
    panes: Annotated[int, typer.Option(help="panes of all models together, at least")] = 60_000,
    quick: Annotated[bool, typer.Option(help="one small round, and no page")] = False,
    output: Annotated[Path, typer.Option(help="where the page goes")] = DOCS
    / "benchmark-models.md",
) -> None:
    """Measure the drift job with 1,000 to 20,000 models of 20 events a pane."""
    numbers = models or [1_000, 5_000, 10_000, 20_000]
    if quick:
        rounds, panes, numbers = 1, panes // 2, models or [1_000, 10_000]
    streams = [make_stream(n_models, panes) for n_models in sorted(numbers)]
    with _open_bench(streams) as bench:
        # The first job on a new cluster waits for the JVM's compiler.
        _told(bench.run(streams[0]))
        calls = {stream.topic: partial(_run, bench, stream) for stream in streams}
        measured = Measured(streams, in_turn(calls, rounds))
    publish(report(measured, rounds), _console, None if quick else output)
    if measured.objections():
        raise typer.Exit(1)


@contextmanager
def _open_bench(streams: list[Stream]) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="loudly-bench-") as folder,
        KafkaBroker() as broker,
        FlinkCluster(settings=REFRESH) as cluster,
    ):
        for stream in streams:
            _console.print(produce(broker, stream, _PARTITIONS, 1.0), highlight=False)
        yield Bench(broker, cluster, Path(folder), count())


def _run(bench: Bench, stream: Stream) -> Run:
    return _told(bench.run(stream))


def _told(run: Run) -> Run:
    _console.print(
        f"{run.n_models:,} models: {run.panes_per_s:,.0f} panes/s, of processors a pane takes "
        f"{run.java_us:,.0f} µs in the JVM and {run.python_us:,.0f} µs in Python",
        highlight=False,
    )
    return run


if __name__ == "__main__":
    typer.run(main)
