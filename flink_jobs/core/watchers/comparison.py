"""A window and its reference, ready to be tested by what the test needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from detectors import Dependence, DriftDetector, Needs, SummaryTest, TwoSampleResult, TwoSampleTest
from flink_jobs.config.views import View
from flink_jobs.core.incidents.judge import Evidence
from flink_jobs.core.record_parts import Named, column_shifts, exemplars
from flink_jobs.core.references.fitted import FittedView
from flink_jobs.core.references.rules import Compared
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.slices.store import SliceStore
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.records.alerts import SampleSummary


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

    def dependence(self, result: TwoSampleResult) -> Dependence:
        """Say how much the tested events depend on each other; those of a sample do less."""
        more = self._fitted.autocorrelation_time - 1.0
        shares = (
            result.n_ref / max(self._fitted.n_ref, result.n_ref),
            result.n_test / self._n_events,
        )
        return Dependence(*(1.0 + more * share for share in shares))

    def evidence(self, n_columns: int, n_exemplars: int) -> Evidence:
        """Say what moved most, and name the events that are least like the reference."""
        shifts = self._moved.shifts() if self._moved else self._fitted.shifts
        encoder, events = self._fitted.encoder, self._events
        moves = shifts.compare(self._x)
        others = encoder.other_shares(events.x, events.texts)
        named = Named(encoder, others, len(events), is_of_reference=self._moved is None)
        shown = []
        if n_exemplars:
            shown = exemplars(events, self._detector.event_scores_reduced(self._z), n_exemplars)
        return Evidence(
            column_shifts(moves, self._view.slots, named, n_columns),
            shown,
            SampleSummary(n_ref=shifts.n_ref, n_test=len(events)),
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
    def _events(self) -> EventColumns:
        return self._store.sample(self._slices).events()

    @cached_property
    def _x(self) -> NDArray[np.float64]:
        return self._fitted.encoder.encode(self._events.x, self._events.texts)

    @cached_property
    def _z(self) -> NDArray[np.float64]:
        return self._detector.reduce(self._x)
