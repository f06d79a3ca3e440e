"""Messages to the page: plain records, in which everything from Kafka is text."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from flink_jobs.records.alerts import (
    MAIN_DETECTOR,
    MAIN_VIEW,
    Alert,
    AlertKind,
    Cause,
    Ending,
    Severity,
)
from flink_jobs.records.control import Audit, Outcome
from flink_jobs.records.status import ModelStatus
from flink_jobs.records.wording import count
from flink_jobs.reports.text.alerts import to_text

_MOST_LINES = 8
_MOST_CHARACTERS = 600

Watcher = tuple[str, str]
"""The view and the detector."""

Tick = tuple[int, int | None, list[float | None]]
"""A model's number, how far its event time has come, and how much of its threshold the statistic of
each new window reaches."""


class IncidentRow(Struct, frozen=True, kw_only=True):
    """An open incident; the numbers are those of its last alert."""

    incident_id: str
    cause: Cause
    view: str
    detector: str
    severity: Severity
    is_flapping: bool
    is_acknowledged: bool
    started_ms: int
    last_ms: int
    statistic: float | None
    threshold: float | None
    effect_size: float | None


class ModelRow(Struct, frozen=True, kw_only=True):
    """A model in the list.

    Attributes
    ----------
    number : int
        Names the model in addresses and ticks until the page is served anew.
    state : str
        One of :class:`~flink_jobs.records.status.ModelState`.
    last_ms : int or None
        How far event time has come.
    recent : list of float or None
        For each of the last windows of the first watcher, how much of the threshold is reached.
    watchers : list of Watcher
        View and detector of each series of windows.
    status : ModelStatus or None
        The last one known; None for a job that writes none and answered no command.
    """

    number: int
    model: str
    job: str
    state: str
    snoozed_until_ms: int | None
    last_ms: int | None
    watchers: list[Watcher]
    incidents: list[IncidentRow]
    recent: list[float | None]
    status: ModelStatus | None


class AlertEntry(Struct, frozen=True, kw_only=True, tag="alert", tag_field="entry"):
    """An alert in the timeline."""

    id: str
    model: str
    view: str
    detector: str
    at_ms: int
    start_ms: int
    kind: AlertKind
    cause: Cause
    ending: Ending | None
    severity: Severity
    is_flapping: bool
    n_suppressed: int
    lines: list[str]


class AuditEntry(Struct, frozen=True, kw_only=True, tag="audit", tag_field="entry"):
    """An answer to a command in the timeline."""

    id: str
    model: str | None
    at_ms: int | None
    command_id: str | None
    kind: str | None
    outcome: Outcome
    reason: str
    issued_by: str
    effective_ms: int | None


Entry = AlertEntry | AuditEntry


class Changes(Struct, frozen=True, omit_defaults=True):
    """Everything new since the last ones; empty lists are left out."""

    rows: list[ModelRow] = []
    ticks: list[Tick] = []
    gone: list[int] = []
    entries: list[Entry] = []


def entry_of(record: Alert | Audit, at_ms: int | None) -> Entry:
    """The timeline's entry for a record.

    Examples
    --------
    >>> from flink_jobs.records.schemas import read_example
    >>> alert = msgspec.json.decode(read_example("alert"), type=Alert)
    >>> print(entry_of(alert, alert.window.closed_ms).lines[0])
    mixed: statistic 0.412 ≥ 0.0779, p 1.2e-80, effect size 0.41, 2,000 events against 2,000
    """
    return _of_alert(record) if isinstance(record, Alert) else _of_audit(record, at_ms)


def _of_alert(alert: Alert) -> AlertEntry:
    return AlertEntry(
        id=alert.alert_id,
        model=alert.model if alert.storm is None else count(alert.storm.n_models, "model"),
        view=alert.view if alert.storm is None else MAIN_VIEW,
        detector=alert.detector if alert.storm is None else MAIN_DETECTOR,
        at_ms=alert.window.closed_ms,
        start_ms=alert.window.start_ms,
        kind=alert.kind,
        cause=alert.cause,
        ending=alert.ending,
        severity=alert.severity,
        is_flapping=alert.is_flapping,
        n_suppressed=alert.n_suppressed,
        lines=_details(alert),
    )


def _of_audit(audit: Audit, at_ms: int | None) -> AuditEntry:
    return AuditEntry(
        id=audit.audit_id,
        model=audit.model,
        at_ms=audit.effective_ms or at_ms,
        command_id=audit.command_id,
        kind=audit.kind,
        outcome=audit.outcome,
        reason=audit.reason[:_MOST_CHARACTERS],
        issued_by=audit.issued_by,
        effective_ms=audit.effective_ms,
    )


def _details(alert: Alert) -> list[str]:
    """The lines below the heading, as the timeline in the terminal has them."""
    # The heading names these, and they may hold line breaks.
    named = msgspec.structs.replace(alert, model="-", view="-", detector="-")
    lines = to_text(named).plain.split("\n")[1 : 1 + _MOST_LINES]
    return [line.strip()[:_MOST_CHARACTERS] for line in lines]
