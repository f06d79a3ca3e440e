"""Alerts and scores, record version 1, and the identifiers that stay the same in a replay.

Nothing in these records depends on the wall clock, on the number of attempts or on the parallelism:
a replay of the same topic gives the same bytes, so duplicates collapse on ``alert_id``.
JSON Schemas are committed in ``flink_jobs/records/schemas``.
"""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import Struct

MAIN_DETECTOR = "main"
"""The name of the detector that the main tables of a configuration, or of a view, describe."""
MAIN_VIEW = "main"
"""The name of the view of a configuration that has no ``views``."""


class AlertKind(StrEnum):
    """Where an incident stands."""

    STARTED = "started"
    ONGOING = "ongoing"
    RECOVERED = "recovered"


class Severity(StrEnum):
    """How bad an incident has become: critical from ``policy.critical_effect_size`` on."""

    WARNING = "warning"
    CRITICAL = "critical"


class Cause(StrEnum):
    """What an incident is about; each cause has incidents of its own."""

    DRIFT = "drift"
    SILENCE = "silence"
    UNSTABLE_REFERENCE = "unstable_reference"
    NO_REFERENCE = "no_reference"
    TEST_FAILED = "test_failed"
    UNTESTED = "untested"


class Ending(StrEnum):
    """Why an incident is over."""

    NORMAL = "normal"
    NEW_REFERENCE = "new_reference"
    NEW_CONFIGURATION = "new_configuration"


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
        ``time``, ``count`` or ``session``; ``silence`` for the time in which no event came.
    start_ms, end_ms : int
        Event time. A window covers ``[start_ms, end_ms)``; a count window runs from its first to
        its last event, both included.
    closed_ms : int
        The event time at which the window's test was due, which every rule of the policy takes for
        the time of its alert. A window of time closes at its end, a session ``gap_ms`` after its
        last pane or when it is full, a count window with the pane that holds its last event, and a
        window that is closed early with the pane that brings it ``early_events`` events. It follows
        from the panes alone, so that neither the order of arrival nor a replay changes it.
    first_event : int
        Position of the window's first event among the model's events after the reference.
    n_events, n_tested : int
        Events in the window, and how many of them were tested after sampling and eviction.
    closed_early : bool
        Whether the window was tested before its end, since ``window.early_events`` were there.
    """

    kind: Literal["time", "count", "session", "silence"]
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
    reaches it.
    """

    p_value: float
    statistic: float | None


class DimensionShift(_Record, frozen=True, kw_only=True):
    """How far one dimension of the reduced events moved.

    ``shift`` counts standard deviations of the reference; None when the reference was constant and
    the dimension left its constant.
    """

    dimension: int
    statistic: float
    p_value: float
    direction: Literal["up", "down", "none"]
    shift: float | None


class Exemplar(_Record, frozen=True, kw_only=True):
    """An event of the window that is least like the reference; (partition, offset) locates it."""

    event_id: str
    partition: int
    offset: int
    score: float


class Alert(_Record, frozen=True, kw_only=True):
    """One alert, as it lies on the alerts topic (keyed by model).

    ``incident_id`` is the same for all alerts from started to recovered. ``severity`` is the
    highest that the incident has reached. ``is_flapping`` marks an incident that stands for
    several. ``n_suppressed`` counts the alerts of this detector that were held back since the last
    one that was written. ``missing_p_value`` says whether the share of missing values changed; None
    where no value is missing. ``ending`` says why the incident is over, with kind recovered.
    ``statistic``, ``p_value``, ``threshold`` and ``effect_size`` are None where no test stands
    behind the alert: a silent model, or an incident that ended without a test. ``reason`` says why
    there is no reference, why a test failed, or why none was made.
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
    top_dimensions: list[DimensionShift] = msgspec.field(default_factory=list)
    exemplars: list[Exemplar] = msgspec.field(default_factory=list)
    job: str
    job_version: str
    config_version: str


class Score(_Record, frozen=True, kw_only=True):
    """The result of one closed test window (keyed by model); numbers are None when not tested.

    ``reason`` says why the test failed, or why events made no reference.
    """

    schema_version: Literal[1] = 1
    score_id: str
    status: ScoreStatus
    reason: str | None = None
    model: str
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
