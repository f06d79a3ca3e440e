"""Alerts and scores, record version 1, and the identifiers that stay the same in a replay.

Nothing in these records depends on the wall clock, on the number of attempts or on the parallelism:
a replay of the same topic gives the same bytes, so duplicates collapse on ``alert_id``.
JSON Schemas are committed in ``flink_jobs/records/schemas``.
"""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

MAIN_DETECTOR = "main"
"""The name of the detector that the main tables of a configuration, or of a view, describe."""
MAIN_VIEW = "main"
"""The name of the view of a configuration that has no ``views``."""
MANY = "*"
"""Stands for the model, view and so on of an alert that is about several of them."""

ColumnType = Literal["number", "category", "boolean"]
"""The type of one value of an event, as people are shown it."""
Quantiles = Annotated[list[float], Meta(min_length=3, max_length=3)]
"""The 5, 50 and 95 % quantiles."""


OutputKind = Literal[
    "class_probabilities", "probability", "number", "probabilities", "class", "embedding"
]
"""The kind of an output: the probabilities of all classes, which sum to 1; one probability; a
number, of a regression or a ranking; probabilities of labels that do not exclude each other; the
predicted class itself; or a vector in a space of its own."""


class AlertKind(StrEnum):
    """The stage of an incident."""

    STARTED = "started"
    ONGOING = "ongoing"
    RECOVERED = "recovered"


class Severity(StrEnum):
    """How bad an incident has become: critical from ``policy.critical_effect_size`` on."""

    WARNING = "warning"
    CRITICAL = "critical"


class Cause(StrEnum):
    """The subject of an incident; each cause has incidents of its own.

    ``forgotten`` says that a model sent no event for ``job.forget_after_ms`` and that its state was
    removed: one alert of kind started, which nothing follows. ``storm`` says that many models
    started incidents of one kind within a short time.
    """

    DRIFT = "drift"
    SILENCE = "silence"
    UNSTABLE_REFERENCE = "unstable_reference"
    NO_REFERENCE = "no_reference"
    TEST_FAILED = "test_failed"
    UNTESTED = "untested"
    FORGOTTEN = "forgotten"
    STORM = "storm"


class Ending(StrEnum):
    """Why an incident is over."""

    NORMAL = "normal"
    NEW_REFERENCE = "new_reference"
    NEW_CONFIGURATION = "new_configuration"
    FORGOTTEN = "forgotten"


class ScoreStatus(StrEnum):
    """The fate of a closed window: tested, or the reason why not.

    ``no_reference`` concerns references that move with the stream: the time from which this
    window's reference would come holds too few events yet, or events to which no detector can be
    fitted. ``failed`` says that the detector's code ended with an error.
    """

    TESTED = "tested"
    TOO_FEW_EVENTS = "too_few_events"
    NO_REFERENCE = "no_reference"
    FAILED = "failed"


class _Record(Struct, frozen=True):
    """A part of an alert or score."""


class WindowSummary(_Record, frozen=True, kw_only=True):
    """The test window.

    Attributes
    ----------
    kind : str
        ``time``, ``count`` or ``session``; ``sequential`` for the events that a sequential detector
        took in since its last score; ``silence`` for the time in which no event came.
    start_ms, end_ms : int
        Event time. A window covers ``[start_ms, end_ms)``; a count window runs from its first to
        its last event, both included.
    closed_ms : int
        The event time at which the window's test was due, which every rule of the policy takes for
        the time of its alert. A window of time closes at its end, a session ``gap_ms`` after its
        last pane or when it is full, a count window with the pane that holds its last event, a
        sequential one at its end or with the pane that raises an alarm, and a
        window that is closed early with the pane that brings it ``early_events`` events. It follows
        from the panes alone, so that neither the order of arrival nor a replay changes it.
    first_event : int
        Position of the window's first event among the model's events after the reference.
    n_events, n_tested : int
        Events in the window, and how many of them were tested after sampling and eviction.
    closed_early : bool
        Whether the window was tested before its end, since ``window.early_events`` were there.
    """

    kind: Literal["time", "count", "session", "sequential", "silence"]
    start_ms: int
    end_ms: int
    closed_ms: int
    first_event: int
    n_events: int
    n_tested: int
    closed_early: bool = False


class ReferenceSummary(_Record, frozen=True, kw_only=True):
    """The reference window: how many events, and a digest of their numbers.

    ``start_ms`` and ``end_ms`` are the event time it comes from; None for a training set. Before
    there is a reference, ``n_events`` is 0 and ``fingerprint`` empty.
    """

    n_events: int
    fingerprint: str
    start_ms: int | None = None
    end_ms: int | None = None


class ThresholdSummary(_Record, frozen=True, kw_only=True):
    """A window drifts when its p-value is at most ``p_value``.

    ``statistic`` is the same threshold on the scale of the statistic; None when no statistic
    reaches it. A sequential detector has no p-value, and ``p_value`` is None: it alarms when its
    statistic, the evidence for a change, reaches ``statistic``, which is the promised run time.
    """

    p_value: float | None
    statistic: float | None


class SampleSummary(_Record, frozen=True, kw_only=True):
    """The events of the reference and of the window whose columns an alert describes.

    A test may count every event; what people are shown of columns is of a sample of them.
    """

    n_ref: int
    n_test: int


class CategoryShare(_Record, frozen=True, kw_only=True):
    """How often a category occurs: its share of all events of a sample, missing values included.

    Attributes
    ----------
    category : str
    ref_share, test_share : float
    is_new : bool
        Whether no event of the reference has it, as far as the reference is known by name.
    is_gone : bool
        Whether no event of the window's sample has it, though it is so frequent in the reference
        that chance would leave it out of fewer than one sample in a thousand.
    """

    category: str
    ref_share: float
    test_share: float
    is_new: bool = False
    is_gone: bool = False


class ColumnShift(_Record, frozen=True, kw_only=True):
    """How one column moved between the samples of the reference and of the window.

    Attributes
    ----------
    column : str
        The column's name; for an element of a vector its class name, or ``name[3]``.
    type : str
        ``number``, ``category`` or ``boolean``.
    kind : str or None
        The kind of an output, such as ``class_probabilities``; None for all other columns.
    unit : str
        Of the numbers, as the configuration names it.
    statistic : float
        Kolmogorov–Smirnov D of a number, the total variation distance of a category's shares: both
        lie between 0 and 1, and a missing value counts as a value.
    p_value : float
        Of this column alone, not corrected for the number of columns.
    evidence : float or None
        The evidence of a sequential detector for a change of this column; None of all others, and
        where it watches events as a whole.
    direction : str
        ``up`` or ``down`` by the mean rank of a number; ``none`` for categories.
    ref_quantiles, test_quantiles : list of float, or None
        The 5, 50 and 95 % quantiles of the numbers that are not missing. None for categories, and
        where there are no such numbers.
    categories : list of CategoryShare
        The categories whose share moved most, that one first, at most 5; none for numbers.
    n_new, n_gone : int
        How many of all categories are new, and how many are gone.
    new_share : float
        The share of the window's events that have a new category.
    ref_missing, test_missing : float
        Shares of missing values.
    """

    column: str
    type: ColumnType
    kind: OutputKind | None = None
    unit: str = ""
    statistic: float
    p_value: float
    evidence: float | None = None
    direction: Literal["up", "down", "none"] = "none"
    ref_quantiles: Quantiles | None = None
    test_quantiles: Quantiles | None = None
    categories: list[CategoryShare] = msgspec.field(default_factory=list)
    n_new: int = 0
    n_gone: int = 0
    new_share: float = 0.0
    ref_missing: float = 0.0
    test_missing: float = 0.0


class SegmentMove(_Record, frozen=True, kw_only=True):
    """A segment of the traffic to which the move of a column is confined, by the alert's sample.

    Attributes
    ----------
    segment, category : str
        The segment column, and its value.
    column : str
        It moved where the segment has this value, and no more than by chance elsewhere.
    statistic, elsewhere : float
        As of the column's shift, inside the segment and outside.
    p_value : float
        Inside.
    n_ref, n_test : int
        Rows of each sample inside.
    """

    segment: str
    category: str
    column: str
    statistic: float
    p_value: float
    elsewhere: float
    n_ref: int
    n_test: int


class Exemplar(_Record, frozen=True, kw_only=True):
    """An event of the window that is least like the reference.

    (partition, offset, row) locates it; ``row`` is its place within its Kafka message.
    """

    event_id: str
    partition: int
    offset: int
    row: int = 0
    score: float


class Shared(_Record, frozen=True, kw_only=True):
    """A name that moves have in common, and how many of a storm's models it concerns."""

    name: str
    n_models: int


class StormSummary(_Record, frozen=True, kw_only=True):
    """The models whose incidents one alert stands for.

    Attributes
    ----------
    of_cause : Cause
        Of their incidents.
    n_models : int
        Models that have started such an incident since the storm began.
    n_open : int
        Their incidents that are still held back and not over.
    models : list of str
        The first of them to start, at most ``storm.named_models``.
    columns : list of Shared
        Columns in which they moved, that of most models first, at most 20; a vector is named as one
        column. Empty where the cause has no columns.
    segments : list of Shared
        Segments to which moves are confined, such as ``region: EU``, that of most models first, at
        most 20.
    views : list of Shared
        The views in which they moved, that of most models first.
    first_ms, last_ms : int
        Event time of the first and the last test that started one of the incidents.
    """

    of_cause: Cause
    n_models: int
    n_open: int
    models: list[str]
    columns: list[Shared]
    segments: list[Shared] = msgspec.field(default_factory=list)
    views: list[Shared]
    first_ms: int
    last_ms: int


class ErrorBudget(_Record, frozen=True, kw_only=True):
    """The share of the budget of false discoveries that an incident was found with.

    Attributes
    ----------
    level : float
        Its share: an e-value of ``1 / level`` or more is a discovery.
    e_value : float or None
        Of the window that decided; None where it is infinite.
    """

    level: float
    e_value: float | None


class Alert(_Record, frozen=True, kw_only=True):
    """One alert, as it lies on the alerts topic (keyed by model).

    ``incident_id`` is the same for all alerts from started to recovered. ``severity`` is the
    highest that the incident has reached. ``is_flapping`` marks an incident that stands for
    several. ``n_suppressed`` counts the alerts of this detector that were held back since the last
    one that was written. ``missing_p_value`` says whether the share of missing values changed; None
    where no value is missing. Of a sequential detector ``p_value`` and ``effect_size`` are None.
    ``ending`` says why the incident is over, with kind recovered.
    ``statistic``, ``p_value``, ``threshold`` and ``effect_size`` are None where no test stands
    behind the alert: a silent model, or an incident that ended without a test. ``reason`` says why
    there is no reference, why a test failed, or why none was made. ``top_columns`` holds the
    columns of the view that moved most, that one first, and ``exemplars`` single events; both are
    of the events that ``sample`` counts. ``storm`` is there with cause storm alone: such an alert
    is about many models, ``model`` is ``*``, and ``n_suppressed`` counts theirs that it stands for.
    ``error_budget`` is there where false discoveries are controlled, on the first alert of an
    incident of drift that is one of the discoveries; no other incident is told of then.
    """

    schema_version: Literal[1] = 1
    alert_id: str
    incident_id: str
    kind: AlertKind
    cause: Cause = Cause.DRIFT
    ending: Ending | None = None
    reason: str | None = None
    severity: Severity = Severity.WARNING
    is_flapping: bool = False
    n_suppressed: int = 0
    model: str
    view: str = MAIN_VIEW
    detector: str = MAIN_DETECTOR
    window: WindowSummary
    reference: ReferenceSummary
    reducer: str
    test: str
    statistic: float | None = None
    p_value: float | None = None
    threshold: ThresholdSummary | None = None
    effect_size: float | None = None
    missing_p_value: float | None = None
    sample: SampleSummary | None = None
    top_columns: list[ColumnShift] = msgspec.field(default_factory=list)
    segments: list[SegmentMove] = msgspec.field(default_factory=list)
    exemplars: list[Exemplar] = msgspec.field(default_factory=list)
    storm: StormSummary | None = None
    error_budget: ErrorBudget | None = None
    job: str
    job_version: str
    config_version: str


class Score(_Record, frozen=True, kw_only=True):
    """The result of one closed test window (keyed by model); numbers are None when not tested.

    A sequential detector writes one at each ``score_every_ms`` and one with each alarm. It says how
    much evidence there is at the end of its window, and has neither p-value nor effect size.

    ``reason`` says why the test failed, or why events made no reference. ``top_column`` names the
    column with the largest statistic, where the test compares each column by itself.
    """

    schema_version: Literal[1] = 1
    score_id: str
    status: ScoreStatus
    reason: str | None = None
    model: str
    view: str = MAIN_VIEW
    detector: str = MAIN_DETECTOR
    window: WindowSummary
    reference: ReferenceSummary
    reducer: str
    test: str
    statistic: float | None = None
    p_value: float | None = None
    threshold: ThresholdSummary | None = None
    effect_size: float | None = None
    missing_p_value: float | None = None
    top_column: str | None = None
    is_drift: bool | None = None
    job: str
    job_version: str
    config_version: str


def record_id(*parts: str | int) -> str:
    """A digest of what identifies a record: 32 hex digits.

    Examples
    --------
    >>> record_id("fraud", "started", 60_000) == record_id("fraud", "started", 60_000)
    True
    >>> record_id("ab", "c") == record_id("a", "bc")
    False
    """
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def finite_or_none(value: float) -> float | None:
    """JSON has no infinity and no NaN."""
    return float(value) if math.isfinite(value) else None


def encode_record(record: Alert | Score) -> tuple[bytes, bytes]:
    """Key and value of the Kafka record for an alert or score."""
    return record.model.encode(), msgspec.json.encode(record)
