"""The topics of one run of the job, its job file, and reading what lies on a topic."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from kafka import KafkaConsumer, TopicPartition

from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.faults.stream import MAX_OUT_OF_ORDERNESS_MS, N_FEATURES, N_OUTPUTS, Stream
from scripts.faults.undisturbed import Record

_READ_TIMEOUT_S = 120.0
# Above the longest outage of the suite: see the report on what a shorter one does.
IDLE_TIMEOUT_MS = 300_000
SAMPLE_SIZE = 200
"""Events of a window that tests on rows see."""
VIEWS = ("inputs", "outputs")
"""The views of a run with named columns."""

_VECTORS = f"""\
n_features = {N_FEATURES}
n_outputs = {N_OUTPUTS}"""
_VIEWS = """\
[columns]
features = {amount = "number", plan = "category"}
outputs = {shares = {kind = "class_probabilities", class_names = ["first", "second", "third"]}}
[[views]]
name = "inputs"
columns = ["features"]
[[views]]
name = "outputs"
columns = ["outputs"]
"""
_ROWS = """\
[sample]
size = {size}
[[detectors]]
name = "rows"
window = {{kind = "time", size_ms = {window_ms}, slide_ms = {window_ms}}}
test = {{kind = "cramer_von_mises"}}
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the job: names of its topics and what its job file says.

    Attributes
    ----------
    name : str
        Prefix of the result topics and id of the consumer group; no two runs share one.
    stream : Stream
    exactly_once : bool
    checkpoint_interval_ms, idle_timeout_ms : int
    properties : mapping of str to str
        Of all Kafka clients of the job.
    readers : int
        Subtasks of the job, each of which reads some of the partitions.
    is_named : bool
        Whether columns have names and two views watch inputs and outputs.
    has_rows : bool
        Whether a second detector, ``rows``, sees a sample of the events of each window.
    """

    name: str
    stream: Stream
    exactly_once: bool = False
    checkpoint_interval_ms: int = 1_000
    idle_timeout_ms: int = IDLE_TIMEOUT_MS
    properties: Mapping[str, str] = field(default_factory=dict)
    readers: int = 1
    is_named: bool = False
    has_rows: bool = False

    @property
    def alerts(self) -> str:
        """Name of the alerts topic."""
        return f"{self.name}-alerts"

    @property
    def scores(self) -> str:
        """Name of the scores topic."""
        return f"{self.name}-scores"

    @property
    def dead_letters(self) -> str:
        """Name of the dead-letter topic."""
        return f"{self.name}-dead-letters"

    @property
    def source_client_ids(self) -> list[str]:
        """The ids under which Flink's source reads: its consumer group and each subtask."""
        return [f"{self.name}-{subtask}" for subtask in range(self.readers)]

    def create_topics(self, broker: KafkaBroker) -> None:
        """Create the three result topics."""
        for topic in (self.alerts, self.scores, self.dead_letters):
            broker.create_topic(topic)

    def write_job_file(self, folder: Path, bootstrap_servers: str) -> Path:
        """Write ``job.toml`` and return its path."""
        path = folder / f"{self.name}.toml"
        path.write_text(self.job_toml(bootstrap_servers))
        return path

    def job_toml(self, bootstrap_servers: str) -> str:
        """The job file: BBSDs and KS on tumbling windows, so that each event is counted once."""
        stream = self.stream
        window_ms = stream.panes_per_window * stream.pane_width_ms
        rows = _ROWS.format(size=SAMPLE_SIZE, window_ms=window_ms) if self.has_rows else ""
        properties = "".join(f'"{key}" = "{value}"\n' for key, value in self.properties.items())
        return f"""
version = 1
[kafka]
bootstrap_servers = "{bootstrap_servers}"
inference_topic = "{stream.topic}"
alerts_topic = "{self.alerts}"
scores_topic = "{self.scores}"
dead_letters_topic = "{self.dead_letters}"
group_id = "{self.name}"
[kafka.properties]
{properties}
[input]
{"" if self.is_named else _VECTORS}
max_out_of_orderness_ms = {MAX_OUT_OF_ORDERNESS_MS}
idle_timeout_ms = {self.idle_timeout_ms}
[panes]
width_ms = {stream.pane_width_ms}
[window]
kind = "time"
size_ms = {window_ms}
slide_ms = {window_ms}
[reference]
kind = "first_events"
n_events = {stream.n_reference}
[calibration]
kind = "level_per_window"
# An alert with every window that drifts: faults can lose or repeat each of them.
[policy]
windows_to_start = 1
windows_to_recover = 1
ongoing_every_ms = 0
flapping_after = 0
[job]
checkpoint_interval_ms = {self.checkpoint_interval_ms}
delivery = "{"exactly_once" if self.exactly_once else "at_least_once"}"
parallelism = {self.readers}
{_VIEWS if self.is_named else ""}
{rows}
"""


class HourlyRun(Run):
    """A run of the README's job: KS on short windows, and MMD on windows of an hour."""

    def job_toml(self, bootstrap_servers: str) -> str:
        """The job file; windows overlap, so that an event is in many of them."""
        stream = self.stream
        return f"""
version = 1
[kafka]
bootstrap_servers = "{bootstrap_servers}"
inference_topic = "{stream.topic}"
alerts_topic = "{self.alerts}"
scores_topic = "{self.scores}"
dead_letters_topic = "{self.dead_letters}"
group_id = "{self.name}"
[input]
{_VECTORS}
[panes]
width_ms = {stream.pane_width_ms}
[window]
kind = "time"
size_ms = {stream.panes_per_window * stream.pane_width_ms}
slide_ms = {stream.pane_width_ms}
[reference]
kind = "first_events"
n_events = {stream.n_reference}
[detector]
reducer = {{kind = "softmax_outputs"}}
test = {{kind = "ks"}}
[[detectors]]
name = "hourly"
window = {{kind = "time", size_ms = 3_600_000, slide_ms = 600_000}}
test = {{kind = "mmd"}}
[job]
checkpoint_interval_ms = {self.checkpoint_interval_ms}
parallelism = {self.readers}
"""


class TopicReader:
    """Reads a topic from its beginning, further with every call.

    Parameters
    ----------
    broker : KafkaBroker
    topic : str
    committed_only : bool, default False
        Leave out records of transactions that were not committed.
    """

    def __init__(self, broker: KafkaBroker, topic: str, *, committed_only: bool = False) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=broker.bootstrap_servers,
            enable_auto_commit=False,
            isolation_level="read_committed" if committed_only else "read_uncommitted",
        )
        numbers = self._consumer.partitions_for_topic(topic) or set()
        self._partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning()

    def records(self) -> Iterator[Record]:
        """Return what was written since the last call, as far as the topic reaches now.

        Raises
        ------
        TimeoutError
            When the broker hands nothing out for two minutes.
        """
        ends = self._consumer.end_offsets(self._partitions)
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while any(self._consumer.position(p) < end for p, end in ends.items()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"could not read {self._partitions} up to {ends}")
            for batch in self._consumer.poll(timeout_ms=500).values():
                deadline = time.monotonic() + _READ_TIMEOUT_S
                for r in batch:
                    yield Record(r.key or b"", r.value or b"", r.timestamp, r.partition, r.offset)

    def n_records(self) -> int:
        """How many offsets the topic has."""
        return sum(self._consumer.end_offsets(self._partitions).values())

    def values(self) -> list[bytes]:
        """The values of :meth:`records`."""
        return [record.value for record in self.records()]

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(broker: KafkaBroker, topic: str, *, committed_only: bool = False) -> list[bytes]:
    """The values of a whole topic."""
    with TopicReader(broker, topic, committed_only=committed_only) as reader:
        return reader.values()
