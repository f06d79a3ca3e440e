"""References that move with the stream: sums of cells, as windows are sums of slices.

Event time is cut into *cells*: steps of a trailing reference, slots of a seasonal one. Each is
reduced to the measures of the view's tests and a sample of raw events. Which cells make the
reference of a window follows from where the window starts and from nothing else, so a replay finds
the same.

Detectors are fitted once, to the cells of the first complete reference; from then on both sides
are counted in the same cells of the tests, so that no rows are read and no detector is fitted when
the reference moves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from detectors import CountsReferenceTest, DriftDetector
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.references import MovingReference, Trailing, covered_ms
from flink_jobs.config.tables.windows import TimeWindow
from flink_jobs.config.two_sample_tests import MOST_FITTED
from flink_jobs.config.views import View
from flink_jobs.core.commands.refused import RefusedCommandError
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.failures import DetectorFailedError, detector_code
from flink_jobs.core.references.cells import Cells
from flink_jobs.core.references.fitted import (
    FittedView,
    UnusableReferenceError,
    distinct_tests,
    rows_of,
)
from flink_jobs.core.references.moved_reference import MovedReference
from flink_jobs.core.references.rules import Compared, Wanted
from flink_jobs.core.slices.slices import Slice, Slices
from flink_jobs.core.slices.store import SliceStore
from flink_jobs.core.slices.summary import Summary, merge, merge_samples
from flink_jobs.core.state.rows import StoredRows
from flink_jobs.core.watchers.work import PaneWork
from flink_jobs.core.windows.closed_window import ClosedWindow
from flink_jobs.records.alerts import Ending, ReferenceSummary

if TYPE_CHECKING:
    from flink_jobs.core.views.view_watch import ViewWatch

_MOST_OUTER_SHARE = 0.1
"""Detectors are fitted anew where more of a reference lies beyond all edges of a dimension."""


class MovingRule:
    """A reference that moves with the stream.

    Parameters
    ----------
    table : Trailing or Seasonal
    cells : Cells
    config : DriftJobConfig
    view : View
    """

    moves = True
    is_new_on_recovery = False

    def __init__(
        self, table: MovingReference, cells: Cells, config: DriftJobConfig, view: View
    ) -> None:
        self._table = table
        self._cells = cells
        self.refuses_change = table.on_config_change == "refuse"
        self._n_tests = len(distinct_tests(view))
        windows = [detector.window for detector in view.detectors]
        sizes_ms = [window.size_ms for window in windows if isinstance(window, TimeWindow)]
        self._longest_ms = max(sizes_ms, default=0)
        self._sample_size = (
            table.max_events_per_step if isinstance(table, Trailing) else table.max_events_per_slot
        )

    # Events ---------------------------------------------------------------------------------------

    def record(self, view: ViewWatch, pane: PaneEvents) -> None:
        """Add the events of a pane to its cell; first begin to watch, where that can be."""
        if view.status.begun_ms is None:
            view.status.begun_ms = pane.start_ms
        store = self._store(view)
        if len(store.slices) and self._begins_cell(store.slices, pane.start_ms):
            if view.status.phase == "collecting":
                is_due = self._is_complete(view, store, pane.start_ms)
            else:
                is_due = self._has_moved_away(view, store, pane.start_ms)
            if is_due:
                self._begin(view, pane.start_ms)
                store = self._store(view)
            self._forget_old(view, store, pane.start_ms)
        self._add(view, store, pane)
        self._keep(view, store)

    def collect(self, view: ViewWatch, pane: PaneEvents) -> PaneEvents | None:
        """Keep everything in cells: nothing is watched before the reference is complete."""
        view.status.n_collected += len(pane)
        return None

    def complete_by_time(self, view: ViewWatch, until_ms: int) -> None:
        """The next pane begins to watch."""

    def completes_ms(self, view: ViewWatch) -> int | None:
        """No time completes it: the next pane does."""
        return None

    # Windows --------------------------------------------------------------------------------------

    def fitted(self, view: ViewWatch) -> FittedView:
        """Return what both sides are counted by; raises DetectorFailedError if that fails."""
        return view.restored(view.read_reference)

    def compared(self, view: ViewWatch, window: ClosedWindow) -> Compared:
        """Compare a window with the cells before it."""
        store = self._store(view)
        inside = self._inside(store, window)
        summary = self._summary(view, inside)
        if inside.n_events < self._table.min_events:
            return Compared(summary, None)
        fitted = self.fitted(view)
        return Compared(summary, fitted, MovedReference(view, store, inside, fitted, summary))

    def summary(self, view: ViewWatch, window: ClosedWindow | None) -> ReferenceSummary:
        """Return the cells before a window as records show them."""
        if window is None:
            return view.reference_summary()
        return self._summary(view, self._inside(self._store(view), window))

    # What is said of it ---------------------------------------------------------------------------

    def overdue_ms(self, waiting_since_ms: int) -> int | None:
        """Return the event time from which the reference is overdue; None for never."""
        if not self._table.overdue_after_ms:
            return None
        return waiting_since_ms + covered_ms(self._table) + self._table.overdue_after_ms

    def missing_events(self, view: ViewWatch) -> int | None:
        """No number of events completes it."""
        return None

    def wanted(self, view: ViewWatch) -> Wanted:
        """Return how many events, and which event time, the first reference has to reach."""
        begun_ms = view.status.begun_ms
        until_ms = None if begun_ms is None else begun_ms + covered_ms(self._table)
        return Wanted(self._table.min_events, until_ms)

    def overdue_reason(self, view: ViewWatch) -> str:
        """Say what has been lacking."""
        return f"no test window has had a reference of {self._table.min_events:,} events"

    def rebaseline(self, view: ViewWatch, at_ms: int) -> str:
        """Fit the detectors anew to the cells at hand; the reference goes on moving."""
        if view.status.phase != "monitoring":
            raise RefusedCommandError("the reference is not complete yet: wait for it")
        try:
            fitted, summaries = self._fit(view)
        except (UnusableReferenceError, DetectorFailedError) as error:
            raise RefusedCommandError(f"the events at hand make no reference ({error})") from error
        view.end_incidents(at_ms, Ending.NEW_REFERENCE)
        self._begin_with(view, fitted, summaries, at_ms)
        return "the detectors are fitted to the reference as it is now; it goes on moving"

    def check_approval(self) -> None:
        """Refuse: no window can take the place of a reference that moves."""
        raise RefusedCommandError(
            "the reference moves along by itself, and no window can take its place; "
            "configure another reference first"
        )

    # ----------------------------------------------------------------------------------------------

    def _is_complete(self, view: ViewWatch, store: SliceStore, at_ms: int) -> bool:
        """Tell whether all cells that a window needs have been seen, with enough events."""
        begun_ms = view.status.begun_ms
        assert begun_ms is not None  # noqa: S101 - set with the first pane
        wanted = self._cells.wanted(at_ms)
        if wanted[0] < self._cells.cell_of(begun_ms):
            return False
        return store.slices.among(wanted).n_events >= self._table.min_events

    def _has_moved_away(self, view: ViewWatch, store: SliceStore, at_ms: int) -> bool:
        """Tell whether much of the reference lies beyond the edges of the tests' cells."""
        inside = store.slices.among(self._cells.wanted(at_ms))
        if inside.n_events < self._table.min_events:
            return False
        try:
            share = self._outer_share(store, inside, self.fitted(view).detectors)
        except DetectorFailedError:
            # Windows of this model say so.
            return False
        if share > _MOST_OUTER_SHARE:
            view.notice(
                f"{100 * share:.0f} % of its reference lies beyond the values that its "
                "detectors know: they are fitted anew"
            )
        return share > _MOST_OUTER_SHARE

    def _outer_share(
        self, store: SliceStore, inside: Slices, detectors: Sequence[DriftDetector]
    ) -> float:
        """Return the largest share of the cells beyond all edges, of any test."""
        shares = [0.0]
        for place, detector in enumerate(detectors):
            test = detector.two_sample_test
            if isinstance(test, CountsReferenceTest):
                counts = store.counts(inside, test.summary_size, place)
                with detector_code():
                    shares.append(test.outer_share(counts, inside.n_events))
        return max(shares)

    def _begin(self, view: ViewWatch, from_ms: int) -> bool:
        """Fit the detectors to the cells at hand, and watch; or say why that cannot be."""
        try:
            fitted, summaries = self._fit(view)
        except (UnusableReferenceError, DetectorFailedError) as error:
            n_events = Slices(view.status.cells).n_events
            reason = f"{n_events:,} events make no reference ({error})"
            view.context.actions.counts.references_unusable += 1
            view.notice(f"{reason}; another attempt follows with the next cell")
            view.missing.refuse(from_ms, reason)
            return False
        self._begin_with(view, fitted, summaries, from_ms)
        return True

    def _begin_with(
        self, view: ViewWatch, fitted: FittedView, summaries: list[Summary], from_ms: int
    ) -> None:
        """Watch by detectors, by which the cells at hand have been counted."""
        store = self._store(view)
        for place, summary in enumerate(summaries):
            store.replace(place, summary)
        self._keep(view, store)
        view.status.reference_start_ms = view.status.begun_ms
        view.status.reference_end_ms = from_ms
        view.begin_with(fitted, from_ms)
        view.missing.end(from_ms)
        view.stability.end(from_ms)

    def _fit(self, view: ViewWatch) -> tuple[FittedView, list[Summary]]:
        """Fit the detectors to the cells at hand, and count by them what each keeps, a sample.

        Raises
        ------
        UnusableReferenceError, DetectorFailedError
        """
        store = self._store(view)
        cells = [merge(store.summaries([each]), self._sample_size) for each in store.slices]
        sample = merge_samples([cell.sample for cell in cells], MOST_FITTED)
        fitted = view.fit(rows_of(sample.events(), sample.key_array))
        return fitted, [self._recounted(view, cell.sample, fitted) for cell in cells]

    def _recounted(self, view: ViewWatch, sample: StoredRows, fitted: FittedView) -> Summary:
        events = sample.events()
        pane = PaneEvents(0, 0, events, view.plan.view.seed)
        pane.__dict__["keys"] = sample.key_array
        work = PaneWork(pane, fitted, self._sample_size)
        summary = self._summarised(work, pane)
        if failure := self._failure(work):
            raise DetectorFailedError(failure)
        return summary

    def _failure(self, work: PaneWork) -> str:
        """Return why the events could not be measured for some test; empty if they were."""
        failures = (work.failure(place) for place in range(self._n_tests))
        return next((failure for failure in failures if failure), "")

    def _add(self, view: ViewWatch, store: SliceStore, pane: PaneEvents) -> None:
        """Add a pane to its cell, unless it could not be measured: cells count what they hold."""
        fitted: FittedView | DetectorFailedError
        if view.status.phase == "monitoring":
            try:
                fitted = self.fitted(view)
            except DetectorFailedError as error:
                fitted = error
        else:
            fitted = DetectorFailedError("")
        work = PaneWork(pane, fitted, self._sample_size)
        summary = self._summarised(work, pane)
        if self._failure(work):
            return
        times_ms = pane.events.times_ms
        begins = not len(store.slices) or self._begins_cell(store.slices, pane.start_ms)
        piece = Slice(
            start_ms=self._cells.cell_of(pane.start_ms),
            end_ms=pane.end_ms,
            first_ms=int(times_ms[0]),
            last_ms=int(times_ms[-1]),
            first_event=pane.start_ms,
            n_events=len(pane),
        )
        (store.begin if begins else store.extend)(piece, summary)

    def _begins_cell(self, slices: Slices, at_ms: int) -> bool:
        # Where clocks go back, the next cell is an earlier one by its name.
        return self._cells.cell_of(at_ms) != slices[-1].start_ms

    def _summarised(self, work: PaneWork, pane: PaneEvents) -> Summary:
        rows = slice(0, len(pane))
        measures = [work.measure(place, rows) for place in range(self._n_tests)]
        return Summary(len(pane), measures, work.sample(rows))

    def _forget_old(self, view: ViewWatch, store: SliceStore, now_ms: int) -> None:
        """Remove the cells that no window needs, however long it has been open."""
        oldest_ms = view.oldest_ms
        oldest_ms = now_ms if oldest_ms is None else min(now_ms, oldest_ms)
        needed = self._cells.needed_from(oldest_ms - self._longest_ms)
        store.forget_before(store.slices.first_reaching(needed))

    def _inside(self, store: SliceStore, window: ClosedWindow) -> Slices:
        return store.slices.among(self._cells.wanted(window.start_ms))

    def _summary(self, view: ViewWatch, inside: Slices) -> ReferenceSummary:
        n_events = inside.n_events
        if n_events < self._table.min_events:
            return ReferenceSummary(n_events=n_events, fingerprint="")
        identity = msgspec.json.encode((view.status.reference_fingerprint, inside.identity()))
        return ReferenceSummary(
            n_events=n_events,
            fingerprint=hashlib.sha256(identity).hexdigest()[:16],
            start_ms=inside[0].first_ms,
            end_ms=inside[-1].end_ms,
        )

    def _store(self, view: ViewWatch) -> SliceStore:
        sums = [
            view.memory.running_sums(
                view.context.model, view.name, "cells", str(place), str(view.status.begun_ms)
            )
            for place in range(self._n_tests)
        ]
        return SliceStore(
            view.context.entries,
            _prefix(view),
            Slices(view.status.cells),
            self._sample_size,
            view.status.n_cell_parts,
            sums,
        )

    def _keep(self, view: ViewWatch, store: SliceStore) -> None:
        view.status.cells = store.slices.to_bytes()
        view.status.n_cell_parts = store.n_parts


def forget_cells(view: ViewWatch) -> None:
    """Remove all cells of a view, also where its reference does not move any more."""
    status = view.status
    SliceStore(
        view.context.entries, _prefix(view), Slices(status.cells), 1, status.n_cell_parts, []
    ).forget_all()
    status.cells, status.begun_ms = b"", None


def _prefix(view: ViewWatch) -> str:
    return f"cell/{view.name}/"
