"""The reference of one window, where references move: the cells before it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors import ColumnShifts, DriftDetector
from flink_jobs.core.factory import make_test
from flink_jobs.core.failures import detector_code
from flink_jobs.core.references.fitted import (
    FittedView,
    RawRows,
    distinct_tests,
)
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.slices.store import SliceStore
from flink_jobs.core.slices.summary import merge_samples
from flink_jobs.core.state.rows import StoredRows
from flink_jobs.records.alerts import ReferenceSummary

if TYPE_CHECKING:
    from flink_jobs.core.views.view_watch import ViewWatch


class MovedReference:
    """The cells before one window, as :class:`~flink_jobs.core.references.rules.Moved`."""

    def __init__(
        self,
        view: ViewWatch,
        store: SliceStore,
        inside: Slices,
        fitted: FittedView,
        summary: ReferenceSummary,
    ) -> None:
        self._view = view
        self._store = store
        self._inside = inside
        self._fitted = fitted
        self._summary = summary

    def counts(self, test: int, n_cells: int) -> tuple[NDArray[np.int64], int]:
        """Return the counts of the cells of a test, and the number of events."""
        return self._store.counts(self._inside, n_cells, test), self._summary.n_events

    def sums(self, test: int) -> tuple[NDArray[np.float64], int]:
        """Return the sums of the features of a test, and the number of events."""
        return self._store.sums(self._inside, test), self._summary.n_events

    def detector(self, test: int) -> DriftDetector:
        """Return the detector of a test on rows, fitted to a sample of the cells."""
        view, fitted = self._view, self._fitted
        table = distinct_tests(view.plan.view)[test]

        def fit() -> FittedView:
            base = fitted.detectors[test]
            with detector_code():
                z_ref = base.reduce(fitted.encoded(self._rows))
                detector = base.with_test(make_test(table, view.plan.view), z_ref)
            return replace(fitted, detectors=(detector,), n_ref=len(z_ref))

        key = (view.plan.fingerprint, self._summary.fingerprint, str(test))
        return view.memory.fitted.kept(key, fit).detectors[0]

    def shifts(self) -> ColumnShifts:
        """Return what tells how columns have moved from a sample of the cells."""
        return self._fitted.shifts_from(self._rows)

    @property
    def sample(self) -> RawRows:
        """A sample of the cells, in the order of hashes."""
        by_hash = np.argsort(self._stored.key_array, kind="stable")
        return RawRows(self._rows.x[by_hash], self._rows.texts)

    @cached_property
    def _stored(self) -> StoredRows:
        samples: list[StoredRows] = [s.sample for s in self._store.summaries(self._inside)]
        return merge_samples(samples, self._view.sample_size)

    @cached_property
    def _rows(self) -> RawRows:
        events = self._stored.events()
        return RawRows(events.x, events.texts)
