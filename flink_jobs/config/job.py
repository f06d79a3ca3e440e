"""The configuration of a drift job: one frozen struct tree, version 1.

The tree is what ``job.toml`` holds. Structure, types and single-value ranges are checked by msgspec
while decoding (:mod:`flink_jobs.config.loading`); rules that tie several keys together are
in :mod:`flink_jobs.config.checks`. Times are event-time milliseconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from flink_jobs.config.tables.base import NonNegativeInt, PositiveInt, Table
from flink_jobs.config.tables.columns import MOST_NUMBERS, ColumnsTable
from flink_jobs.config.tables.detectors import (
    DetectorTable,
)
from flink_jobs.config.tables.evidence import EvidenceTable
from flink_jobs.config.tables.many_models import FalseDiscoveriesTable, StormTable
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.config.tables.references import ReferenceTable
from flink_jobs.config.tables.watching import (
    CalibrationTable,
    ExpectedRunTimeConfig,
    MoreDetectorTable,
    ViewTable,
)
from flink_jobs.config.tables.windows import WindowTable

OTHER_MODELS = "other"
"""The name under which metrics count the models that have none of their own."""

TopicName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


# Each metric costs the Python worker 25 µs a bundle, and there are up to five bundles a second:
# twenty models with eight metrics each take 2 % of it, a hundred take 10 %.
_NamedModels = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=100)
]


class JobTable(Table, frozen=True, kw_only=True):
    """How the job runs on Flink.

    Attributes
    ----------
    named_models : list of str
        Models with metrics of their own; those of all others are summed.
    forget_after_ms : int
        All state of a model that sent no event for this much event time is removed, and an alert
        says so; 0 for never.
    status_every_ms : int
        Where ``kafka.status_topic`` is set: event time from a status record of a model to one that
        tells of no change, but of how far it has come.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,80}$")] = "loudly"
    parallelism: PositiveInt = 1
    max_parallelism: Annotated[int, Meta(ge=1, le=32768)] = 128
    checkpoint_interval_ms: Annotated[int, Meta(ge=100)] = 10_000
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    transaction_timeout_ms: Annotated[int, Meta(ge=1_000, le=900_000)] = 600_000
    state_backend: Literal["hashmap", "rocksdb"] = "hashmap"
    named_models: _NamedModels = msgspec.field(default_factory=list)
    forget_after_ms: NonNegativeInt = 0
    status_every_ms: NonNegativeInt = 60_000


class KafkaTable(Table, frozen=True, kw_only=True):
    """Sources of events and commands, and topics of alerts, scores and the rest.

    Without ``control_topic`` the job takes no commands and needs no ``audit_topic``; without
    ``status_topic`` it writes no status records. Without ``evidence_topic`` it keeps no evidence; a
    backtest writes it to its folder.
    """

    bootstrap_servers: str
    inference_topic: TopicName = "inference"
    alerts_topic: TopicName = "drift-alerts"
    scores_topic: TopicName = "drift-scores"
    dead_letters_topic: TopicName = "drift-dead-letters"
    control_topic: TopicName | None = None
    audit_topic: TopicName = "drift-audit"
    evidence_topic: TopicName | None = None
    status_topic: TopicName | None = None
    group_id: str = "loudly"
    start: Literal["earliest", "latest", "committed"] = "earliest"
    bounded: bool = False
    properties: dict[str, str] = msgspec.field(default_factory=dict)


InputFormat = Literal[
    "loudly",
    "json",
    "open_inference",
    "kserve_v1",
    "sagemaker",
    "avro",
    "protobuf",
]
"""The content of a record's value, or of a line of a file: Loudly's own event; any JSON object;
requests and responses of the Open Inference Protocol, version 2; ``instances`` and ``predictions``
of KServe, version 1; a line of SageMaker's data capture; a record of Avro; one of Protobuf."""

TREE_FORMATS = ("json", "avro", "protobuf")
"""Formats of which a path finds each value."""
PARTED_FORMATS = ("open_inference", "kserve_v1")
"""Formats in which requests and responses are messages of their own."""


class SchemaTable(Table, frozen=True, kw_only=True):
    """Sources of the schemas of Avro and Protobuf.

    Attributes
    ----------
    registry_url : str
        A registry with the interface of Confluent's: ``http://host:port``, or longer. Records then
        name their schema by a number (``input.envelope = "confluent"``).
    registry_user, registry_password : str
        An account there; ``${env:NAME}`` or ``${file:PATH}``.
    registry_ca : str
        A file in PEM with the certificates that are trusted; empty for those of the system.
    patience_ms : int
        How long a record waits for a registry that does not answer. Then the job fails, and Flink
        starts it again from its last checkpoint: nothing is lost.
    file : str
        The schema of records that name none: an Avro schema as JSON; of Protobuf a ``.proto`` file
        or what ``protoc --descriptor_set_out --include_imports`` writes.
    message : str
        The full name of the Protobuf message; empty where the schema has one alone.
    """

    registry_url: str = ""
    registry_user: str = ""
    registry_password: str = ""
    registry_ca: str = ""
    patience_ms: NonNegativeInt = 60_000
    file: str = ""
    message: str = ""


class InputTable(Table, frozen=True, kw_only=True):
    """Requirements for an event to be used, and for the time at which it comes.

    Attributes
    ----------
    format : str
        What the value of a record or a line of a file holds. Tables are read by the endings of
        their names.
    envelope : str
        What lies around it: ``none``; ``cloudevents``, structured or binary, recognised record by
        record; or ``confluent``, a zero byte and the number of a schema.
    messages : str or None
        ``whole``: each event has its features and its outputs. ``requests_and_responses``: an event
        may have only one of them, as where a service writes both into messages of their own; a view
        takes the events that have its columns. None for what the format has.
    max_rows : int
        Events that a message may hold.
    schemas : SchemaTable
    max_future_ms : int
        How far ahead of the clock an event may be; those further ahead become dead letters. None
        moves event time beyond the clock.
    max_partition_drift_panes : int
        How many panes a partition may run ahead of the slowest one in event time before it is not
        read for a while. Rows of panes that cannot close yet lie in memory: this bounds how many
        panes those are while a backlog is read.
    heartbeat_every_ms : int
        The job writes a heartbeat with the clock's time at this interval, which closes the windows
        of a topic gone quiet; 0 for never. Only for topics whose event time is the clock's.
    """

    format: InputFormat = "loudly"
    envelope: Literal["none", "cloudevents", "confluent"] = "none"
    messages: Literal["whole", "requests_and_responses"] | None = None
    max_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    schemas: SchemaTable = SchemaTable()
    n_features: Annotated[int, Meta(ge=0, le=MOST_NUMBERS)] = 0
    n_outputs: Annotated[int, Meta(ge=0, le=MOST_NUMBERS)] = 0
    missing_features: Literal["refuse", "allow"] = "refuse"
    max_payload_bytes: Annotated[int, Meta(ge=64, le=10_485_760)] = 1_048_576
    dead_letter_payload_bytes: Annotated[int, Meta(ge=0, le=65_536)] = 1_024
    max_out_of_orderness_ms: NonNegativeInt = 5_000
    max_future_ms: NonNegativeInt = 60_000
    idle_timeout_ms: Annotated[int, Meta(ge=100)] = 120_000
    max_partition_drift_panes: PositiveInt = 3
    heartbeat_every_ms: NonNegativeInt = 0


class PaneTable(Table, frozen=True, kw_only=True):
    """Panes: the events of one model in one short tumbling interval of event time.

    Attributes
    ----------
    max_raw_events : int
        Events that an open pane takes, in the order of their arrival; the others become dead
        letters.
    """

    width_ms: PositiveInt
    max_raw_events: PositiveInt = 100_000


class SampleTable(Table, frozen=True, kw_only=True):
    """The events of a window that are kept one by one.

    Tests on rows, exemplars, the command ``approve_current`` and what reports show see them. Tests
    on counts see every event.

    Attributes
    ----------
    size : int
        At most this many of each window, chosen by a hash of the event's time and name.
    """

    size: Annotated[int, Meta(ge=20, le=20_000)] = 1_000


class SilenceTable(Table, frozen=True, kw_only=True):
    """When a model that sends no event raises an alert: after ``after_ms``; 0 for never."""

    after_ms: NonNegativeInt = 0


class OverrideTable(Table, frozen=True, kw_only=True):
    """Other values for the models whose name matches ``models``, in which ``*`` is any text.

    Each key is a table of which only the keys that differ are given; the first override that
    matches a model holds for it.
    """

    models: Annotated[str, Meta(min_length=1)]
    input: dict[str, Any] = msgspec.field(default_factory=dict)
    window: dict[str, Any] = msgspec.field(default_factory=dict)
    reference: dict[str, Any] = msgspec.field(default_factory=dict)
    detector: dict[str, Any] = msgspec.field(default_factory=dict)
    calibration: dict[str, Any] = msgspec.field(default_factory=dict)
    policy: dict[str, Any] = msgspec.field(default_factory=dict)
    silence: dict[str, Any] = msgspec.field(default_factory=dict)
    columns: dict[str, Any] = msgspec.field(default_factory=dict)
    sample: dict[str, Any] = msgspec.field(default_factory=dict)
    detectors: list[dict[str, Any]] | None = None
    views: list[dict[str, Any]] | None = None


class DriftJobConfig(Table, frozen=True, kw_only=True):
    """Everything a drift job needs to know.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {n_outputs = 10}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> config.window.size_ms, config.calibration.windows
    (60000, 1000.0)
    """

    version: Literal[1]
    kafka: KafkaTable
    input: InputTable = InputTable()
    panes: PaneTable
    window: WindowTable
    reference: ReferenceTable
    job: JobTable = JobTable()
    detector: DetectorTable = DetectorTable()
    calibration: CalibrationTable = ExpectedRunTimeConfig(windows=1_000.0)
    policy: PolicyTable = PolicyTable()
    silence: SilenceTable = SilenceTable()
    storm: StormTable | None = None
    false_discoveries: FalseDiscoveriesTable | None = None
    detectors: list[MoreDetectorTable] = msgspec.field(default_factory=list)
    sample: SampleTable = SampleTable()
    evidence: EvidenceTable = EvidenceTable()
    views: list[ViewTable] = msgspec.field(default_factory=list)
    overrides: list[OverrideTable] = msgspec.field(default_factory=list)
    columns: ColumnsTable = ColumnsTable()
