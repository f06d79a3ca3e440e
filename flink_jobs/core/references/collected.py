"""References that are collected from the first events of a model, or from its first time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.references import FirstEvents, FirstTime, covered_ms
from flink_jobs.core.commands.refused import RefusedCommandError
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.references.fitted import FittedView, UnusableReferenceError, rows_of
from flink_jobs.core.references.rules import Compared, Wanted
from flink_jobs.core.windows.closed_window import ClosedWindow
from flink_jobs.records.alerts import Ending, ReferenceSummary

if TYPE_CHECKING:
    from flink_jobs.core.views.view_watch import ViewWatch


class StoredReference:
    """The base of references that stay: they lie in the state in fitted form."""

    moves = False

    def record(self, view: ViewWatch, pane: PaneEvents) -> None:
        """A reference that stays looks at no further event."""

    def fitted(self, view: ViewWatch) -> FittedView:
        """Return the detectors; raises DetectorFailedError when they cannot be restored."""
        return view.restored(view.read_reference)

    def compared(self, view: ViewWatch, window: ClosedWindow) -> Compared:
        """Compare every window with the same reference."""
        return Compared(view.reference_summary(), self.fitted(view))

    def summary(self, view: ViewWatch, window: ClosedWindow | None) -> ReferenceSummary:
        """Return the reference as records show it."""
        return view.reference_summary()

    def check_approval(self) -> None:
        """Any window can be the reference."""


class CollectedReference(StoredReference, ABC):
    """A reference collected from the events of the model itself.

    Parameters
    ----------
    table : FirstEvents or FirstTime
    config : DriftJobConfig
    """

    def __init__(self, table: FirstEvents | FirstTime, config: DriftJobConfig) -> None:
        self._table = table
        self.refuses_change = table.on_config_change == "refuse"
        self.is_new_on_recovery = table.rebaseline == "on_recovery"

    @abstractmethod
    def collect(self, view: ViewWatch, pane: PaneEvents) -> PaneEvents | None:
        """Take events for the reference, and return those that it does not need."""

    def complete_by_time(self, view: ViewWatch, until_ms: int) -> None:
        """Nothing but events completes it."""

    def completes_ms(self, view: ViewWatch) -> int | None:
        """Nothing but events completes it."""
        return None

    def overdue_ms(self, waiting_since_ms: int) -> int | None:
        """Return the event time from which the reference is overdue; None for never."""
        if not self._table.overdue_after_ms:
            return None
        return waiting_since_ms + covered_ms(self._table) + self._table.overdue_after_ms

    def missing_events(self, view: ViewWatch) -> int | None:
        """Return the number of events that the reference still needs."""
        return max(0, self.wanted(view).n_events - view.status.n_collected)

    @abstractmethod
    def wanted(self, view: ViewWatch) -> Wanted:
        """Return how many events, and which event time, the reference has to reach."""

    def overdue_reason(self, view: ViewWatch) -> str:
        """Say how many events are missing."""
        n_collected, n_wanted = view.status.n_collected, self.wanted(view).n_events
        return f"the reference has {n_collected:,} of {n_wanted:,} events"

    def rebaseline(self, view: ViewWatch, at_ms: int) -> str:
        """Collect a new reference; raises RefusedCommandError where that never happens."""
        self.check_approval()
        view.start_anew(at_ms, Ending.NEW_REFERENCE)
        from_when = "resume" if view.context.status.is_paused else "now"
        return f"a new reference is collected from the next events after {from_when}"

    def check_approval(self) -> None:
        """Refuse where the reference never changes."""
        if self._table.rebaseline == "never":
            raise RefusedCommandError(
                'reference.rebaseline is "never": change it in job.toml, or send configure'
            )

    def _take(self, view: ViewWatch, pane: PaneEvents) -> None:
        if view.status.reference_start_ms is None:
            view.status.reference_start_ms = pane.start_ms
        view.rows.add(pane)
        view.status.n_collected += len(pane)

    def _complete(self, view: ViewWatch, from_ms: int, end_ms: int) -> None:
        """Fit what was collected, and watch from ``from_ms`` on; or collect the next."""
        events, keys = view.rows.all()
        rows = rows_of(events, keys)
        try:
            fitted = view.fit(rows)
        except (UnusableReferenceError, DetectorFailedError) as error:
            view.discard_rows(end_ms, f"{len(events):,} events make no reference ({error})")
            return
        view.status.reference_end_ms = end_ms
        view.begin_with(fitted, from_ms)
        view.missing.end(end_ms)
        view.stability.report(rows)


class CollectedEvents(CollectedReference):
    """The first ``n_events`` usable events of a model."""

    _table: FirstEvents

    def collect(self, view: ViewWatch, pane: PaneEvents) -> PaneEvents | None:
        """Take the events that are still missing; the rest of the pane is watched."""
        n_wanted = min(len(pane), self._table.n_events - view.status.n_collected)
        self._take(view, pane.take(slice(0, n_wanted)))
        rest = pane.take(slice(n_wanted, len(pane))) if n_wanted < len(pane) else None
        if view.status.n_collected == self._table.n_events:
            self._complete(view, pane.start_ms if rest else pane.end_ms, pane.end_ms)
        return rest

    def wanted(self, view: ViewWatch) -> Wanted:
        """Return how many events the reference has to reach."""
        return Wanted(self._table.n_events)


class CollectedTime(CollectedReference):
    """The first ``duration_ms`` of a model, and more until there are enough events."""

    _table: FirstTime

    def collect(self, view: ViewWatch, pane: PaneEvents) -> PaneEvents | None:
        """Take all events of a pane."""
        self._take(view, pane)
        if view.status.n_rows > 2 * self._table.max_events:
            view.rows.bound(self._table.max_events)
        self.complete_by_time(view, pane.end_ms)
        return None

    def complete_by_time(self, view: ViewWatch, until_ms: int) -> None:
        """End the reference once event time has passed its end."""
        end_ms = self.completes_ms(view)
        if end_ms is not None and until_ms >= end_ms:
            view.rows.bound(self._table.max_events)
            self._complete(view, end_ms, end_ms)

    def completes_ms(self, view: ViewWatch) -> int | None:
        """Return the end of the reference; None where events are still missing."""
        status, table = view.status, self._table
        if status.phase != "collecting" or status.n_collected < table.min_events:
            return None
        if status.reference_start_ms is None or status.last_rows_ms is None:
            return None
        return max(status.reference_start_ms + table.duration_ms, status.last_rows_ms)

    def wanted(self, view: ViewWatch) -> Wanted:
        """Return how many events, and which event time, the reference has to reach."""
        start_ms = view.status.reference_start_ms
        until_ms = None if start_ms is None else start_ms + self._table.duration_ms
        return Wanted(self._table.min_events, until_ms)
