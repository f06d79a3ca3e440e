"""One drift job that reads a backlog, and what it takes of memory meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from scripts.faults.memory import heap_mib, python_mib
from scripts.faults.promises import BrokenPromiseError, record_id, tested_events
from scripts.faults.stage import Stage
from scripts.faults.topics import Run, TopicReader

_POLL_S = 1.0
# A full collection stops the job for about 0.2 s.
_COLLECT_EVERY_S = 5.0
# Of the job, without a new score.
_PATIENCE_S = 180.0
_SPLIT = re.compile(r"-(\d+)\.watermark\.currentWatermark$")


@dataclass
class Series:
    """Readings of one quantity in the course of the events."""

    n_events: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, n_events: int, value: float) -> None:
        """One more reading."""
        self.n_events.append(n_events)
        self.values.append(value)


@dataclass
class Soak:
    """A run that is watched from its start to its last score.

    Attributes
    ----------
    stage : Stage
    run : Run
    n_moving : int
        Partitions, the first ones, that never fall silent.
    python, heap, checkpoints : Series
        In MiB: of the Python workers, of live objects on the TaskManager's heap, of each completed
        checkpoint.
    drift : Series
        Milliseconds of event time between the partition that was read furthest and the one that was
        read least far, of those that have records.
    seconds : float
        From the first score to the last.
    n_restarts : int
        How often the job went on from a checkpoint.
    """

    stage: Stage
    run: Run
    n_moving: int
    python: Series = field(default_factory=Series)
    heap: Series = field(default_factory=Series)
    checkpoints: Series = field(default_factory=Series)
    drift: Series = field(default_factory=Series)
    seconds: float = 0.0
    n_restarts: int = 0

    def play(self, n_due: int, advance: Callable[[float], None], kill_at: float = 1.0) -> None:
        """Start the job and read memory until all windows were tested.

        Parameters
        ----------
        n_due : int
            Events in all test windows.
        advance : callable
            Hears which share of the events came since its last call.
        kill_at : float, default 1
            The share of the events after which the TaskManager is killed; 1 for never.

        Raises
        ------
        BrokenPromiseError
            When no score comes for three minutes.
        """
        job_id = self.stage.start(self.run)
        n_now, ids, first = 0, set[str](), 0.0
        changed = time.monotonic()
        is_killed = kill_at >= 1.0
        with TopicReader(self.stage.broker, self.run.scores) as reader:
            while n_now < n_due:
                time.sleep(_POLL_S)
                fresh = {record_id(value): value for value in reader.values()}
                n_new = sum(tested_events(v) for i, v in fresh.items() if i not in ids)
                ids |= fresh.keys()
                n_now += n_new
                advance(n_new / n_due)
                if n_new:
                    changed = time.monotonic()
                    first = first or changed
                self._refuse_standstill(job_id, changed, n_now)
                if not is_killed and n_now >= kill_at * n_due:
                    is_killed = True
                    self.stage.cluster.kill_task_manager()
                    self.stage.cluster.start_task_manager()
                self._read(job_id, n_now)
        self.seconds = time.monotonic() - first
        self.stage.cluster.rest.wait_for_checkpoint(job_id)
        restored = self.stage.cluster.rest.checkpoints(job_id)["counts"]["restored"]
        self.n_restarts = int(restored)
        self.stage.cluster.rest.cancel(job_id)

    def save(self, file: Path) -> None:
        """Keep all readings, for looking at them later."""
        file.parent.mkdir(parents=True, exist_ok=True)
        series = {name: getattr(self, name) for name in ("python", "heap", "checkpoints", "drift")}
        file.write_bytes(msgspec.json.encode(series | {"seconds": self.seconds}))

    def _refuse_standstill(self, job_id: str, changed: float, n_now: int) -> None:
        if time.monotonic() - changed > _PATIENCE_S:
            causes = self.stage.cluster.rest.exceptions(job_id)
            raise BrokenPromiseError(f"{self.run.name}: stands still at {n_now:,}: {causes[:1]}")

    def _read(self, job_id: str, n_now: int) -> None:
        task_manager = self.stage.cluster.pids[-1]
        self.python.add(n_now, python_mib(task_manager))
        if not self._read_at or time.monotonic() - self._read_at > _COLLECT_EVERY_S:
            self.heap.add(n_now, heap_mib(task_manager))
            self._read_at = time.monotonic()
        self._read_checkpoint(job_id, n_now)
        self._read_drift(job_id, n_now)

    def _read_checkpoint(self, job_id: str, n_now: int) -> None:
        latest = self.stage.cluster.rest.checkpoints(job_id)["latest"]["completed"]
        if latest is not None and latest["id"] != self._last_checkpoint:
            self._last_checkpoint = latest["id"]
            self.checkpoints.add(n_now, latest["state_size"] / 2**20)

    def _read_drift(self, job_id: str, n_now: int) -> None:
        """From Flink's metrics of each split, which it refreshes twice a second."""
        rest = self.stage.cluster.rest
        if not self._splits:
            for vertex in rest.job(job_id)["vertices"]:
                names = list(filter(self._is_moving, rest.vertex_metrics(job_id, vertex["id"])))
                if len(names) > len(self._splits):
                    self._source, self._splits = vertex["id"], names
        if self._splits:
            found = rest.vertex_metrics(job_id, self._source, self._splits).values()
            times_ms = [int(each) for each in found if each and int(each) > 0]
            if times_ms:
                self.drift.add(n_now, max(times_ms) - min(times_ms))

    def _is_moving(self, metric: str) -> bool:
        found = _SPLIT.search(metric)
        return found is not None and int(found[1]) < self.n_moving

    _read_at: float = 0.0
    _last_checkpoint: int = -1
    _source: str = ""
    _splits: list[str] = field(default_factory=list)
