"""Models that send nothing any more."""

from __future__ import annotations

import msgspec

from flink_jobs.core.turn import Turn
from flink_jobs.records.alerts import AlertKind, Cause, Ending


def due_ms(turn: Turn) -> int | None:
    """The event time from which the model counts as silent; None when that is no question."""
    status, after_ms = turn.status, turn.plan.config.silence.after_ms
    if not after_ms or turn.is_at_end or status.is_paused:
        return None
    if status.heard_ms is None or status.silence_id:
        return None
    return max(status.heard_ms + after_ms, status.snoozed_until_ms or 0)


def report(turn: Turn, until_ms: int) -> None:
    """Raise an alert where event time has passed the moment from which the model is silent."""
    at_ms = due_ms(turn)
    if at_ms is not None and until_ms >= at_ms:
        _write(turn, AlertKind.STARTED, at_ms)


def hear(turn: Turn, start_ms: int, end_ms: int) -> None:
    """Events came in the pane ``[start_ms, end_ms)``."""
    if turn.status.silence_id:
        _write(turn, AlertKind.RECOVERED, start_ms)
        turn.status.silence_id = ""
    turn.status.heard_ms = end_ms


def _write(turn: Turn, kind: AlertKind, end_ms: int) -> None:
    status = turn.status
    assert status.heard_ms is not None  # noqa: S101 - a silent model has been heard before
    window = msgspec.structs.replace(turn.moment(end_ms), kind="silence", start_ms=status.heard_ms)
    judge = turn.plan.main.judge
    ending = Ending.NORMAL if kind is AlertKind.RECOVERED else None
    alert = judge.about_model(
        turn.model, Cause.SILENCE, kind, status.silence_id, window, turn.reference(), ending=ending
    )
    status.silence_id = alert.incident_id
    turn.actions.alerts.append(alert)
