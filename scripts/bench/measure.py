"""Runs a job on the embedded cluster and measures its steady state from Flink's own metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.embedded.flink_cluster import FlinkCluster

_POLL_S = 0.25
TIMEOUT_S = 300.0
# The first fifth warms the JVM and the Python workers up; the end holds the closing of the stream.
_FROM, _TO = 0.2, 0.95


@dataclass(frozen=True)
class Measurement:
    """One job's run.

    Attributes
    ----------
    events_per_s : float
        Slope of the events read between 20 % and 95 % of the stream; NaN when it did not finish.
    n_accounted : int
        Events that the job's own counter saw: the whole stream, when it finished.
    checkpoint_bytes : int
        Size of the last completed checkpoint.
    """

    name: str
    events_per_s: float
    n_accounted: int
    checkpoint_bytes: int


def measure(
    cluster: FlinkCluster,
    name: str,
    module: str,
    arguments: Sequence[str],
    n_events: int,
    python_files: Sequence[Path] = (),
) -> Measurement:
    """Run a job until it has accounted for every event or the time is over, then cancel it.

    Raises
    ------
    RuntimeError
        When the job fails.
    """
    job_id = cluster.submit(module, arguments, python_files=python_files)
    probe = _Probe(cluster.rest, job_id)
    cluster.rest.wait_running(job_id)
    readings: list[tuple[float, int]] = []
    deadline = time.monotonic() + TIMEOUT_S
    while probe.accounted() < n_events:
        if failures := cluster.rest.exceptions(job_id):
            raise RuntimeError(f"{name} failed: {failures[0][-1_000:]}")
        if time.monotonic() > deadline:
            accounted = probe.accounted()
            cluster.rest.cancel(job_id)
            return Measurement(name, math.nan, accounted, 0)
        readings.append((time.monotonic(), probe.read()))
        time.sleep(_POLL_S)
    cluster.rest.wait_for_checkpoint(job_id)
    latest = cluster.rest.checkpoints(job_id)["latest"]["completed"]
    accounted = probe.accounted()
    cluster.rest.cancel(job_id)
    return Measurement(name, _slope(readings, n_events), accounted, int(latest["state_size"]))


class _Probe:
    """Finds the counters of a running job: what the source read, what the job accounted for."""

    def __init__(self, rest: FlinkRest, job_id: str) -> None:
        self._rest = rest
        self._job_id = job_id

    def read(self) -> int:
        return self._sum(lambda name: name.endswith(".numRecordsIn") and "Source__" in name)

    def accounted(self) -> int:
        return self._sum(lambda name: name.endswith("loudly.events"))

    def _sum(self, wanted: Callable[[str], bool]) -> int:
        total = 0
        for vertex in self._rest.job(self._job_id)["vertices"]:
            names = [n for n in self._rest.vertex_metrics(self._job_id, vertex["id"]) if wanted(n)]
            if names:
                values = self._rest.vertex_metrics(self._job_id, vertex["id"], names)
                total += sum(int(float(value)) for value in values.values() if value)
        return total


def _slope(readings: Sequence[tuple[float, int]], n_events: int) -> float:
    inside = [(t, n) for t, n in readings if _FROM * n_events <= n <= _TO * n_events]
    if len(inside) < 2:
        raise RuntimeError("the stream is too short to measure a steady state")
    (t0, n0), (t1, n1) = inside[0], inside[-1]
    return (n1 - n0) / (t1 - t0)
