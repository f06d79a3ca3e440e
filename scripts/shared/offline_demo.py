"""The demonstration without Kafka and Flink: the same streams through the same monitor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.demo.job_file import Topics, job_text
from flink_jobs.demo.outcome import Reported
from flink_jobs.demo.streams import ModelStream
from flink_jobs.demo.timing import END_MS, PANE_MS, START_MS
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Alert, Score


def demo_config() -> DriftJobConfig:
    """Load the configuration of the demonstration."""
    return decode_config(job_text("127.0.0.1:9092", Topics()).encode())


def report(streams: Sequence[ModelStream]) -> Reported:
    """Compute the report of the job without a cluster."""
    monitor = DriftMonitor(demo_config())
    alerts: list[Alert] = []
    scores: list[Score] = []
    for stream in streams:
        state = InMemoryEntries()
        for pane in _panes(stream):
            actions = monitor.on_pane(pane, state)
            alerts += actions.alerts
            scores += actions.scores
    return Reported(alerts, scores, [])


def _panes(stream: ModelStream) -> Iterator[Pane]:
    for start_ms in range(START_MS, END_MS, PANE_MS):
        first, last = np.searchsorted(stream.times_ms, [start_ms, start_ms + PANE_MS])
        n = int(last - first)
        columns = EventColumns(
            event_ids=[f"{stream.model}-{i:06}" for i in range(first, last)],
            partitions=np.zeros(n, dtype=np.int32),
            offsets=np.arange(first, last, dtype=np.int64),
            rows=np.zeros(n, dtype=np.int32),
            times_ms=stream.times_ms[first:last],
            x=np.hstack([stream.features[first:last], stream.outputs[first:last]]),
        )
        yield Pane(stream.model, start_ms, start_ms + PANE_MS, columns, [])
