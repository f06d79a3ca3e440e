"""A window and its reference, ready to be tested by what the test needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from detectors import (
    ColumnMove,
    ColumnShifts,
    Dependence,
    DriftDetector,
    Needs,
    SummaryTest,
    TwoSampleResult,
    TwoSampleTest,
)
from flink_jobs.config.views import View
from flink_jobs.core.incidents.evidence import Sides
from flink_jobs.core.incidents.judge import WhatMoved
from flink_jobs.core.incidents.segments import Segments, Side, confined_moves
from flink_jobs.core.record_parts import MOST_CATEGORIES, Named, column_shifts, exemplars
from flink_jobs.core.references.fitted import FittedView, RawRows
from flink_jobs.core.references.rules import Compared
from flink_jobs.core.sampling import smallest
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.slices.store import SliceStore
from flink_jobs.core.state.rows import StoredRows
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.texts import joined
from flink_jobs.records.alerts import ColumnShift, Exemplar, SampleSummary, SegmentMove


class WindowComparison:
    """A window against its reference, as :class:`~flink_jobs.core.incidents.judge.Comparison`.

    Parameters
    ----------
    view : View
    store : SliceStore
        Of the watcher.
    slices : Slices
        Those whose events are tested.
    n_events : int
        Their number.
    test_place : int
        The place of the watcher's test among the distinct ones of the view.
    compared : Compared
        With detectors.
    """

    def __init__(
        self,
        view: View,
        store: SliceStore,
        slices: Slices,
        n_events: int,
        test_place: int,
        compared: Compared,
    ) -> None:
        assert compared.fitted is not None  # noqa: S101 - a window without a reference is not tested
        self._view = view
        self._store = store
        self._slices = slices
        self._n_events = n_events
        self._test_place = test_place
        self._moved = compared.moved
        self._fitted: FittedView = compared.fitted

    @property
    def test(self) -> TwoSampleTest:
        """The test, fitted."""
        return self._detector.two_sample_test

    @property
    def needs_rows(self) -> bool:
        """Tell whether the test sees the sample rather than all events."""
        return self._fitted.detectors[self._test_place].two_sample_test.needs is Needs.ROWS

    def run(self, rng: Callable[[], np.random.Generator]) -> TwoSampleResult:
        """Test the window; ``rng`` makes the randomness of tests that draw."""
        test = self.test
        if test.needs is Needs.ROWS:
            return self._detector.test_reduced(self._z, rng=rng())
        summary, reference = self._summary(cast(Any, test))
        # A generator takes as long to make as KS takes to test a window.
        return cast(SummaryTest, test).test_summary(
            summary, self._n_events, rng=rng() if test.draws else None, reference=reference
        )

    def dependence(self, result: TwoSampleResult) -> Sequence[Dependence]:
        """Say how much the tested events depend on each other; those of a sample do less."""
        own = self._fitted.dependence[self._test_place]
        if own is None:
            return ()
        of_ref = result.n_ref / max(self._fitted.n_ref, result.n_ref)
        return own.at(self._n_events, of_ref, result.n_test / self._n_events)

    def evidence(self, n_columns: int, n_exemplars: int) -> WhatMoved:
        """Say what moved most, and name the events that are least like the reference."""
        moves, sample = self.moves(n_columns)
        shown = []
        if n_exemplars:
            scores = self._detector.event_scores_reduced(self._z)
            shown = exemplars(self._events, scores, n_exemplars)
        return WhatMoved(moves, self._confined(), shown, sample)

    def moves(
        self, most: int, most_categories: int = MOST_CATEGORIES
    ) -> tuple[list[ColumnShift], SampleSummary]:
        """Say how columns moved, what moved most first, and in how many events."""
        encoder, events = self._fitted.encoder, self._events
        others = encoder.other_shares(events.x, events.texts)
        named = Named(encoder, others, len(events), is_of_reference=self._moved is None)
        moves = column_shifts(self._moves, self._view.slots, named, most, most_categories)
        return moves, SampleSummary(n_ref=self._shifts.n_ref, n_test=len(events))

    def sides(self, most: int, shown: Sequence[Exemplar]) -> Sides:
        """Return a sample of each side, and of the window the exemplars that it does not hold."""
        reference, events = self._ref_sample, self._events
        chosen = np.arange(len(events))[smallest(self._stored.key_array, most)]
        wanted = {(each.partition, each.offset, each.row) for each in shown}
        rest = np.setdiff1d(np.arange(len(events)), chosen)
        places = zip(*(a.tolist() for a in (events.partitions, events.offsets, events.rows)),
                     strict=True)  # fmt: skip
        is_shown = np.array([place in wanted for place in places], dtype=np.bool_)
        more = rest[is_shown[rest]]
        taken = events.take(np.concatenate([chosen, more]))
        return Sides(
            RawRows(reference.x[:most], reference.texts),
            RawRows(taken.x, taken.texts),
            taken.event_ids,
            len(more),
        )

    def _confined(self) -> list[SegmentMove]:
        """Name the segments to which what moved is confined."""
        slots = self._view.row_slots
        places = [place for place, slot in enumerate(slots) if slot.column.role == "segment"]
        if not places:
            return []
        reference, events = self._ref_sample, self._events
        x, texts = joined([reference.x, events.x], [reference.texts, events.texts])
        n_ref = len(reference.x)
        return confined_moves(
            Side(self._fitted.encoded(reference), x[:n_ref, places]),
            Side(self._x, x[n_ref:, places]),
            self._moves,
            self._view.slots,
            Segments(
                [slots[place].name for place in places], [texts.get(place, ()) for place in places]
            ),
        )

    def _summary(self, test: SummaryTest) -> tuple[NDArray[Any], tuple[NDArray[Any], int] | None]:
        moved, place = self._moved, self._test_place
        if test.needs is Needs.SUMS:
            return self._store.sums(self._slices), moved.sums(place) if moved else None
        counts = self._store.counts(self._slices, test.summary_size)
        return counts, moved.counts(place, test.summary_size) if moved else None

    @cached_property
    def _detector(self) -> DriftDetector:
        if self._moved is not None and self.needs_rows:
            return self._moved.detector(self._test_place)
        return self._fitted.detectors[self._test_place]

    @cached_property
    def _shifts(self) -> ColumnShifts:
        return self._moved.shifts() if self._moved else self._fitted.shifts

    @property
    def _ref_sample(self) -> RawRows:
        return self._moved.sample if self._moved else self._fitted.sample

    @cached_property
    def _moves(self) -> list[ColumnMove]:
        return self._shifts.compare(self._x)

    @cached_property
    def _stored(self) -> StoredRows:
        return self._store.sample(self._slices)

    @cached_property
    def _events(self) -> EventColumns:
        return self._stored.events()

    @cached_property
    def _x(self) -> NDArray[np.float64]:
        return self._fitted.encoded(RawRows(self._events.x, self._events.texts))

    @cached_property
    def _z(self) -> NDArray[np.float64]:
        return self._detector.reduce(self._x)
