"""Show where the JVM spends its time while the drift job runs, by Java Flight Recorder.

``python -m scripts.bench.job.profile``
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.bench.job.results import create_topics, rate, read_results
from scripts.bench.job.stream import N_PARTITIONS, Stream, produce
from scripts.shared.throughput import REFRESH, measure

_MOST_ROWS = 15
_FRAME = re.compile(r"^\s+([\w.$/<>]+)\(")
_THREAD = re.compile(r'sampledThread = "([^"]*)"')
_console = Console()


def main(
    events: Annotated[int, typer.Option(help="events of the topic")] = 1_000_000,
    models: Annotated[int, typer.Option(help="models that they belong to")] = 16,
    depth: Annotated[int, typer.Option(help="frames of a stack that are counted")] = 64,
) -> None:
    """Run the drift job over a topic and print the samples of its JVM by task and by method."""
    stream = Stream("profiled", events, models, max(2, 8_000 // models))
    with tempfile.TemporaryDirectory(prefix="loudly-profile-") as folder:
        recording = Path(folder) / "task-manager.jfr"
        events_per_s = _run(stream, Path(folder), recording)
        samples = list(_samples(recording, depth))
    _console.print(f"{events:,} events of {models:,} models, {events_per_s:,.0f} events/s")
    _show("thread", Counter(_task(thread) for thread, _ in samples), len(samples))
    for task in ("Source", "OverAggregate", "panes", "monitor"):
        of_task = [frames for thread, frames in samples if task in thread]
        inside = Counter(frame for frames in of_task for frame in set(frames))
        _show(f"inside {task}, {len(of_task):,} samples", inside, max(1, len(of_task)))


def _run(stream: Stream, folder: Path, recording: Path) -> float:
    """Run the job once to warm up and once under the recorder's eyes, on one JVM."""
    option = f"-XX:StartFlightRecording=filename={recording},settings=profile,dumponexit=true"
    settings = {**REFRESH, "env.java.opts.taskmanager": option}
    with KafkaBroker() as broker, FlinkCluster(settings=settings) as cluster:
        broker.create_topic(stream.topic, n_partitions=N_PARTITIONS)
        produce(stream, broker.bootstrap_servers)
        create_topics(broker, "profiled-results")
        path = folder / "job.toml"
        path.write_text(stream.job_toml(broker.bootstrap_servers, "profiled-results"))
        arguments = ["--config", str(path)]
        measure(cluster, "drift job", DRIFT_JOB, arguments, stream.n_events, savepoints=folder)
        events_per_s, _ = rate(stream, read_results(broker, "profiled-results"))
    return events_per_s


def _samples(recording: Path, depth: int) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield thread and methods, innermost first, of each sample of running Java code."""
    command = ["jfr", "print", "--events", "jdk.ExecutionSample", "--stack-depth", str(depth)]
    printed = subprocess.run(
        [*command, str(recording)], check=True, capture_output=True, text=True
    ).stdout
    for text in printed.split("jdk.ExecutionSample {")[1:]:
        thread = _THREAD.search(text)
        frames = [m[1] for line in text.splitlines() if (m := _FRAME.match(line))]
        yield (thread[1] if thread else "?"), frames


def _task(thread: str) -> str:
    """The name of a thread without the number of its subtask."""
    return re.sub(r"\s*\(\d+/\d+\)#\d+$", "", thread)[:90]


def _show(title: str, counts: Mapping[str, int], n_samples: int) -> None:
    table = Table("samples", "share", title, box=None, header_style="bold")
    for name, n in Counter(counts).most_common(_MOST_ROWS):
        table.add_row(f"{n:,}", f"{100 * n / n_samples:.0f} %", name)
    _console.print(table)


if __name__ == "__main__":
    typer.run(main)
