"""Counts the events of a history beside a job, whose result does not say how many there were."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig, InputFormat
from flink_jobs.histories.batches import Batch, Names
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.intake.layouts import Layouts
from flink_jobs.intake.panes import events_at
from flink_jobs.intake.triage import Triage
from flink_jobs.replay.accuracy import AccuracyCounts, Judged
from flink_jobs.replay.worker import arrivals
from flink_jobs.times import FOREVER_MS, NEVER_MS

_OF_SEVERAL_ROWS: tuple[InputFormat, ...] = ("open_inference", "kserve_v1", "sagemaker")


class HistoryCounts:
    """Takes the batches of a history.

    Parameters
    ----------
    horizon_ms : int
        Times beyond it are too far in the future.
    config : DriftJobConfig, optional
        Of a topic, whose messages may hold several events: those that reach a pane are read to
        count them. None for files, of which who writes them says how many they became.

    Attributes
    ----------
    names : Names
        For who reads the batches.
    n_by_model : Counter
    n_rows, n_events : int
        With and without heartbeats.
    first_ms, last_ms : int
        Event times.
    """

    def __init__(self, horizon_ms: int, config: DriftJobConfig | None = None) -> None:
        self.horizon_ms = horizon_ms
        self._rows = None
        if config is not None and config.input.format in _OF_SEVERAL_ROWS:
            self._rows = _RowCounter(config, horizon_ms, self)
        self.names = Names()
        self.n_by_model: Counter[str] = Counter()
        self.n_rows = self.n_events = 0
        self.first_ms, self.last_ms = FOREVER_MS, NEVER_MS

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self.n_rows += len(batch)
        is_event = batch.codes != self.names.get(HEARTBEAT_KEY, -2)
        self.n_events += int(is_event.sum()) + len(batch.misplaced)
        codes = [*batch.codes[is_event].tolist(), *(each.code for each in batch.misplaced)]
        for code, n in zip(*np.unique(codes, return_counts=True), strict=True):
            if code >= 0:
                self.n_by_model[self.names.all[int(code)]] += int(n)
        self._see(batch, is_event)
        if self._rows is not None:
            self.add_more(self._rows.n_more(batch, np.flatnonzero(is_event)))

    def add_more(self, n_more: Mapping[str, int]) -> None:
        """Count the events of each model beyond the first one that rows held."""
        for model, n in n_more.items():
            self.n_by_model[model] += n
            self.n_events += n

    def _see(self, batch: Batch, is_event: NDArray[np.bool_]) -> None:
        times_ms = batch.times_ms[is_event & (batch.times_ms <= self.horizon_ms)]
        if len(times_ms):
            self.first_ms = min(self.first_ms, int(times_ms.min()))
            self.last_ms = max(self.last_ms, int(times_ms.max()))


class AnswerCounts:
    """Counts the right answers of a history, of the events that the job uses.

    Parameters
    ----------
    config : DriftJobConfig
    horizon_ms : int
    names : Names
        With which the history is read.
    """

    def __init__(self, config: DriftJobConfig, horizon_ms: int, names: Names) -> None:
        self._counts = AccuracyCounts(config)
        self._width_ms = config.panes.width_ms
        self._layouts = Layouts(config)
        self._triage = Triage(config, horizon_ms)
        self._names = names
        self._panes: defaultdict[tuple[str, int], Judged] = defaultdict(Judged)

    @property
    def problem(self) -> str:
        """Why nothing is counted; empty where all is well."""
        return self._counts.problem

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        if not self._counts.is_counted:
            return
        rows = np.flatnonzero(batch.codes != self._names.get(HEARTBEAT_KEY, -2))
        rows = rows[self._triage.judge(arrivals(batch, rows))[0]]
        for code in np.unique(batch.codes[rows]).tolist():
            self._add(batch, rows[batch.codes[rows] == code], self._names.all[code])

    def table(self) -> pa.Table:
        """The counts, as :meth:`~flink_jobs.replay.accuracy.AccuracyCounts.table` has them."""
        for (model, start_ms), judged in sorted(self._panes.items()):
            self._counts.add(model, start_ms, judged)
        return self._counts.table()

    def _add(self, batch: Batch, rows: NDArray[np.intp], model: str) -> None:
        layout = self._layouts.of(model)
        read = batch.rows.read(layout, rows, ([""] * len(rows)).copy)
        events = events_at(read, batch.partitions[rows], batch.offsets[rows], batch.times_ms[rows])
        labels = batch.rows.labels(rows[read.message_of]) if self._counts.needs_labels else None
        starts = events.times_ms - events.times_ms % self._width_ms
        for start_ms in np.unique(starts).tolist():
            own = np.flatnonzero(starts == start_ms)
            of_pane = None if labels is None else labels[own].tolist()
            judged = self._counts.judge(layout, events.take(own), of_pane)
            self._panes[model, start_ms] = self._panes[model, start_ms].and_also(judged)


class _RowCounter:
    """Counts the events beyond the first one of messages, as far as the job reads them."""

    def __init__(self, config: DriftJobConfig, horizon_ms: int, counts: HistoryCounts) -> None:
        self._layouts = Layouts(config)
        self._triage = Triage(config, horizon_ms)
        self._counts = counts

    def n_more(self, batch: Batch, rows: NDArray[np.intp]) -> dict[str, int]:
        """By model, of the chosen rows of a batch."""
        rows = rows[self._triage.judge(arrivals(batch, rows))[0]]
        found: dict[str, int] = {}
        for code in np.unique(batch.codes[rows]).tolist():
            model = self._counts.names.all[code]
            own = rows[batch.codes[rows] == code]
            read = batch.rows.read(self._layouts.of(model), own, ([""] * len(own)).copy)
            if read.messages is not None:
                found[model] = len(read.messages) - len(own)
        return found
