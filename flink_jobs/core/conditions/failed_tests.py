"""Incidents of detectors whose tests fail: one alert when they begin to, one when they work."""

from __future__ import annotations

from flink_jobs.core.context import Context
from flink_jobs.core.incidents.teller import Teller
from flink_jobs.core.state.watch import Watch
from flink_jobs.records.alerts import AlertKind, Cause, Ending, WindowSummary


class FailedTests:
    """The failures of one detector.

    Parameters
    ----------
    context : Context
    watch : Watch
    teller : Teller
    """

    def __init__(self, context: Context, watch: Watch, teller: Teller) -> None:
        self._context = context
        self._watch = watch
        self._teller = teller

    def begin(self, window: WindowSummary, reason: str) -> bool:
        """Write the alert of a failed test, if none is open and the model is not snoozed."""
        if self._watch.failing_id or self._context.is_snoozed(window.closed_ms):
            return False
        self._watch.failing_id = self._teller.tell(
            Cause.TEST_FAILED, AlertKind.STARTED, "", window, reason=reason
        )
        return True

    def end(self, window: WindowSummary, ending: Ending) -> None:
        """End the incident: tests work again, or the detector is another one."""
        if self._watch.failing_id:
            self._teller.tell(
                Cause.TEST_FAILED,
                AlertKind.RECOVERED,
                self._watch.failing_id,
                window,
                ending=ending,
            )
            self._watch.failing_id = ""
