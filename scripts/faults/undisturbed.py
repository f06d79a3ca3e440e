"""Results of an undisturbed job: the monitor in memory, over the same records.

The only place of the fault suite that knows the core; all else knows job files and topics.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from flink_jobs.config.loading import decode_config
from flink_jobs.core.artefacts import read_artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.intake.panes import PanePacker, unpack_pane
from flink_jobs.one_thread import use_one_thread
from flink_jobs.records.alerts import encode_record
from flink_jobs.records.dead_letters import encode_dead_letter


@dataclass(frozen=True)
class Record:
    """A record of the inference topic."""

    key: bytes
    value: bytes
    time_ms: int
    partition: int
    offset: int


@dataclass(frozen=True)
class Expected:
    """The values of the result topics, and how many records the inference topic holds.

    Attributes
    ----------
    alerts, scores, dead_letters : list of bytes
        In no particular order, each once.
    n_records, n_heartbeats : int
        On the inference topic, heartbeats included.
    n_duplicates : int
        Events with id and time of another in their pane, which count once.
    """

    alerts: list[bytes]
    scores: list[bytes]
    dead_letters: list[bytes]
    n_records: int
    n_heartbeats: int
    n_duplicates: int = 0


def undisturbed(job_toml: str, records: Iterable[Record]) -> Expected:
    """Run the monitor over everything that the inference topic holds."""
    config = decode_config(job_toml.encode())
    width_ms = config.panes.width_ms
    expected = Expected([], [], [], 0, 0)
    n_records, n_heartbeats, n_duplicates = 0, 0, 0
    panes: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        n_records += 1
        model = record.key.decode()
        if model == HEARTBEAT_KEY:
            n_heartbeats += 1
        else:
            start_ms = record.time_ms - record.time_ms % width_ms
            panes.setdefault((model, start_ms), []).append(record)
    use_one_thread()
    packer, monitor = PanePacker(config), DriftMonitor(config, read_artefacts(config))
    states: dict[str, InMemoryEntries] = {}
    for model, start_ms in sorted(panes):
        rows = panes[model, start_ms]
        packed = packer.pack(
            model,
            [row.value for row in rows],
            np.array([row.partition for row in rows], dtype=np.int32),
            np.array([row.offset for row in rows], dtype=np.int64),
            np.array([row.time_ms for row in rows], dtype=np.int64),
        )
        state = states.setdefault(model, InMemoryEntries())
        actions = monitor.on_pane(unpack_pane(model, width_ms, packed), state)
        n_duplicates += actions.counts.duplicates
        expected.alerts.extend(encode_record(alert)[1] for alert in actions.alerts)
        expected.scores.extend(encode_record(score)[1] for score in actions.scores)
        expected.dead_letters.extend(encode_dead_letter(d)[1] for d in actions.dead_letters)
    return replace(
        expected, n_records=n_records, n_heartbeats=n_heartbeats, n_duplicates=n_duplicates
    )
