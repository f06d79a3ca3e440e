"""Models without a reference: those that wait too long for one, and those of which none can be."""

from __future__ import annotations

import msgspec

from flink_jobs.config.tables.references import (
    FirstEvents,
    TrainingSet,
    covered_ms,
)
from flink_jobs.core.turn import Turn
from flink_jobs.records.alerts import AlertKind, Cause, Ending


def wait(turn: Turn, from_ms: int) -> None:
    """Note that the model lacks a reference from ``from_ms`` on, if not longer."""
    if turn.status.waiting_since_ms is None:
        turn.status.waiting_since_ms = from_ms


def due_ms(turn: Turn) -> int | None:
    """Return the event time from which the reference is overdue; None where it cannot be."""
    status, reference = turn.status, turn.plan.config.reference
    if status.waiting_since_ms is None or status.no_reference_id:
        return None
    if turn.is_at_end or status.is_paused:
        return None
    if isinstance(reference, TrainingSet) or not reference.overdue_after_ms:
        return None
    expected_ms = status.waiting_since_ms + covered_ms(reference)
    return max(expected_ms + reference.overdue_after_ms, status.snoozed_until_ms or 0)


def report(turn: Turn, until_ms: int) -> None:
    """Raise an alert where event time has passed the moment from which the reference is overdue."""
    at_ms = due_ms(turn)
    if at_ms is not None and until_ms >= at_ms:
        _write(turn, AlertKind.STARTED, at_ms, reason=_overdue(turn))


def refuse(turn: Turn, at_ms: int, reason: str) -> None:
    """Say that the detectors could not be fitted to what was collected until ``at_ms``."""
    status = turn.status
    is_snoozed = status.snoozed_until_ms is not None and at_ms < status.snoozed_until_ms
    if not status.no_reference_id and not is_snoozed:
        _write(turn, AlertKind.STARTED, at_ms, reason=reason)


def end(turn: Turn, at_ms: int, ending: Ending) -> None:
    """End the wait: the model has a reference, or another is to be collected."""
    status = turn.status
    if status.no_reference_id:
        _write(turn, AlertKind.RECOVERED, at_ms, ending=ending)
        status.no_reference_id = ""
    status.waiting_since_ms = None


def _write(
    turn: Turn,
    kind: AlertKind,
    at_ms: int,
    *,
    ending: Ending | None = None,
    reason: str | None = None,
) -> None:
    status = turn.status
    since_ms = at_ms if status.waiting_since_ms is None else status.waiting_since_ms
    window = msgspec.structs.replace(
        turn.moment(at_ms), kind="time", start_ms=since_ms, n_events=status.n_collected
    )
    alert = turn.plan.main.judge.about_model(
        turn.model,
        Cause.NO_REFERENCE,
        kind,
        status.no_reference_id,
        window,
        turn.reference(),
        ending=ending,
        reason=reason,
    )
    status.no_reference_id = alert.incident_id
    turn.actions.alerts.append(alert)


def _overdue(turn: Turn) -> str:
    reference = turn.plan.config.reference
    assert not isinstance(reference, TrainingSet)  # noqa: S101 - it is never overdue
    if turn.plan.moves:
        return f"no test window has had a reference of {reference.min_events:,} events"  # type: ignore[union-attr]
    n_wanted = reference.n_events if isinstance(reference, FirstEvents) else reference.min_events
    return f"the reference has {turn.status.n_collected:,} of {n_wanted:,} events"
