"""Throughput of a job on the embedded cluster, read from Flink's own counters over REST."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.embedded.flink_cluster import FlinkCluster

REFRESH_S = 0.1
"""Greatest age of the counters that Flink's REST interface shows, with :data:`REFRESH`."""
REFRESH = {"metrics.fetcher.update-interval": f"{REFRESH_S * 1_000:.0f}"}
"""Setting of the cluster; Flink's own default is 10 s."""
_POLL_S = 0.1
_NAMES_S = 1.0
_TIMEOUT_S = 300.0
# The first fifth warms the JVM and the Python workers up; the end holds the closing of the stream.
WARM_UP, CLOSING = 0.2, 0.95


@dataclass(frozen=True)
class Measurement:
    """One job's run.

    Attributes
    ----------
    name : str
    events_per_s : float
        Slope of the events read between 20 % and 95 % of the stream.
    measured_s : float
        How long that part took.
    n_accounted : int
        Events that the job's own counter saw.
    state_bytes : int
        Size of the savepoint with which the job ended; 0 without one.
    """

    name: str
    events_per_s: float
    measured_s: float
    n_accounted: int
    state_bytes: int = 0

    @property
    def error(self) -> float:
        """The most by which stale counters move the rate, as a share of it.

        Flink hands out what it fetched when it was last asked: a reading is at most an interval of
        refreshing and one of polling old, at the beginning as at the end.
        """
        return (REFRESH_S + _POLL_S) / self.measured_s


def measure(
    cluster: FlinkCluster,
    name: str,
    module: str,
    arguments: Sequence[str],
    n_events: int,
    python_files: Sequence[Path] = (),
    savepoints: Path | None = None,
) -> Measurement:
    """Run a job until it has accounted for every event, then end it.

    Parameters
    ----------
    savepoints : Path, optional
        Where the job is stopped with a savepoint, after which all that it wrote lies on its topics;
        without, it is cancelled.

    Raises
    ------
    RuntimeError
        When the job fails, or the stream is too short.
    TimeoutError
        When it takes longer than 300 s.
    """
    job_id = cluster.submit(module, arguments, python_files=python_files)
    cluster.rest.wait_running(job_id)
    probe = _Probe(cluster.rest, job_id)
    readings: list[tuple[float, int]] = []
    deadline = time.monotonic() + _TIMEOUT_S
    while (accounted := probe.accounted()) < n_events:
        if failures := cluster.rest.exceptions(job_id):
            raise RuntimeError(f"{name} failed: {failures[0]}")
        if time.monotonic() > deadline:
            cluster.rest.cancel(job_id)
            raise TimeoutError(f"{name}: {accounted:,} of {n_events:,} events in {_TIMEOUT_S:g} s")
        readings.append((time.monotonic(), probe.read()))
        time.sleep(_POLL_S)
    state_bytes = _end(cluster.rest, job_id, savepoints)
    rate, measured_s = _slope(readings, n_events)
    return Measurement(name, rate, measured_s, accounted, state_bytes)


def _end(rest: FlinkRest, job_id: str, savepoints: Path | None) -> int:
    """End the job; returns the size of its savepoint, if one was wanted."""
    if savepoints is None:
        rest.cancel(job_id)
        return 0
    rest.stop_with_savepoint(job_id, savepoints)
    return int(rest.checkpoints(job_id)["latest"]["savepoint"]["state_size"])


class _Probe:
    """The counters of a running job: events that the source read, and that the job accounted for.

    Each question takes the cluster's time: which counters there are is asked once a second.
    """

    def __init__(self, rest: FlinkRest, job_id: str) -> None:
        self._rest = rest
        self._job_id = job_id
        self._vertices = [vertex["id"] for vertex in rest.job(job_id)["vertices"]]
        self._names: dict[str, list[str]] = {}
        self._asked_s = -math.inf

    def read(self) -> int:
        return self._sum(_is_source_counter)

    def accounted(self) -> int:
        return self._sum(_is_own_counter)

    def _sum(self, wanted: Callable[[str], bool]) -> int:
        if time.monotonic() - self._asked_s > _NAMES_S:
            self._names = {v: [*self._metrics(v)] for v in self._vertices}
            self._asked_s = time.monotonic()
        total = 0
        for vertex, names in self._names.items():
            if found := [name for name in names if wanted(name)]:
                values = self._metrics(vertex, found).values()
                total += sum(int(float(value)) for value in values if value)
        return total

    def _metrics(self, vertex: str, names: list[str] | None = None) -> dict[str, str]:
        return self._rest.vertex_metrics(self._job_id, vertex, names)


def _is_source_counter(name: str) -> bool:
    return name.endswith(".numRecordsIn") and "Source__" in name


def _is_own_counter(name: str) -> bool:
    return name.endswith("loudly.events")


def _slope(readings: Sequence[tuple[float, int]], n_events: int) -> tuple[float, float]:
    """Events per second in the middle of the stream, and how long that took."""
    inside = [(t, n) for t, n in readings if WARM_UP * n_events <= n <= CLOSING * n_events]
    if len(inside) < 2:
        raise RuntimeError("the stream is too short to measure a steady state: take more events")
    (t0, n0), (t1, n1) = inside[0], inside[-1]
    return (n1 - n0) / (t1 - t0), t1 - t0
