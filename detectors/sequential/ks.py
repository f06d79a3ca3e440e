"""The Kolmogorov–Smirnov distance of a sliding window from the reference, one event at a time."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray, IntArray, StateArrays
from detectors.checks import as_rows, fitted, state_array
from detectors.errors import InvalidStateError
from detectors.sequential.window import SlidingWindow, as_row, checked_row, stored_count
from detectors.two_sample.ks.distribution import ks_p_values


class SlidingKS(SlidingWindow):
    """Exact two-sample D of the last ``window_size`` events against the reference, per dimension.

    Every dimension holds the integer ``n_ref * C_test - window_size * C_ref`` just below and at
    each distinct value of its reference, where ``C`` counts the rows up to there. A value that
    enters and one that leaves change that process by ``n_ref`` between their two places only, and
    the largest absolute value in it is ``D * n_ref * window_size``: the supremum of
    ``F_test - F_ref`` lies just below a reference value, that of ``F_ref - F_test`` at one. Nothing
    is ever rounded, so D is that of the batch test after any number of events, with any ties.

    NaN stands for a missing value, in the reference and in the stream, and counts as a value above
    every number: a change of the share of missing values changes the distribution function.

    Before the window is full there is no statistic (None): a smaller window has another null
    distribution, so that neither thresholds nor p-values of the full one would apply.

    An event costs a binary search, an addition to a slice and two searches for an extreme per
    dimension, time and memory ``O(n_ref)`` at the most and constant.

    Parameters
    ----------
    window_size : int
        Events in the window, at least 1.

    Raises
    ------
    InvalidParameterError
        If ``window_size`` is not a whole number of at least 1.

    References
    ----------
    Hodges: The Significance Probability of the Smirnov Two-Sample Test, Arkiv för Matematik 1958,
    doi:10.1007/BF02589501

    dos Reis, Flach, Matwin, Batista: Fast Unsupervised Online Drift Detection Using Incremental
    Kolmogorov-Smirnov Test, KDD 2016, doi:10.1145/2939672.2939836

    Examples
    --------
    >>> sliding = SlidingKS(window_size=2).fit([[1.0], [2.0], [3.0], [4.0]])
    >>> [sliding.update([value]) for value in (2.0, 3.0, 9.0, 9.0)]
    [None, 0.25, 0.5, 1.0]
    >>> sliding.p_values().round(3)
    array([0.133])
    """

    def __init__(self, window_size: int) -> None:
        super().__init__(window_size)
        self._columns: FloatArray | None = None
        self._processes: list[_GapProcess] = []

    def fit(self, x_ref: FloatArray) -> Self:
        """Sort the columns of ``x_ref``, shape (n_ref, n_dimensions), and empty the window.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least one row of numbers, NaN being a missing one.
        """
        # Adding 0 turns -0.0 into 0.0: sorting leaves the order of the two, and the bytes, open.
        self._columns = np.sort(as_rows(x_ref, "x_ref", allow_missing=True).T, axis=1) + 0.0
        self._processes = [_GapProcess(column, self._window_size) for column in self._columns]
        self._n_rows, self._statistic = 0, None
        return self

    def update(self, row: ArrayLike) -> float | None:
        """Let ``row`` in and, once the window is full, the oldest row out.

        Parameters
        ----------
        row : array_like of numbers, shape (n_dimensions,)
            One event; NaN is a missing value.

        Returns
        -------
        float or None
            The largest D over the dimensions, None before the window is full.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``row`` is not made of ``n_dimensions`` numbers or holds infinity; nothing changes.
        """
        fitted(self._columns, self)
        processes, n_rows = self._processes, self._n_rows
        checked = as_row(row, len(processes), n_rows, allow_missing=True)
        values = checked.tolist()
        if math.inf in values or -math.inf in values:
            checked_row(checked, len(processes), n_rows, allow_missing=True)
        slot = n_rows % self._window_size
        for process, value in zip(processes, values, strict=True):
            process.place(slot, value)
        self._n_rows = n_rows + 1
        return self._judge()

    def _judge(self) -> float | None:
        """Work out the statistic where the window is full."""
        if self._n_rows >= self._window_size:
            processes = self._processes
            largest = max([process.gap() for process in processes])
            self._statistic = largest / (processes[0].n_ref * self._window_size)
        return self._statistic

    def gaps(self) -> IntArray | None:
        """``D * n_ref * window_size`` of each dimension; as all below, None until it is full."""
        if self._n_rows < self._window_size:
            return None
        return np.array([process.gap() for process in self._processes], dtype=np.int64)

    def statistics(self) -> FloatArray | None:
        """D of each dimension, shape (n_dimensions,), or None."""
        gaps = self.gaps()
        return None if gaps is None else gaps / (self._processes[0].n_ref * self._window_size)

    def p_values(self) -> FloatArray | None:
        """Uncorrected p-value of each D, shape (n_dimensions,), or None.

        It is that of one window: who looks at every window finds a small one sooner or later.
        """
        gaps = self.gaps()
        if gaps is None:
            return None
        return ks_p_values(gaps, self._processes[0].n_ref, self._window_size)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The sorted reference, where the values of the window lie in it, and the event count."""
        columns = fitted(self._columns, self)
        return {
            "columns": columns.copy(),
            "starts": np.array([process.starts for process in self._processes], dtype=np.int64),
            "n_rows": np.array([self._n_rows]),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a window that goes on with equal values.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe a window.
        """
        starts = state_array(arrays, "starts", ndim=2, kind="i").astype(np.int64)
        n_rows = stored_count(arrays)
        columns = state_array(arrays, "columns", ndim=2, allow_missing=True).astype(np.float64)
        if not np.array_equal(np.sort(columns, axis=1), columns, equal_nan=True):
            raise InvalidStateError("stored array 'columns' is not sorted")
        if len(columns) != len(starts):
            raise InvalidStateError("stored arrays 'columns' and 'starts' do not agree")
        sliding = cls(starts.shape[1]).fit(columns.T)
        for process, row in zip(sliding._processes, starts, strict=True):
            process.restore(row)
        sliding._n_rows = n_rows
        sliding._judge()
        return sliding


class _GapProcess:
    """One dimension: gaps below and at the distinct reference values, alternating.

    Entries ``2 * j`` and ``2 * j + 1`` belong to just below and at the j-th distinct value. A test
    value counts from its start on: ``2 * j`` where it lies below value j and above the one before,
    ``2 * j + 1`` where it equals value j. The end of the process is the start of a slot that is
    still empty, for it counts nowhere.

    A missing value is infinity here, which equals itself.
    """

    __slots__ = ("gaps", "n_ref", "starts", "values")

    def __init__(self, column: FloatArray, window_size: int) -> None:
        values, counts = np.unique(np.where(np.isnan(column), np.inf, column), return_counts=True)
        at = np.cumsum(counts)
        self.n_ref = len(column)
        self.values: list[float] = values.tolist()
        # No gap is larger than the product of the sizes; narrow integers are searched faster.
        narrow = np.min_scalar_type(-self.n_ref * window_size - 1)
        self.gaps = (np.stack([at - counts, at], axis=1).ravel() * -window_size).astype(narrow)
        self.starts = array("q", [len(self.gaps)]) * window_size

    def place(self, slot: int, value: float) -> None:
        """Put ``value`` in the place of what ``slot`` holds."""
        if value != value:
            value = math.inf
        values = self.values
        index = bisect_left(values, value)
        start = 2 * index + (index < len(values) and values[index] == value)
        leaving = self.starts[slot]
        self.starts[slot] = start
        if start < leaving:
            between = self.gaps[start:leaving]
            between += self.n_ref
        elif leaving < start:
            between = self.gaps[leaving:start]
            between -= self.n_ref

    def gap(self) -> int:
        """``D * n_ref * window_size``; argmax takes 0.5 µs for 2,000 gaps, max takes 3 µs."""
        gaps = self.gaps
        return int(max(gaps.item(gaps.argmax()), -gaps.item(gaps.argmin())))

    def restore(self, starts: IntArray) -> None:
        """Fill the window of a new process with values that lie at ``starts``."""
        end = len(self.gaps)
        if (starts < 0).any() or (starts > end).any():
            raise InvalidStateError("stored array 'starts' points outside the reference")
        counts = np.bincount(starts, minlength=end + 1)[:end]
        self.gaps += np.cumsum(counts) * self.n_ref
        self.starts = array("q", starts.tolist())
