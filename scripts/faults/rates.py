"""The rates of two checkouts of the drift job, in turn, on one backlog of the soak.

``python -m scripts.faults.rates OTHER`` runs this checkout and the one in the folder ``OTHER``
(``git worktree add OTHER COMMIT``), which needs no environment of its own, and prints the ratios.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.faults.scenarios.soak import make_stream, produce
from scripts.faults.stream import Stream
from scripts.faults.topics import Run

_HERE = Path(__file__).resolve().parents[2]
_CHILD = Path(__file__).with_name("rate_of_checkout.py")


def main(
    other: Annotated[Path, typer.Argument(help="a checkout to compare with")],
    events: Annotated[int, typer.Option(min=1_000_000)] = 6_000_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    idle_timeout_ms: Annotated[int, typer.Option()] = 20_000,
) -> None:
    """Write the backlog once and read it with one checkout after the other."""
    checkouts = {"this": _HERE, "other": other.resolve()}
    ratios = []
    with tempfile.TemporaryDirectory(prefix="loudly-faults-") as folder, KafkaBroker() as broker:
        stream = make_stream("rates", events)
        print(produce(broker, stream, (8, 4, 2, 1), 1.0))
        for number in range(rounds):
            rates = {}
            for name, checkout in checkouts.items():
                run = Run(
                    name=f"{name}-{number}",
                    stream=stream,
                    checkpoint_interval_ms=5_000,
                    idle_timeout_ms=idle_timeout_ms,
                )
                run.create_topics(broker)
                rates[name] = _rate(broker, run, Path(folder), checkout, stream)
                print(f"{run.name}: {rates[name]:,.0f} events/s", flush=True)
            ratios.append(rates["this"] / rates["other"])
    median = statistics.median(ratios)
    print(f"this / other: median {median:.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def _rate(broker: KafkaBroker, run: Run, folder: Path, checkout: Path, stream: Stream) -> float:
    job_file = run.write_job_file(folder, broker.bootstrap_servers)
    n_due = (stream.n_events - stream.n_models * stream.n_reference) // stream.events_per_pane
    done = subprocess.run(
        [sys.executable, _CHILD, job_file, broker.bootstrap_servers, run.scores, str(n_due)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(checkout), "LOUDLY_JARS": str(_HERE / "build/jars")},
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    return stream.events_per_pane * float(done.stdout.split()[-1])


if __name__ == "__main__":
    typer.run(main)
