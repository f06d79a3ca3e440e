"""Models that send nothing any more: what is said of it, and when they are forgotten."""

from __future__ import annotations

import msgspec

from flink_jobs.core.context import Context
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.incidents.teller import Teller
from flink_jobs.records.alerts import AlertKind, Cause, Ending


class Silence:
    """Tells when a model falls silent, and when it is heard again.

    Parameters
    ----------
    context : Context
    teller : Teller
        Of the detector that speaks for the model.
    """

    def __init__(self, context: Context, teller: Teller) -> None:
        self._context = context
        self._teller = teller

    def on_events(self, pane: PaneEvents) -> None:
        """Events came: the model is not silent."""
        self.end(pane.start_ms, Ending.NORMAL)
        self._context.status.heard_ms = pane.end_ms

    def end(self, at_ms: int, ending: Ending) -> None:
        """End the incident, where one is open."""
        if self._context.status.silence_id:
            self._write(AlertKind.RECOVERED, at_ms, ending)
            self._context.status.silence_id = ""

    def on_time(self, until_ms: int) -> None:
        """Raise an alert from the moment on at which the model counts as silent."""
        at_ms = self.due_ms()
        if at_ms is not None and until_ms >= at_ms:
            self._write(AlertKind.STARTED, at_ms)

    def due_ms(self) -> int | None:
        """Return the event time from which the model counts as silent; None where it does not."""
        context, status = self._context, self._context.status
        after_ms = context.config.silence.after_ms
        if not after_ms or context.is_at_end or status.is_paused:
            return None
        if status.heard_ms is None or status.silence_id:
            return None
        return max(status.heard_ms + after_ms, status.snoozed_until_ms or 0)

    def wake_ms(self) -> int | None:
        """Ask for a timer at that time: no pane tells of silence."""
        return self.due_ms()

    def snapshot(self) -> None:
        """All that it remembers lies in the status."""

    def _write(self, kind: AlertKind, end_ms: int, ending: Ending | None = None) -> None:
        status = self._context.status
        assert status.heard_ms is not None  # noqa: S101 - a silent model has been heard before
        window = self._teller.moment(end_ms)
        window = msgspec.structs.replace(window, kind="silence", start_ms=status.heard_ms)
        status.silence_id = self._teller.tell(
            Cause.SILENCE, kind, status.silence_id, window, ending=ending
        )
