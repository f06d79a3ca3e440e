"""Status records, version 1: what is known of a model, for programs and for people.

The job writes one when the way in which it watches a model changes, and at intervals of event time
while events come. They lie on a compacted topic, keyed by model: the last one of a model is what
holds. As alerts, they depend on neither the clock nor attempts. The JSON Schema is committed in
``flink_jobs/records/schemas``.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import Struct

from flink_jobs.records.alerts import (
    MAIN_DETECTOR,
    MAIN_VIEW,
    Cause,
    ReferenceSummary,
    ScoreStatus,
    Severity,
    ThresholdSummary,
    WindowSummary,
)


class ModelState(StrEnum):
    """The one word for a model, the worst first.

    ``untested`` is also a model that waits for its first windows; ``quiet`` one whose last windows
    were tested, with no incident open.
    """

    CRITICAL = "critical"
    DRIFT = "drift"
    FAILING = "failing"
    NO_REFERENCE = "no_reference"
    SILENT = "silent"
    FORGOTTEN = "forgotten"
    UNSTABLE = "unstable"
    PAUSED = "paused"
    COLLECTING = "collecting"
    UNTESTED = "untested"
    QUIET = "quiet"


WORST_FIRST = tuple(ModelState)

_OF_CAUSE = {
    Cause.DRIFT: ModelState.DRIFT,
    Cause.TEST_FAILED: ModelState.FAILING,
    Cause.NO_REFERENCE: ModelState.NO_REFERENCE,
    Cause.SILENCE: ModelState.SILENT,
    Cause.UNSTABLE_REFERENCE: ModelState.UNSTABLE,
    Cause.UNTESTED: ModelState.UNTESTED,
}


class OpenIncident(Struct, frozen=True, kw_only=True):
    """An incident that has not recovered.

    Attributes
    ----------
    is_acknowledged : bool
        Whether somebody has seen it since its last alert.
    is_told : bool
        Whether an alert told of it; the policy, or a snooze, may have held all of them back.
    """

    incident_id: str
    cause: Cause
    view: str = MAIN_VIEW
    detector: str = MAIN_DETECTOR
    severity: Severity
    is_acknowledged: bool = False
    is_told: bool = True


class Promise(Struct, frozen=True, kw_only=True):
    """The promise of a detector while nothing drifts.

    Attributes
    ----------
    level : float or None
        A window drifts at a p-value of this or less; None where the level follows from a run time.
    run_time : float or None
        This much passes on average until an incident starts; None where nothing is promised. Of
        detectors with windows it is that of the whole model.
    unit : str or None
        Of ``run_time``: ``windows``, ``events`` or ``ms``.
    confidence : float or None
        The share of references for which it holds.
    """

    level: float | None = None
    run_time: float | None = None
    unit: Literal["windows", "events", "ms"] | None = None
    confidence: float | None = None


class FoundShift(Struct, frozen=True, kw_only=True):
    """A shift of one column that a detector finds, and in how many events.

    Attributes
    ----------
    size : float or None
        None where a window finds no shift as often as that.
    unit : str
        ``deviations``, of the mean of a column, in standard deviations; or ``share``: by how much
        a category gains that half of the events have.
    of : str
        ``column``, ``component`` where the reducer mixes columns, or ``output`` of a model.
    n_events : int or None
        Those of a window, or those until a sequential detector alarms; None where it takes a
        larger reference.
    probability : float or None
        With which a window finds it; None for a sequential detector, of which it is the mean.
    """

    size: float | None
    unit: Literal["deviations", "share"]
    of: Literal["column", "component", "output"]
    n_events: int | None
    probability: float | None = None


class WindowResult(Struct, frozen=True, kw_only=True):
    """The last window of a detector that closed: the numbers of its score."""

    status: ScoreStatus
    window: WindowSummary
    statistic: float | None = None
    p_value: float | None = None
    threshold: ThresholdSummary | None = None
    effect_size: float | None = None
    is_drift: bool | None = None


class DetectorSummary(Struct, frozen=True, kw_only=True):
    """One detector of a view.

    Attributes
    ----------
    kind : str
        Of its windows; ``sequential`` for a detector without them.
    evidence : float or None
        Of a sequential detector: the evidence for a change since its last alarm, in the unit of its
        promise; it alarms when this reaches the promised run time. None before there is a
        reference.
    finds : list of FoundShift
        How large a shift it finds against this reference; empty before there is one, and where it
        is not known.
    last_window : WindowResult or None
        None until one has closed against the present reference, and after a pause.
    """

    detector: str = MAIN_DETECTOR
    kind: Literal["time", "count", "session", "sequential"]
    test: str
    promise: Promise
    evidence: float | None = None
    finds: list[FoundShift] = []
    last_window: WindowResult | None = None


class ViewSummary(Struct, frozen=True, kw_only=True):
    """One view of a model: each has a reference of its own.

    Attributes
    ----------
    phase : str
        ``collecting`` the reference, or ``monitoring``.
    reference : ReferenceSummary
        Without events while it is collected. Of a reference that moves: what its detectors were
        last fitted to.
    n_collected, n_wanted : int
        Usable events seen while collecting, and how many the smallest reference has.
    complete_ms : int or None
        The event time that a reference which is collected has to cover; None where events alone
        complete it.
    n_monitored : int
        Usable events since the reference.
    detectors : list of DetectorSummary
        Those with windows first, in the order of the configuration.
    """

    view: str = MAIN_VIEW
    phase: Literal["collecting", "monitoring"]
    reference: ReferenceSummary
    n_collected: int
    n_wanted: int
    complete_ms: int | None = None
    n_monitored: int
    reducer: str
    detectors: list[DetectorSummary]


class ModelStatus(Struct, frozen=True, kw_only=True):
    """Everything known of one model at one moment of event time.

    Attributes
    ----------
    status_id : str
        The same in a replay; empty in the answer to a command.
    number : int
        Counts the model's records; of two records at one moment the larger one holds.
    state : ModelState
        All of it in a word.
    at_ms : int
        Event time at which it was so; 0 for a model of which no event has come.
    heard_ms : int or None
        The end of the last pane with usable events.
    is_paused : bool
        Whether a command stopped the tests.
    snoozed_until_ms : int or None
        No alert is written before; None where none is held back.
    is_forgotten : bool
        Whether the model is gone and its state was removed: its last record, without views.
    change : str
        JSON of the change that a command made to the configuration; empty without one.
    n_pending : int
        Commands that wait for their time.
    may_hold_back : bool
        Whether a stage over all models (``storm``, ``false_discoveries``) decides which incidents
        alerts tell of: it does not answer the monitor, so that ``is_told`` may be wrong.
    incidents : list of OpenIncident
    views : list of ViewSummary
        In the order of the configuration.
    """

    schema_version: Literal[1] = 1
    status_id: str = ""
    number: int = 0
    model: str
    state: ModelState
    at_ms: int
    heard_ms: int | None = None
    is_paused: bool = False
    snoozed_until_ms: int | None = None
    is_forgotten: bool = False
    change: str = ""
    n_pending: int = 0
    may_hold_back: bool = False
    incidents: list[OpenIncident]
    views: list[ViewSummary]
    job: str
    job_version: str
    config_version: str

    @property
    def is_collecting(self) -> bool:
        """Say whether a view collects its reference."""
        return any(view.phase == "collecting" for view in self.views)

    def settled_ms(self) -> int:
        """Give the event time of the newest thing that it tells of."""
        closed_ms = (w.window.closed_ms for w in _last_windows(self.views) if w is not None)
        return max([self.heard_ms or 0, *closed_ms])


def state_of_incidents(incidents: Iterable[tuple[Cause, Severity]]) -> ModelState | None:
    """Return the worst that open incidents say; None where there is none.

    Examples
    --------
    >>> state_of_incidents([(Cause.SILENCE, Severity.WARNING), (Cause.DRIFT, Severity.WARNING)])
    <ModelState.DRIFT: 'drift'>
    """
    states = [
        ModelState.CRITICAL if severity is Severity.CRITICAL else _OF_CAUSE[cause]
        for cause, severity in incidents
        if cause in _OF_CAUSE
    ]
    return min(states, key=WORST_FIRST.index, default=None)


def state_of_watching(*, is_paused: bool, views: Iterable[ViewSummary]) -> ModelState:
    """Return how a model without an open incident is watched."""
    views = list(views)
    if is_paused:
        return ModelState.PAUSED
    if any(view.phase == "collecting" for view in views):
        return ModelState.COLLECTING
    is_tested = all(any(map(_is_tested, _last_windows([view]))) for view in views)
    return ModelState.QUIET if is_tested else ModelState.UNTESTED


def worse(first: ModelState, second: ModelState) -> ModelState:
    """Return the one of two states that comes first.

    Examples
    --------
    >>> worse(ModelState.PAUSED, ModelState.DRIFT)
    <ModelState.DRIFT: 'drift'>
    """
    return min(first, second, key=WORST_FIRST.index)


def encode_status(status: ModelStatus) -> tuple[bytes, bytes]:
    """Key and value of the Kafka record for a status."""
    return status.model.encode(), msgspec.json.encode(status)


def _last_windows(views: Iterable[ViewSummary]) -> list[WindowResult | None]:
    return [detector.last_window for view in views for detector in view.detectors]


def _is_tested(window: WindowResult | None) -> bool:
    return window is not None and window.status is ScoreStatus.TESTED
