"""Histories as files, and what the packer and the monitor alone make of them."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.artefacts import read_artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.histories.batches import Batch, Names, Source
from flink_jobs.histories.exchange import Exchange
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.times import FOREVER_MS
from tests.builders import WIDTH_MS, make_config

START_MS = 1_767_225_600_000
FEATURES = ("f0", "f1", "f2")
Write = Callable[[Path, list["Event"]], Path]


@dataclass(frozen=True)
class Event:
    """One row of a history."""

    model: str
    time_ms: int
    event_id: str
    features: list[float]


def backtest_config(**tables: Any) -> DriftJobConfig:
    """The base configuration with a late bound of a second, and no more than that said."""
    own = {"max_out_of_orderness_ms": 1_000} | tables.pop("input", {})
    return make_config(input=own, **tables)


def columns(**keys: Any) -> dict[str, Any]:
    """The table ``columns`` for files with one column for each feature."""
    return {"features": "f*", **keys}


def make_events(
    models: Sequence[str] = ("a", "b", "c"), n: int = 400, *, seed: int = 0, step_ms: int = 40
) -> list[Event]:
    """Events of several models in order of time; those of the last model shift after the half."""
    rng = np.random.default_rng(seed)
    events = []
    for index in range(n):
        for model in models:
            moved = model == models[-1] and index >= n // 2
            x = rng.normal(2.0 if moved else 0.0, size=len(FEATURES))
            time_ms = START_MS + index * step_ms
            events.append(Event(model, time_ms, f"{model}-{index}", x.tolist()))
    return events


def write_json_lines(path: Path, events: Sequence[Event]) -> Path:
    path.write_bytes(b"".join(json_line(event) + b"\n" for event in events))
    return path


def json_line(event: Event, **more: Any) -> bytes:
    tree = {"schema_version": 1, "event_id": event.event_id, "features": event.features}
    return msgspec.json.encode({"model": event.model, "time_ms": event.time_ms, **tree, **more})


def to_table(events: Sequence[Event]) -> pa.Table:
    x = np.array([event.features for event in events]).reshape(len(events), len(FEATURES))
    return pa.table(
        {
            "model": [event.model for event in events],
            "time_ms": [event.time_ms for event in events],
            "event_id": [event.event_id for event in events],
            **{name: x[:, place] for place, name in enumerate(FEATURES)},
        }
    )


def write_parquet(path: Path, events: Sequence[Event], **options: Any) -> Path:
    pq.write_table(to_table(events), path, **options)
    return path


def write_csv(path: Path, events: Sequence[Event]) -> Path:
    pa_csv.write_csv(to_table(events), path)
    return path


def shared_batches(source: Source, names: Names, folder: Path) -> Iterator[Batch]:
    """All rows of a history as they come through shards, of which another part writes the half."""

    def take_all() -> None:
        other = pickle.loads(pickle.dumps(source))
        deque(other.batches(Names(), FOREVER_MS, Exchange(folder, 1, 2)), maxlen=0)

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take_all)
        yield from source.batches(names, FOREVER_MS, Exchange(folder, 0, 2))
        taking.result()


@dataclass
class Expected:
    """What the packer and the monitor alone make of events, by model."""

    alerts: dict[str, list[Alert]]
    scores: dict[str, list[Score]]

    @property
    def all_alerts(self) -> list[Alert]:
        return [alert for model in sorted(self.alerts) for alert in self.alerts[model]]

    @property
    def all_scores(self) -> list[Score]:
        return [score for model in sorted(self.scores) for score in self.scores[model]]


def expected(config: DriftJobConfig, events: Sequence[Event]) -> Expected:
    """Every event in its pane, panes in order, and the end.

    Offsets are rows of one file.
    """
    rows: dict[str, dict[int, list[int]]] = {}
    for row, event in enumerate(events):
        start_ms = event.time_ms - event.time_ms % WIDTH_MS
        rows.setdefault(event.model, {}).setdefault(start_ms, []).append(row)
    found = Expected({}, {})
    for model, panes in rows.items():
        monitor, state = DriftMonitor(config, read_artefacts(config)), InMemoryEntries()
        actions = [monitor.on_pane(pane, state) for pane in _panes(config, model, panes, events)]
        actions.append(monitor.on_end(model, state))
        found.alerts[model] = [alert for each in actions for alert in each.alerts]
        found.scores[model] = [score for each in actions for score in each.scores]
    return found


def _panes(
    config: DriftJobConfig,
    model: str,
    rows_of_panes: Mapping[int, list[int]],
    events: Sequence[Event],
) -> Iterator[Pane]:
    packer = PanePacker(config)
    for _, rows in sorted(rows_of_panes.items()):
        packed = packer.pack(
            model,
            [json_line(events[row]) for row in rows],
            np.zeros(len(rows), dtype=np.int32),
            np.array(rows, dtype=np.int64),
            np.array([events[row].time_ms for row in rows], dtype=np.int64),
        )
        yield unpack_pane(model, WIDTH_MS, packed)
