"""A sequential detector that was fitted to a reference, with the reducer in front of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import (
    NoReduction,
    Prepared,
    Reducer,
    SequentialDetector,
    reducer_of_kind,
    sequential_detector_of_kind,
)
from detectors.arrays_io import arrays_below


class FittedSequential(NamedTuple):
    """A sequential detector that no event has reached, and the reducer in front of it."""

    reducer: Reducer
    detector: SequentialDetector

    def by_column(self, statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up the evidence of the dimensions that stand for one column of the view.

        Parameters
        ----------
        statistics : ndarray of float64
            Of a detector that goes on from this one.

        Returns
        -------
        ndarray of float64
            One for each column where each dimension is of one; last, that of whole rows.
        """
        reducer = self.reducer
        if not statistics.size or not isinstance(reducer, Prepared):
            return statistics
        if not isinstance(reducer.reducer, NoReduction):
            return statistics
        sources = reducer.sources
        of_columns = np.bincount(sources, statistics[: sources.size])
        return np.append(of_columns, statistics[sources.size :].sum())

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return both as named arrays."""
        kinds = np.array([self.reducer.kind.encode(), self.detector.kind.encode()], dtype="S32")
        return {
            "kinds": kinds,
            **{f"reducer/{name}": array for name, array in self.reducer.to_arrays().items()},
            **{f"detector/{name}": array for name, array in self.detector.to_arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> FittedSequential:
        """Restore what :meth:`to_arrays` returned."""
        reducer_kind, detector_kind = (kind.decode() for kind in arrays["kinds"].tolist())
        reducer = reducer_of_kind(reducer_kind).from_arrays(arrays_below("reducer/", arrays))
        detector = sequential_detector_of_kind(detector_kind)
        return cls(reducer, detector.from_arrays(arrays_below("detector/", arrays)))
