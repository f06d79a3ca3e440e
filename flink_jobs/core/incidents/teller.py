"""Writes alerts without a test behind them, for one detector of a model."""

from __future__ import annotations

from collections.abc import Callable

from flink_jobs.core.context import Context
from flink_jobs.core.incidents.record_writer import RecordWriter
from flink_jobs.records.alerts import (
    AlertKind,
    Cause,
    Ending,
    ReferenceSummary,
    WindowSummary,
)


class Teller:
    """Tells about the conditions of a model, in the name of one detector.

    Parameters
    ----------
    context : Context
    judge : RecordWriter
        Of the detector.
    reference : callable
        Returns the reference that alerts show.
    window_kind : str
        Of the detector's windows.
    n_monitored : callable
        Returns the position of the next event.
    """

    def __init__(
        self,
        context: Context,
        judge: RecordWriter,
        reference: Callable[[], ReferenceSummary],
        window_kind: str,
        n_monitored: Callable[[], int],
    ) -> None:
        self._context = context
        self._judge = judge
        self._reference = reference
        self._window_kind = window_kind
        self._n_monitored = n_monitored

    def moment(self, at_ms: int) -> WindowSummary:
        """Return a window without events, for what is not about a window."""
        return WindowSummary(
            kind=self._window_kind,  # type: ignore[arg-type]
            start_ms=at_ms,
            end_ms=at_ms,
            closed_ms=at_ms,
            first_event=self._n_monitored(),
            n_events=0,
            n_tested=0,
        )

    def tell(
        self,
        cause: Cause,
        kind: AlertKind,
        incident_id: str,
        window: WindowSummary,
        *,
        ending: Ending | None = None,
        reason: str | None = None,
    ) -> str:
        """Write an alert, and return the id of its incident; empty to begin one."""
        alert = self._judge.about_model(
            self._context.model, cause, kind, incident_id, window, self._reference(),
            ending=ending, reason=reason,
        )  # fmt: skip
        self._context.actions.alerts.append(alert)
        return alert.incident_id
