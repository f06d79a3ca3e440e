"""The frame of the statistics of a sliding window."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_rows, state_array, whole_number
from detectors.errors import InvalidStateError, ShapeError

FLOAT64 = np.dtype(np.float64)


class SlidingWindow:
    """The frame of the statistics of the last ``window_size`` events."""

    min_rows: ClassVar[int] = 1

    def __init__(self, window_size: int) -> None:
        self._window_size = whole_number(window_size, "window_size", at_least=self.min_rows)
        self._n_rows = 0
        self._statistic: float | None = None

    @property
    def window_size(self) -> int:
        """Events in the full window."""
        return self._window_size

    @property
    def n_rows(self) -> int:
        """Events taken in since ``fit``."""
        return self._n_rows

    @property
    def statistic(self) -> float | None:
        """The result of the last ``update``: None before the window is full."""
        return self._statistic


def as_row(
    row: ArrayLike, n_columns: int, n_rows: int, *, allow_missing: bool = False
) -> FloatArray:
    """Return the event after ``n_rows`` others as float64, shape (n_columns,).

    What already is such an array comes back as it is and is not looked into: callers find what is
    not finite while they compute, which saves 4 µs per event. Errors are InvalidSampleErrors.
    """
    if isinstance(row, np.ndarray) and row.dtype == FLOAT64 and row.shape == (n_columns,):
        return cast(FloatArray, row)
    if np.ndim(row) != 1:
        raise ShapeError(f"event {n_rows} must have 1 dimension, not {np.ndim(row)}")
    return checked_row(row, n_columns, n_rows, allow_missing=allow_missing)


def checked_row(
    row: ArrayLike, n_columns: int, n_rows: int, *, allow_missing: bool = False
) -> FloatArray:
    """As :func:`as_row`, with a look at the values: NonFiniteError names the event."""
    rows, name = np.asarray(row)[np.newaxis], f"event {n_rows}"
    checked = as_rows(rows, name, n_columns=n_columns, allow_missing=allow_missing)
    return checked.reshape(n_columns)


def stored_count(arrays: StateArrays) -> int:
    """The number of events that a stored window has taken in."""
    counts = state_array(arrays, "n_rows", ndim=1, kind="i").tolist()
    if len(counts) != 1 or counts[0] < 0:
        raise InvalidStateError("stored array 'n_rows' is not one count")
    return int(counts[0])


def stored_parameters(arrays: StateArrays, n_parameters: int) -> list[float]:
    """Stored parameters, of which the first may be NaN, the mark of the median bandwidth."""
    parameters = state_array(arrays, "parameters", ndim=1, allow_missing=True)
    if parameters.shape != (n_parameters,) or np.isnan(parameters[1:].astype(np.float64)).any():
        raise InvalidStateError("stored array 'parameters' has another form")
    return [float(value) for value in parameters.tolist()]
