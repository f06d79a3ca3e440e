"""Views without a reference: those that wait too long for one, and those of which none can be."""

from __future__ import annotations

import msgspec

from flink_jobs.core.context import Context
from flink_jobs.core.incidents.teller import Teller
from flink_jobs.core.references.rules import ReferenceRule
from flink_jobs.core.state.status import ViewStatus
from flink_jobs.records.alerts import AlertKind, Cause, Ending


class MissingReference:
    """The wait of a view for its reference.

    Parameters
    ----------
    context : Context
    status : ViewStatus
    rule : ReferenceRule
    teller : Teller
        Of the view's own detector.
    """

    def __init__(
        self, context: Context, status: ViewStatus, rule: ReferenceRule, teller: Teller
    ) -> None:
        self._context = context
        self._status = status
        self._rule = rule
        self._teller = teller

    def wait(self, from_ms: int) -> None:
        """Note that the view lacks a reference from ``from_ms`` on, if not longer."""
        if self._status.waiting_since_ms is None:
            self._status.waiting_since_ms = from_ms

    def due_ms(self) -> int | None:
        """Return the event time from which the reference is overdue; None where it cannot be."""
        status, context = self._status, self._context
        if status.waiting_since_ms is None or status.no_reference_id:
            return None
        if context.is_at_end or context.status.is_paused:
            return None
        overdue_ms = self._rule.overdue_ms(status.waiting_since_ms)
        if overdue_ms is None:
            return None
        return max(overdue_ms, context.status.snoozed_until_ms or 0)

    def is_due(self, until_ms: int) -> bool:
        """Tell whether event time has passed the moment from which the reference is overdue."""
        at_ms = self.due_ms()
        return at_ms is not None and until_ms >= at_ms

    def report(self, reason: str) -> None:
        """Raise the alert about a reference that is overdue."""
        at_ms = self.due_ms()
        assert at_ms is not None  # noqa: S101 - it is due
        self._write(AlertKind.STARTED, at_ms, reason=reason)

    def refuse(self, at_ms: int, reason: str) -> None:
        """Say that the detectors could not be fitted to what was collected until ``at_ms``."""
        if not self._status.no_reference_id and not self._context.is_snoozed(at_ms):
            self._write(AlertKind.STARTED, at_ms, reason=reason)

    def end(self, at_ms: int, ending: Ending = Ending.NORMAL) -> None:
        """End the wait: the view has a reference, or another is to be collected."""
        if self._status.no_reference_id:
            self._write(AlertKind.RECOVERED, at_ms, ending=ending)
            self._status.no_reference_id = ""
        self._status.waiting_since_ms = None

    def _write(
        self,
        kind: AlertKind,
        at_ms: int,
        *,
        ending: Ending | None = None,
        reason: str | None = None,
    ) -> None:
        status = self._status
        since_ms = at_ms if status.waiting_since_ms is None else status.waiting_since_ms
        window = msgspec.structs.replace(
            self._teller.moment(at_ms),
            kind="time",
            start_ms=since_ms,
            n_events=status.n_collected,
        )
        status.no_reference_id = self._teller.tell(
            Cause.NO_REFERENCE, kind, status.no_reference_id, window, ending=ending, reason=reason
        )
