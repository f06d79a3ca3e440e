"""Incidents of detectors whose windows hold too few events to be tested, one after the other."""

from __future__ import annotations

import msgspec

from flink_jobs.core.context import Context
from flink_jobs.core.incidents.teller import Teller
from flink_jobs.core.state.watch import Untested, Watch
from flink_jobs.records.alerts import AlertKind, Cause, Ending, WindowSummary

UNTESTED_WINDOWS = 20
"""This many windows in a row without a test raise an alert; windows that overlap count once."""


class UntestedWindows:
    """The windows of one detector that were not tested.

    Parameters
    ----------
    context : Context
    watch : Watch
    teller : Teller
    min_events : int
        With fewer a window is not tested.
    """

    def __init__(self, context: Context, watch: Watch, teller: Teller, min_events: int) -> None:
        self._context = context
        self._watch = watch
        self._teller = teller
        self._min_events = min_events

    def begin(self, window: WindowSummary) -> str | None:
        """Count a window with too few events, and write the alert with the 20th in a row.

        No alert is written while the model is snoozed, and one as long as the incident is open.
        Returns the reason where one is written.
        """
        untested = self._watch.untested
        if not untested.n:
            untested.from_ms = window.start_ms
        if not untested.n or window.start_ms >= untested.until_ms:
            untested.n += 1
            untested.until_ms = window.end_ms
        is_snoozed = self._context.is_snoozed(window.closed_ms)
        if untested.n < UNTESTED_WINDOWS or untested.incident_id or is_snoozed:
            return None
        reason = f"{untested.n} windows in a row held fewer than {self._min_events} events"
        untested.incident_id = self._teller.tell(
            Cause.UNTESTED,
            AlertKind.STARTED,
            "",
            msgspec.structs.replace(window, start_ms=untested.from_ms),
            reason=reason,
        )
        return reason

    def end(self, window: WindowSummary, ending: Ending) -> None:
        """Forget the count, and end the incident: a window was tested, or the detector differs."""
        incident_id, self._watch.untested = self._watch.untested.incident_id, Untested()
        if incident_id:
            self._teller.tell(
                Cause.UNTESTED, AlertKind.RECOVERED, incident_id, window, ending=ending
            )
