"""Models that are gone: all their state is removed, and an alert says so."""

from __future__ import annotations

import msgspec

from flink_jobs.core.context import Context
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.incidents.teller import Teller
from flink_jobs.records.alerts import AlertKind, Cause


class Forgetting:
    """Notices that a model has sent no event for ``job.forget_after_ms``.

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
        """The status remembers when the last pane came."""

    def on_time(self, until_ms: int) -> None:
        """Say that the model is forgotten, once; the monitor then removes its state."""
        at_ms = self.due_ms()
        if at_ms is None or until_ms < at_ms:
            return
        after_ms = self._context.config.job.forget_after_ms
        self._context.forgotten_ms = at_ms
        window = self._teller.moment(at_ms)
        window = msgspec.structs.replace(window, kind="silence", start_ms=at_ms - after_ms)
        reason = f"no event came for {after_ms:,} ms: all state of the model was removed"
        self._teller.tell(Cause.FORGOTTEN, AlertKind.STARTED, "", window, reason=reason)
        self._context.notice(reason)

    def due_ms(self) -> int | None:
        """Return the event time from which the model is gone; None where it never is."""
        context = self._context
        after_ms, last_ms = context.config.job.forget_after_ms, context.status.last_pane_start_ms
        if not after_ms or last_ms is None or context.is_at_end or context.is_forgotten:
            return None
        # From its last pane on, whether any event of it could be used or not.
        return last_ms + context.config.panes.width_ms + after_ms

    def wake_ms(self) -> int | None:
        """Ask for a timer at that time: no pane tells that a model is gone."""
        return self.due_ms()

    def snapshot(self) -> None:
        """It remembers nothing."""
