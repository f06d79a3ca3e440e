"""The rates of two checkouts of the drift job, in turn, on one backlog of the soak.

``python -m scripts.faults.rates OTHER`` runs this checkout and the one in the folder ``OTHER``
(``git worktree add OTHER COMMIT``), which needs no environment of its own, and prints the ratios.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.faults.scenarios.soak import make_stream, produce
from scripts.faults.stream import Stream
from scripts.faults.topics import Run


class _Cost(NamedTuple):
    """Of one run; processor time in microseconds an event."""

    events_per_s: float
    java_us: float
    python_us: float
    source_us: float

    def __str__(self) -> str:
        return (
            f"{self.events_per_s:,.0f} events/s; of processors an event takes "
            f"{self.java_us:.1f} µs in the JVM, {self.source_us:.1f} of them in the thread that "
            f"reads, and {self.python_us:.1f} µs in Python"
        )


_HERE = Path(__file__).resolve().parents[2]
_CHILD = Path(__file__).with_name("rate_of_checkout.py")


def main(
    other: Annotated[Path, typer.Argument(help="a checkout to compare with")],
    events: Annotated[int, typer.Option(min=1_000_000)] = 6_000_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Write the backlog once and read it with one checkout after the other."""
    checkouts = {"this": _HERE, "other": other.resolve()}
    found: dict[str, list[_Cost]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory(prefix="loudly-faults-") as folder, KafkaBroker() as broker:
        stream = make_stream("rates", events)
        print(produce(broker, stream, (8, 4, 2, 1), 1.0))
        for number in range(rounds):
            for name, checkout in checkouts.items():
                run = Run(name=f"{name}-{number}", stream=stream, checkpoint_interval_ms=5_000)
                run.create_topics(broker)
                cost = _measure(broker, run, Path(folder), checkout, stream)
                found[name].append(cost)
                print(f"{run.name}: {cost}", flush=True)
    print("this / other, each with the next: median (lowest to highest)")
    for what in _Cost._fields:
        ratios = [getattr(a, what) / getattr(b, what) for a, b in zip(*found.values(), strict=True)]
        median = statistics.median(ratios)
        print(f"{what}: {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _measure(broker: KafkaBroker, run: Run, folder: Path, checkout: Path, stream: Stream) -> _Cost:
    job_file = run.write_job_file(folder, broker.bootstrap_servers)
    n_due = (stream.n_events - stream.n_models * stream.n_reference) // stream.events_per_pane
    done = subprocess.run(
        [sys.executable, _CHILD, job_file, broker.bootstrap_servers, run.scores, str(n_due)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(checkout), "LOUDLY_JARS": str(_HERE / "build/jars")},
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    of_event = {k: 1e6 * v / stream.events_per_pane for k, v in found["cpu_s"].items()}
    return _Cost(stream.events_per_pane * found["scores_per_s"], *of_event.values())


if __name__ == "__main__":
    typer.run(main)
