"""Streams for the real broker, and what the monitor alone makes of them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from kafka import KafkaProducer

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.config.overrides import matches
from flink_jobs.core.actions import Actions
from flink_jobs.core.artefacts import read_artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.intake.formats.json import HEARTBEAT_KEY, InferenceEvent, encode_event
from flink_jobs.intake.panes import PanePacker, unpack_pane
from flink_jobs.records.alerts import encode_record
from flink_jobs.records.control import Command, PlacedCommand
from scripts.faults.topics import TopicReader
from scripts.faults.topics import read as read_topic

START_MS = 1_767_225_600_000
WIDTH_MS = 10_000
N_PARTITIONS = 2
_POLL_S = 0.5
_names = itertools.count()


@dataclass(frozen=True)
class Record:
    """One Kafka record as it was written."""

    key: str | None
    value: bytes | None
    time_ms: int
    partition: int
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Topics:
    """The topics of one job run."""

    broker: KafkaBroker
    inference: str
    alerts: str
    scores: str
    dead_letters: str
    control: str = ""
    audit: str = ""
    status: str = ""
    written: list[tuple[Record, int]] = field(default_factory=list)

    def write(self, records: Iterable[Record], pause_s: float = 0.0) -> None:
        """Send records in order and remember their offsets."""
        producer = KafkaProducer(bootstrap_servers=self.broker.bootstrap_servers, linger_ms=5)
        pending = []
        for record in records:
            key = None if record.key is None else record.key.encode()
            sent = producer.send(
                self.inference, key=key, value=record.value, timestamp_ms=record.time_ms,
                partition=record.partition, headers=list(record.headers),
            )  # fmt: skip
            pending.append((record, sent))
            if pause_s:
                time.sleep(pause_s)
        producer.flush()
        self.written += [(record, sent.get(timeout=30).offset) for record, sent in pending]
        producer.close()

    def command(self, key: str | None, value: bytes | Command) -> int:
        """Send one record to the control topic and return its offset."""
        data = value if isinstance(value, bytes) else msgspec.json.encode(value)
        producer = KafkaProducer(bootstrap_servers=self.broker.bootstrap_servers)
        sent = producer.send(self.control, key=None if key is None else key.encode(), value=data)
        producer.flush()
        producer.close()
        return int(sent.get(timeout=30).offset)

    def heartbeat(self, time_ms: int, n_partitions: int = N_PARTITIONS) -> None:
        """Move event time forward on every partition."""
        self.write(Record(HEARTBEAT_KEY, b"", time_ms, p) for p in range(n_partitions))

    def read(self, topic: str, *, committed_only: bool = False) -> list[bytes]:
        """The values of a topic, all partitions, as far as it reaches now."""
        return read_topic(self.broker, topic, committed_only=committed_only)

    def wait_for(
        self, topic: str, enough: Callable[[list[bytes]], bool], timeout_s: float
    ) -> list[bytes]:
        """Read on in a topic until it holds enough."""
        deadline, values = time.monotonic() + timeout_s, list[bytes]()
        # One consumer for all looks: a new one takes 15 ms of processor time, to ask it again 2 ms.
        with TopicReader(self.broker, topic) as reader:
            while True:
                values += (new := reader.values())
                if (new or not values) and enough(values):
                    return values
                assert time.monotonic() < deadline, f"{topic} holds {len(values)}, not enough"
                time.sleep(_POLL_S)

    def config(
        self,
        folder: Path,
        replaced: Mapping[str, str] = {},
        *,
        takes_commands: bool = False,
        writes_status: bool = False,
    ) -> tuple[Path, DriftJobConfig]:
        """Write a job file for these topics, with some pieces of its text replaced."""
        text = _JOB.format(topics=self, servers=self.broker.bootstrap_servers, width_ms=WIDTH_MS)
        if takes_commands:
            names = f'control_topic = "{self.control}"\naudit_topic = "{self.audit}"\n'
            text = text.replace("[input]\n", names + "[input]\n")
        if writes_status:
            text = text.replace("[input]\n", f'status_topic = "{self.status}"\n[input]\n')
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        path = folder / f"{self.inference}.toml"
        path.write_text(text)
        return path, decode_config(text.encode())

    def expected(
        self,
        config: DriftJobConfig,
        commands: Sequence[PlacedCommand] = (),
        refused: Container[tuple[int, int]] = (),
        until_ms: int | None = None,
    ) -> Actions:
        """What the monitor makes of everything written so far, without Kafka and without Flink.

        Parameters
        ----------
        config : DriftJobConfig
        commands : sequence of PlacedCommand
            With a time each: a model takes them before its first pane at or after that time.
        refused : container of (partition, offset)
            Records that never reach a pane.
        until_ms : int, optional
            How far event time goes on after the last pane.
        """
        packer, monitor = PanePacker(config), DriftMonitor(config, read_artefacts(config))
        states: dict[str, InMemoryEntries] = {}
        given: set[tuple[str, int]] = set()
        total = Actions()
        for (model, start_ms), rows in sorted(self._panes(refused).items()):
            state = states.setdefault(model, InMemoryEntries())
            for placed in commands:
                is_new = (model, placed.offset) not in given
                is_due = (placed.command.effective_ms or 0) <= start_ms
                if is_new and is_due and matches(placed.command.model, model):
                    given.add((model, placed.offset))
                    _add(total, monitor.on_command(model, placed, state))
            packed = packer.pack(
                model,
                [record.value or b"" for record, _ in rows],
                np.array([record.partition for record, _ in rows]),
                np.array([offset for _, offset in rows]),
                np.array([record.time_ms for record, _ in rows]),
            )
            _add(total, monitor.on_pane(unpack_pane(model, WIDTH_MS, packed), state))
        if until_ms is not None:
            for model, state in states.items():
                _add(total, monitor.on_time(model, until_ms, state))
        return total

    def _panes(
        self, refused: Container[tuple[int, int]]
    ) -> dict[tuple[str, int], list[tuple[Record, int]]]:
        panes: dict[tuple[str, int], list[tuple[Record, int]]] = {}
        for record, offset in self.written:
            is_event = record.key not in (None, HEARTBEAT_KEY) and record.value is not None
            if is_event and (record.partition, offset) not in refused:
                start_ms = record.time_ms - record.time_ms % WIDTH_MS
                panes.setdefault((str(record.key), start_ms), []).append((record, offset))
        return panes


def _add(total: Actions, actions: Actions) -> None:
    total.alerts += actions.alerts
    total.scores += actions.scores
    total.dead_letters += actions.dead_letters
    total.audits += actions.audits
    total.statuses += actions.statuses


_JOB = """
version = 1
[kafka]
bootstrap_servers = "{servers}"
inference_topic = "{topics.inference}"
alerts_topic = "{topics.alerts}"
scores_topic = "{topics.scores}"
dead_letters_topic = "{topics.dead_letters}"
group_id = "{topics.inference}"
bounded = false
[input]
n_features = 2
n_outputs = 3
max_payload_bytes = 5000
dead_letter_payload_bytes = 50
max_out_of_orderness_ms = 1000
idle_timeout_ms = 60000
[panes]
width_ms = {width_ms}
[window]
kind = "time"
size_ms = 20000
slide_ms = 20000
min_events = 2
[reference]
kind = "first_events"
n_events = 100
[calibration]
kind = "level_per_window"
[policy]
windows_to_start = 1
windows_to_recover = 1
ongoing_every_ms = 0
flapping_after = 0
[job]
checkpoint_interval_ms = 1000
delivery = "at_least_once"
"""


def make_topics(broker: KafkaBroker, n_partitions: int = N_PARTITIONS) -> Topics:
    """Fresh topics with names that no other test uses."""
    prefix = f"system-{next(_names)}"
    topics = Topics(
        broker,
        inference=f"{prefix}-in",
        alerts=f"{prefix}-alerts",
        scores=f"{prefix}-scores",
        dead_letters=f"{prefix}-dead",
        control=f"{prefix}-control",
        audit=f"{prefix}-audit",
        status=f"{prefix}-status",
    )
    broker.create_topic(topics.inference, n_partitions=n_partitions)
    results = topics.alerts, topics.scores, topics.dead_letters
    # Not compacted, so that no record is missed.
    for name in (*results, topics.control, topics.audit, topics.status):
        broker.create_topic(name)
    return topics


def model_stream(
    models: Sequence[str],
    n_panes: int,
    *,
    shifted_from_pane: int,
    shifted: Container[str] | None = None,
    per_pane: int = 50,
    first_pane: int = 0,
) -> list[Record]:
    """Events of several models in event-time order; the last model shifts, or those given."""
    rng = np.random.default_rng(first_pane)
    moved = models[-1:] if shifted is None else shifted
    records = []
    for index in range(first_pane * per_pane, (first_pane + n_panes) * per_pane):
        pane = index // per_pane
        for model in models:
            is_shifted = model in moved and pane >= shifted_from_pane
            outputs = rng.dirichlet((8.0, 2.0, 2.0) if is_shifted else (2.0, 2.0, 2.0))
            event = InferenceEvent(
                schema_version=1,
                event_id=f"{model}-{index:05d}",
                features=rng.normal(2.0 if is_shifted else 0.0, 1.0, size=2).tolist(),
                outputs=outputs.tolist(),
            )
            time_ms = START_MS + pane * WIDTH_MS + index % per_pane * WIDTH_MS // per_pane
            records.append(Record(model, encode_event(event), time_ms, index % N_PARTITIONS))
    return records


def by_id(values: Iterable[bytes], id_field: str) -> dict[str, bytes]:
    """Records by their id; two records of one id must be equal to the byte."""
    found: dict[str, bytes] = {}
    for value in values:
        record_id = str(msgspec.json.decode(value)[id_field])
        assert found.setdefault(record_id, value) == value, "two records of one id differ"
    return found


def encoded(actions: Actions) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Expected alerts and scores as the topics should hold them."""
    alerts = by_id((encode_record(a)[1] for a in actions.alerts), "alert_id")
    scores = by_id((encode_record(s)[1] for s in actions.scores), "score_id")
    return alerts, scores
