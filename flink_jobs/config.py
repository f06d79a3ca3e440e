"""The configuration of a drift job: one frozen struct tree, version 1.

The tree is what ``job.toml`` holds. Structure, types and single-value ranges are checked by msgspec
while decoding (:mod:`flink_jobs.config_file`); rules that tie several keys together are in
:func:`cross_check`. Times are event-time milliseconds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from flink_jobs.detector_tables import (
    BinomialConfig,
    ChiSquareConfig,
    DetectorTable,
    HardPredictionsConfig,
    MixedConfig,
    PCAConfig,
    PermutedConfig,
    SoftmaxOutputsConfig,
    SparseRandomProjectionConfig,
)
from flink_jobs.policy_table import PolicyTable, check_policy
from flink_jobs.tables import Level, NonNegativeInt, PositiveInt, Problem, Table

TopicName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class JobTable(Table, frozen=True, kw_only=True):
    """How the job runs on Flink."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,80}$")] = "loudly"
    parallelism: PositiveInt = 1
    max_parallelism: Annotated[int, Meta(ge=1, le=32768)] = 128
    checkpoint_interval_ms: Annotated[int, Meta(ge=100)] = 10_000
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    transaction_timeout_ms: Annotated[int, Meta(ge=1_000, le=900_000)] = 600_000


class KafkaTable(Table, frozen=True, kw_only=True):
    """Where events come from and where alerts, scores and dead letters go."""

    bootstrap_servers: str
    inference_topic: TopicName = "inference"
    alerts_topic: TopicName = "drift-alerts"
    scores_topic: TopicName = "drift-scores"
    dead_letters_topic: TopicName = "drift-dead-letters"
    group_id: str = "loudly"
    start: Literal["earliest", "latest", "committed"] = "earliest"
    bounded: bool = False
    properties: dict[str, str] = msgspec.field(default_factory=dict)


class InputTable(Table, frozen=True, kw_only=True):
    """What an event must look like to be used."""

    n_features: NonNegativeInt = 0
    n_outputs: NonNegativeInt = 0
    missing_features: Literal["refuse", "allow"] = "refuse"
    max_payload_bytes: Annotated[int, Meta(ge=64, le=10_485_760)] = 1_048_576
    dead_letter_payload_bytes: Annotated[int, Meta(ge=0, le=65_536)] = 1_024
    max_out_of_orderness_ms: NonNegativeInt = 5_000
    max_future_ms: NonNegativeInt = 3_600_000
    idle_timeout_ms: Annotated[int, Meta(ge=100)] = 10_000


class PaneTable(Table, frozen=True, kw_only=True):
    """Panes: the events of one model in one short tumbling interval of event time."""

    width_ms: PositiveInt
    max_events: PositiveInt = 10_000


class TimeWindow(Table, frozen=True, kw_only=True, tag_field="kind", tag="time"):
    """Test windows of ``size_ms``, one every ``slide_ms``; tumbling when both are equal."""

    size_ms: PositiveInt
    slide_ms: PositiveInt
    min_events: Annotated[int, Meta(ge=2)] = 20


class CountWindow(Table, frozen=True, kw_only=True, tag_field="kind", tag="count"):
    """Test windows of ``size`` events, one every ``slide`` events."""

    size: PositiveInt
    slide: PositiveInt


class FirstEvents(Table, frozen=True, kw_only=True, tag_field="kind", tag="first_events"):
    """The reference is the first ``n_events`` usable events of each model."""

    n_events: Annotated[int, Meta(ge=2, le=1_000_000)]
    on_config_change: Literal["new_reference", "refuse"] = "new_reference"


class TrainingSet(Table, frozen=True, kw_only=True, tag_field="kind", tag="artefact"):
    """The reference is a training set in an npz file, checked against its SHA-256."""

    path: str
    sha256: Sha256
    on_config_change: Literal["new_reference", "refuse"] = "new_reference"


class LevelPerWindowConfig(
    Table, frozen=True, kw_only=True, tag_field="kind", tag="level_per_window"
):
    """A test window drifts when its p-value is at or below ``level``."""

    level: Level = 0.001


class DriftJobConfig(Table, frozen=True, kw_only=True):
    """Everything a drift job needs to know.

    Examples
    --------
    >>> from flink_jobs.config_file import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {n_outputs = 10}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> config.window.size_ms, config.calibration.level
    (60000, 0.001)
    """

    version: Literal[1]
    kafka: KafkaTable
    input: InputTable
    panes: PaneTable
    window: TimeWindow | CountWindow
    reference: FirstEvents | TrainingSet
    job: JobTable = JobTable()
    detector: DetectorTable = DetectorTable()
    calibration: LevelPerWindowConfig = LevelPerWindowConfig()
    policy: PolicyTable = PolicyTable()


class ConfigError(ValueError):
    """A configuration that cannot be used; ``problems`` lists everything found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def reads_outputs(config: DriftJobConfig) -> bool:
    """Whether the reducer reads the events' outputs; else it reads their features."""
    return isinstance(config.detector.reducer, SoftmaxOutputsConfig | HardPredictionsConfig)


def n_columns_read(config: DriftJobConfig) -> int:
    """How many numbers of each event the reducer reads."""
    return config.input.n_outputs if reads_outputs(config) else config.input.n_features


def cross_check(config: DriftJobConfig) -> list[Problem]:
    """List what no single key shows: panes that do not tile windows, levels no test can reach."""
    return [
        *_check_windows(config),
        *_check_input(config),
        *_check_detector(config),
        *check_policy(config.policy, config.calibration.level),
        *_check_topics(config.kafka),
    ]


def _check_windows(config: DriftJobConfig) -> Iterator[Problem]:
    window = config.window
    if isinstance(window, CountWindow):
        if window.slide > window.size:
            yield Problem("window.slide", f"{window.slide} leaves gaps", f"1 to {window.size}")
        if window.size < 2:
            yield Problem("window.size", f"{window.size} event", "2 or more")
        return
    width_ms = config.panes.width_ms
    for key, value_ms in (("size_ms", window.size_ms), ("slide_ms", window.slide_ms)):
        if value_ms % width_ms:
            yield Problem(
                f"window.{key}",
                f"{value_ms} is not a multiple of panes.width_ms = {width_ms}",
                f"{width_ms}, {2 * width_ms}, {3 * width_ms}, ...",
            )
    if window.slide_ms > window.size_ms:
        yield Problem(
            "window.slide_ms", f"{window.slide_ms} leaves gaps", f"up to {window.size_ms}"
        )


def _check_input(config: DriftJobConfig) -> Iterator[Problem]:
    field, least = ("outputs", 2) if reads_outputs(config) else ("features", 1)
    if n_columns_read(config) < least:
        kind = msgspec.to_builtins(config.detector.reducer)["kind"]
        yield Problem(
            f"input.n_{field}",
            f"the reducer {kind!r} reads the events' {field}, and there are "
            f"{n_columns_read(config)}",
            f"{least} or more",
        )


def _check_detector(config: DriftJobConfig) -> Iterator[Problem]:
    reducer, test = config.detector.reducer, config.detector.test
    level = config.calibration.level
    if isinstance(reducer, PCAConfig) and isinstance(reducer.n_components, int):
        most = config.input.n_features
        if isinstance(config.reference, FirstEvents):
            most = min(most, config.reference.n_events)
        if reducer.n_components > most > 0:
            yield Problem(
                "detector.reducer.n_components",
                f"{reducer.n_components} components from {most} features or reference events",
                f"1 to {most}, or a share of variance between 0 and 1",
            )
    if isinstance(test, PermutedConfig) and 1.0 / (1 + test.n_permutations) > level:
        yield Problem(
            "detector.test.n_permutations",
            f"{test.n_permutations} permutations never give a p-value of {level} or less",
            f"{math.ceil(1.0 / level) - 1} or more, or a higher calibration.level",
        )
    yield from _check_categories(config)
    yield from _check_fewest_events(config)


def _check_categories(config: DriftJobConfig) -> Iterator[Problem]:
    """Tests on categories want columns that hold some."""
    reducer, test = config.detector.reducer, config.detector.test
    continuous = PCAConfig | SparseRandomProjectionConfig | SoftmaxOutputsConfig
    if isinstance(test, ChiSquareConfig | MixedConfig) and isinstance(reducer, continuous):
        yield Problem(
            "detector.test.kind",
            "this reducer leaves no categories to compare",
            "with the reducer 'hard_predictions', or 'none' where features are categories",
        )
    if isinstance(test, MixedConfig):
        width = 1 if isinstance(reducer, HardPredictionsConfig) else config.input.n_features
        if max(test.categorical_columns) >= width:
            yield Problem(
                "detector.test.categorical_columns",
                f"{max(test.categorical_columns)} is none of {width} columns",
                f"0 to {width - 1}",
            )


def _check_fewest_events(config: DriftJobConfig) -> Iterator[Problem]:
    window = config.window
    key, fewest = (
        ("window.size", window.size)
        if isinstance(window, CountWindow)
        else ("window.min_events", window.min_events)
    )
    if isinstance(config.detector.test, BinomialConfig) and fewest < BinomialConfig.min_events:
        yield Problem(key, f"{fewest} events", f"{BinomialConfig.min_events} or more: half train")


def _check_topics(kafka: KafkaTable) -> Iterator[Problem]:
    names = ("inference_topic", "alerts_topic", "scores_topic", "dead_letters_topic")
    seen: dict[str, str] = {}
    for name in names:
        topic = getattr(kafka, name)
        if topic in seen:
            yield Problem(f"kafka.{name}", f"{topic!r} is also {seen[topic]}", "a topic of its own")
        seen[topic] = f"kafka.{name}"


def config_version(config: DriftJobConfig) -> str:
    """Digest of all that can change a result: 16 hex digits, carried by every alert and score.

    Addresses, topics and the way the job runs are left out: the same stream gives the same alerts
    from another broker and at another parallelism.
    """
    parts = (
        config.version,
        config.input,
        config.panes,
        config.window,
        config.reference,
        config.detector,
        config.calibration,
        config.policy,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def detector_fingerprint(config: DriftJobConfig) -> str:
    """Digest of what the state of a model depends on: a mismatch means a new reference."""
    reference = config.reference
    identity = reference.sha256 if isinstance(reference, TrainingSet) else reference.n_events
    parts = (
        config.input.n_features,
        config.input.n_outputs,
        config.input.missing_features,
        config.panes,
        config.window,
        identity,
        config.detector,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
