"""Short ways to build the configurations, events and panes that tests talk about."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.config import DriftJobConfig, cross_check
from flink_jobs.core.monitor import Actions, DriftMonitor
from flink_jobs.core.state import InMemoryState
from flink_jobs.events import InferenceEvent, encode_event
from flink_jobs.panes import EventColumns, Pane, PanePacker, unpack_pane

WIDTH_MS = 1_000

BASE = """
version = 1
[kafka]
bootstrap_servers = "127.0.0.1:9092"
[input]
n_features = 3
n_outputs = 0
[panes]
width_ms = 1000
[window]
kind = "time"
size_ms = 3000
slide_ms = 1000
min_events = 2
[reference]
kind = "first_events"
n_events = 30
[detector]
reducer = {kind = "none"}
test = {kind = "ks"}
[calibration]
kind = "level_per_window"
level = 0.01
"""


def make_config(**tables: object) -> DriftJobConfig:
    """The base configuration with keys of some tables replaced, or whole tables given a kind."""
    tree = msgspec.toml.decode(BASE)
    for name, table in tables.items():
        if isinstance(table, dict) and "kind" not in table:
            tree[name] = tree.get(name, {}) | table
        else:
            tree[name] = table
    config = msgspec.convert(tree, DriftJobConfig)
    assert cross_check(config) == []
    return config


def make_pane(
    index: int,
    x: NDArray[np.float64],
    *,
    first_offset: int = 0,
    model: str = "model",
) -> Pane:
    """A pane of usable events, evenly spread over its second."""
    n = len(x)
    start_ms = index * WIDTH_MS
    offsets = np.arange(first_offset, first_offset + n, dtype=np.int64)
    events = EventColumns(
        event_ids=[f"event-{offset}" for offset in offsets],
        partitions=np.zeros(n, dtype=np.int32),
        offsets=offsets,
        times_ms=start_ms + np.arange(n, dtype=np.int64) * WIDTH_MS // max(n, 1),
        x=np.ascontiguousarray(x, dtype=np.float64),
    )
    return Pane(model, start_ms, start_ms + WIDTH_MS, events, [])


def make_panes(
    sizes: Sequence[int], *, seed: int = 0, shift_from: int | None = None, n_columns: int = 3
) -> list[Pane]:
    """Consecutive panes of normal rows; empty panes are left out, as Flink leaves them out."""
    rng = np.random.default_rng(seed)
    panes, offset = [], 0
    for index, size in enumerate(sizes):
        moved = shift_from is not None and index >= shift_from
        x = rng.normal(loc=2.0 if moved else 0.0, size=(size, n_columns))
        if size:
            panes.append(make_pane(index, x, first_offset=offset))
        offset += size
    return panes


def run_monitor(
    config: DriftJobConfig, panes: Sequence[Pane], state: InMemoryState | None = None
) -> list[Actions]:
    """Hand panes to a new monitor, one after the other."""
    monitor = DriftMonitor(config)
    state = state or InMemoryState()
    return [monitor.on_pane(pane, state) for pane in panes]


def payload(event_id: str = "event", features: Sequence[float] = (0.1, 0.2, 0.3)) -> bytes:
    """The Kafka value of a good event."""
    event = InferenceEvent(schema_version=1, event_id=event_id, features=list(features))
    return encode_event(event)


def pack_and_unpack(config: DriftJobConfig, payloads: Sequence[bytes], start_ms: int = 0) -> Pane:
    """Run raw payloads through the packer, one offset each."""
    n = len(payloads)
    packed = PanePacker(config).pack(
        "model",
        payloads,
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int64),
        np.full(n, start_ms, dtype=np.int64),
    )
    return unpack_pane("model", config.panes.width_ms, packed)
