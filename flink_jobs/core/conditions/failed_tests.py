"""Incidents of detectors whose tests fail: one alert when they begin to, one when they work."""

from __future__ import annotations

from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.plan import Watcher
from flink_jobs.core.record_parts import window_summary
from flink_jobs.core.state.state import Watch
from flink_jobs.core.turn import Turn
from flink_jobs.core.windows.windows import ClosedWindow
from flink_jobs.records.alerts import AlertKind, Cause, Ending, WindowSummary


def begin(
    turn: Turn, watch: Watch, watcher: Watcher, window: ClosedWindow, error: DetectorFailedError
) -> None:
    """Write the alert of a failed test, if none is open and the model is not snoozed."""
    snoozed_ms = turn.status.snoozed_until_ms
    if watch.failing_id or (snoozed_ms is not None and window.closed_ms < snoozed_ms):
        return
    turn.notice_window(watch.name, window, f"its test failed {error.where}: {error}")
    alert = watcher.judge.about_model(
        turn.model,
        Cause.TEST_FAILED,
        AlertKind.STARTED,
        "",
        window_summary(window),
        turn.reference(),
        reason=str(error),
    )
    watch.failing_id = alert.incident_id
    turn.actions.alerts.append(alert)


def end(turn: Turn, watch: Watch, watcher: Watcher, window: WindowSummary, ending: Ending) -> None:
    """End the incident: tests work again, or the detector is another one."""
    if not watch.failing_id:
        return
    alert = watcher.judge.about_model(
        turn.model,
        Cause.TEST_FAILED,
        AlertKind.RECOVERED,
        watch.failing_id,
        window,
        turn.reference(),
        ending=ending,
    )
    watch.failing_id = ""
    turn.actions.alerts.append(alert)
