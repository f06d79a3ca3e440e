"""Incidents of detectors whose windows hold too few events to be tested, one after the other."""

from __future__ import annotations

import msgspec

from flink_jobs.core.plan import Watcher
from flink_jobs.core.record_parts import window_summary
from flink_jobs.core.state.state import Untested, Watch
from flink_jobs.core.turn import Turn
from flink_jobs.core.windows.windows import ClosedWindow
from flink_jobs.records.alerts import AlertKind, Cause, Ending, WindowSummary

UNTESTED_WINDOWS = 20
"""This many windows in a row without a test raise an alert; windows that overlap count once."""


def begin(turn: Turn, watch: Watch, watcher: Watcher, window: ClosedWindow) -> None:
    """Count a window with too few events, and write the alert with the 20th in a row.

    No alert is written while the model is snoozed, and one as long as the incident is open.
    """
    untested = watch.untested
    if not untested.n:
        untested.from_ms = window.start_ms
    if not untested.n or window.start_ms >= untested.until_ms:
        untested.n += 1
        untested.until_ms = window.end_ms
    snoozed_ms = turn.status.snoozed_until_ms
    is_snoozed = snoozed_ms is not None and window.closed_ms < snoozed_ms
    if untested.n < UNTESTED_WINDOWS or untested.incident_id or is_snoozed:
        return
    reason = f"{untested.n} windows in a row held fewer than {watcher.windows.min_events} events"
    turn.notice_window(watch.name, window, reason)
    alert = watcher.judge.about_model(
        turn.model,
        Cause.UNTESTED,
        AlertKind.STARTED,
        "",
        msgspec.structs.replace(window_summary(window), start_ms=untested.from_ms),
        turn.reference(),
        reason=reason,
    )
    untested.incident_id = alert.incident_id
    turn.actions.alerts.append(alert)


def end(turn: Turn, watch: Watch, watcher: Watcher, window: WindowSummary, ending: Ending) -> None:
    """Forget the count, and end the incident: a window was tested, or the detector is another."""
    incident_id, watch.untested = watch.untested.incident_id, Untested()
    if not incident_id:
        return
    alert = watcher.judge.about_model(
        turn.model,
        Cause.UNTESTED,
        AlertKind.RECOVERED,
        incident_id,
        window,
        turn.reference(),
        ending=ending,
    )
    turn.actions.alerts.append(alert)
