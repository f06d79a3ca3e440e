"""The work on one pane that the watchers of a view share: nothing is reduced or looked up twice."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from detectors import CountsTest, Needs, Reducer, SummaryTest
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.failures import DetectorFailedError, detector_code
from flink_jobs.core.references.fitted import FittedView, RawRows
from flink_jobs.core.references.fitted_sequential import FittedSequential
from flink_jobs.core.slices.counts import counts_of
from flink_jobs.core.slices.summary import Measure, sample_rows
from flink_jobs.core.state.rows import StoredRows


class PaneWork:
    """Measures and samples of the events of one pane.

    Parameters
    ----------
    pane : PaneEvents
        With the columns of the view.
    fitted : FittedView or DetectorFailedError
        The error where the detectors cannot be restored.
    sample_size : int

    """

    def __init__(
        self, pane: PaneEvents, fitted: FittedView | DetectorFailedError, sample_size: int
    ) -> None:
        self.pane = pane
        self._unfitted = str(fitted) if isinstance(fitted, DetectorFailedError) else ""
        self._fitted = None if isinstance(fitted, DetectorFailedError) else fitted
        self._failures: dict[int, str] = {}
        self._sample_size = sample_size
        self._reduced: dict[int, NDArray[np.float64]] = {}
        self._placed: dict[int, NDArray[np.int32]] = {}
        self._samples: dict[tuple[int, int], StoredRows] = {}
        self._measures: dict[tuple[int, int, int], Measure] = {}

    def measure(self, test_place: int, rows: slice) -> Measure:
        """Return what a test needs of some rows; nothing where they could not be reduced."""
        key = (test_place, rows.start, rows.stop)
        if key not in self._measures:
            self._measures[key] = self._measured(test_place, rows)
        return self._measures[key]

    def failure(self, test_place: int) -> str:
        """Return the reason why the events could not be measured for a test; empty if they were."""
        return self._failures.get(test_place, self._unfitted)

    def sample(self, rows: slice) -> StoredRows:
        """Return the sample of some rows."""
        key = (rows.start, rows.stop)
        if key not in self._samples:
            piece = self.pane.take(rows)
            self._samples[key] = sample_rows(piece.events, piece.keys, self._sample_size)
        return self._samples[key]

    def sequential(self, place: int) -> FittedSequential:
        """Return a sequential detector of the view that no event has reached, and its reducer.

        Raises
        ------
        DetectorFailedError
            When the detectors of the view could not be restored.
        """
        if self._fitted is None:
            raise DetectorFailedError(self._unfitted)
        return self._fitted.sequential[place]

    def reduced(self, reducer: Reducer) -> NDArray[np.float64]:
        """Reduce all events of the pane, once for all detectors with one reducer.

        It runs the code of the reducer, and raises what that raises.
        """
        key = id(reducer)
        if key not in self._reduced:
            assert self._fitted is not None  # noqa: S101 - the reducer is one of its
            events = self.pane.events
            rows = RawRows(events.x, events.texts)
            self._reduced[key] = reducer.transform(self._fitted.encoded(rows))
        return self._reduced[key]

    def _measured(self, test_place: int, rows: slice) -> Measure:
        if self._fitted is None:
            return Measure()
        test = self._fitted.detectors[test_place].two_sample_test
        if test.needs is Needs.ROWS:
            return Measure()
        try:
            with detector_code():
                return self._of_summary_test(test_place, cast(Any, test), rows)
        except DetectorFailedError as error:
            self._failures.setdefault(test_place, str(error))
            return Measure()

    def _of_summary_test(self, test_place: int, test: SummaryTest, rows: slice) -> Measure:
        assert self._fitted is not None  # noqa: S101 - asked where there is one
        z = self.reduced(self._fitted.detectors[test_place].reducer)
        if test.needs is Needs.SUMS:
            return Measure(sums=test.summarise(z[rows]).astype(np.float64).tobytes())
        if test_place not in self._placed:
            self._placed[test_place] = cast(CountsTest, test).place(z)
        return Measure(counts_of(self._placed[test_place][rows], test.summary_size))
