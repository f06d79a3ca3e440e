"""The maximum mean discrepancy of a sliding window from the reference, one event at a time."""

from __future__ import annotations

import sys
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_rows, fitted, state_array
from detectors.errors import InvalidParameterError, InvalidStateError
from detectors.sequential.window import (
    SlidingWindow,
    as_row,
    checked_row,
    stored_count,
    stored_parameters,
)
from detectors.two_sample.kernels import (
    Bandwidth,
    check_bandwidth,
    gaussian_kernel,
    median_bandwidth,
    restored_bandwidth,
    squared_distances,
    stored_bandwidth,
)
from detectors.two_sample.random_features import mean_row

FAR = 32.0
"""From this ``|row - centre|² / bandwidth`` on, rows are compared by their differences."""

NOWHERE = 2_000.0
"""What stands for any larger ``|row - centre|² / bandwidth``: the kernel with a row nearer than
``FAR`` is at most exp(-(sqrt(2000) - sqrt(32))²) < exp(-1500), which is 0 in float64."""


class SlidingMMD(SlidingWindow):
    """Unbiased MMD² between the reference and the last ``window_size`` events.

    Definition and kernel, ``exp(-d² / bandwidth)``, are those of ``MMDTest``.
    The bandwidth is fixed by ``fit``: "median" is the median over pairs of reference rows, where
    the batch test takes it from the pooled sample of every test.

    An event costs one product of the reference and the window with the new row, and one
    exponential per row of both. Time and memory stay constant: a row of the window keeps the sum
    of its kernel values with the reference, and with the rows that came after it. When it leaves,
    as the oldest, all pairs that it belongs to leave with it. Sums begin anew with every row, so
    that rounding never adds up over more than ``window_size`` events.

    Rows are taken relative to the mean of the reference, and ``|a|² + |b|² - 2ab`` gives the
    distance of two only where ``|row - mean|² / bandwidth < 32`` for one of them (about 0.5 for a
    row like those of the reference); where both are farther, their difference does. A kernel value
    is then within ``130 * (n_dimensions + 6) * eps`` of the exact one, 1.1e-12 for 32 dimensions,
    and MMD² within three times that plus ``(n_ref + 3 * window_size) * eps``. Measured over 20,000
    events with n_ref = 1000, window_size = 100 and 32 dimensions: 5e-16 without a drift, 1.6e-15
    with one of 8 standard deviations in every dimension.

    Parameters
    ----------
    window_size : int
        Events in the window, at least 2.
    bandwidth : float or "median"
        Positive, in the unit of squared distances.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf, Smola: A Kernel Two-Sample Test, JMLR 13, 2012

    Cobb, Van Looveren, Klaise: Sequential Multivariate Change Detection with Calibrated and
    Memoryless False Detection Rates, AISTATS 2022, doi:10.48550/arXiv.2108.00883

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sliding = SlidingMMD(window_size=50).fit(rng.normal(size=(200, 3)))
    >>> for row in rng.normal(loc=1.0, size=(50, 3)):
    ...     mmd2 = sliding.update(row)
    >>> round(mmd2, 2)
    0.2
    """

    min_rows: ClassVar[int] = 2

    def __init__(self, window_size: int, bandwidth: Bandwidth = "median") -> None:
        super().__init__(window_size)
        self._configured_bandwidth = check_bandwidth(bandwidth)
        self._x_ref: FloatArray | None = None

    @property
    def bandwidth(self) -> float:
        """The bandwidth in use, known after ``fit``."""
        fitted(self._x_ref, self)
        return self._bandwidth

    def fit(self, x_ref: FloatArray) -> Self:
        """Keep a copy of ``x_ref``, shape (n_ref, n_dimensions), and empty the window.

        Takes ``n_ref * (n_ref - 1) / 2`` distances at once: 4 MB for 1,000 rows.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least two finite rows, or their distances overflow.
        """
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows)
        distances = squared_distances(rows)
        bandwidth = self._configured_bandwidth
        if bandwidth == "median":
            bandwidth = median_bandwidth(distances)
        self._start(rows, bandwidth, float(gaussian_kernel(distances, bandwidth).mean()))
        return self

    def _start(self, x_ref: FloatArray, bandwidth: float, within_ref: float) -> None:
        """Lay out the reference with an empty window below it."""
        n_ref, n_dimensions = x_ref.shape
        window_size = self._window_size
        self._x_ref = x_ref.copy()
        self._bandwidth, self._within_ref = bandwidth, within_ref
        self._n_rows, self._statistic = 0, None
        # A subnormal bandwidth must not make the product of a 0 and an infinity.
        self._slope = min(2.0 / bandwidth, sys.float_info.max)
        self._centre = mean_row(x_ref)
        # The product of a row of the stack with the point [x, -1, -|x|² / b] is the exponent
        # -|r - x|² / b; a row is [2 r / b, |r|² / b, 1], with r and x relative to the centre.
        # Column after column in memory, the product takes about a sixth less time.
        self._stack = np.zeros((n_ref + window_size, n_dimensions + 2), order="F")
        self._stack[:, -1] = 1.0
        self._point = np.full(n_dimensions + 2, -1.0)
        self._offset = self._point[:n_dimensions]
        self._window = np.zeros((window_size, n_dimensions))
        self._kernel = np.empty(n_ref + window_size)
        self._kernel_ref, self._kernel_window = np.split(self._kernel, [n_ref])
        # What a row has summed up: kernel values with later rows, then with the reference.
        self._sums = np.zeros(2 * window_size)
        self._to_later, self._to_ref = np.split(self._sums, 2)
        self._weights = np.repeat(
            [2.0 / (window_size * (window_size - 1)), -2.0 / (n_ref * window_size)], window_size
        )
        self._ones = np.ones(n_ref)
        distances = np.empty(n_ref)
        for index, row in enumerate(x_ref):
            distances[index] = self._relative(row)
            self._lay(index, distances[index])
        self._far_ref = np.flatnonzero(~(distances < FAR))

    def update(self, row: ArrayLike) -> float | None:
        """Let ``row`` in and, once the window is full, the oldest row out.

        Parameters
        ----------
        row : array_like of numbers, shape (n_dimensions,)
            One event.

        Returns
        -------
        float or None
            MMD², which may be slightly negative under the null; None before the window is full.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``row`` is not made of ``n_dimensions`` finite numbers; nothing changes then.
        """
        fitted(self._x_ref, self)
        n_rows, n_dimensions = self._n_rows, len(self._centre)
        checked = as_row(row, n_dimensions, n_rows)
        distance = self._relative(checked)
        if not distance < FAR:  # true for NaN
            self._fill_far_kernel(checked_row(checked, n_dimensions, n_rows), distance)
        else:
            self._fill_kernel(distance)
        slot = n_rows % self._window_size
        self._to_later += self._kernel_window
        self._to_later[slot] = 0.0
        self._to_ref[slot] = self._ones.dot(self._kernel_ref)
        self._window[slot] = checked
        self._lay(len(self._ones) + slot, distance)
        self._n_rows = n_rows + 1
        return self._judge()

    def _judge(self) -> float | None:
        """Work out the statistic where the window is full."""
        if self._n_rows >= self._window_size:
            self._statistic = self._within_ref + float(self._weights.dot(self._sums))
        return self._statistic

    def _relative(self, row: FloatArray) -> float:
        """Take ``row`` relative to the centre and return its squared norm over the bandwidth."""
        offset = np.subtract(row, self._centre, out=self._offset)
        return float(offset.dot(offset)) / self._bandwidth

    def _lay(self, index: int, distance: float) -> None:
        """Lay the row that was last taken relative to the centre into the stack."""
        laid = self._stack[index]
        if distance < NOWHERE:
            np.multiply(self._offset, self._slope, out=laid[:-2])
            laid[-2] = distance
        else:
            laid[:-2] = 0.0
            laid[-2] = NOWHERE

    def _fill_kernel(self, distance: float) -> None:
        """Kernel values of the row that was last taken relative to the centre."""
        self._point[-1] = -distance
        np.dot(self._stack, self._point, out=self._kernel)
        np.exp(self._kernel, out=self._kernel)

    def _fill_far_kernel(self, row: FloatArray, distance: float) -> None:
        """The same for a far row: what may be as far as it is, is compared by differences."""
        if distance < NOWHERE:
            self._fill_kernel(distance)
        else:
            self._kernel[:] = 0.0
        self._kernel_window[:] = self._kernel_with(self._window, row)
        if self._far_ref.size:
            far = fitted(self._x_ref, self)[self._far_ref]
            self._kernel_ref[self._far_ref] = self._kernel_with(far, row)

    def _kernel_with(self, rows: FloatArray, row: FloatArray) -> FloatArray:
        """Kernel values from differences; rows too far apart for float64 have 0."""
        with np.errstate(over="ignore"):
            differences = rows - row
            distances = np.einsum("nd,nd->n", differences, differences)
        return gaussian_kernel(distances, self._bandwidth)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The reference, the window in the order of its slots, their sums and the parameters.

        The parameters are the bandwidth asked for, NaN for the median, the one in use and the mean
        kernel value within the reference.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        configured = stored_bandwidth(self._configured_bandwidth)
        return {
            "x_ref": fitted(self._x_ref, self).copy(),
            "window": self._window.copy(),
            "sums": self._sums.copy(),
            "n_rows": np.array([self._n_rows]),
            "parameters": np.array([configured, self._bandwidth, self._within_ref]),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a window that goes on with equal values.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe a window.
        """
        x_ref = state_array(arrays, "x_ref", ndim=2).astype(np.float64)
        window = state_array(arrays, "window", ndim=2).astype(np.float64)
        sums = state_array(arrays, "sums", ndim=1).astype(np.float64)
        n_rows = stored_count(arrays)
        configured, bandwidth, within_ref = stored_parameters(arrays, 3)
        if window.shape[1] != x_ref.shape[1] or len(sums) != 2 * len(window) or len(x_ref) < 2:
            raise InvalidStateError("stored arrays 'x_ref', 'window', 'sums' do not agree")
        try:
            sliding = cls(len(window), restored_bandwidth(configured))
            check_bandwidth(bandwidth)
        except InvalidParameterError as error:
            raise InvalidStateError("stored arrays describe no sliding MMD") from error
        sliding._start(x_ref, bandwidth, within_ref)
        sliding._resume(window, sums, n_rows)
        return sliding

    def _resume(self, window: FloatArray, sums: FloatArray, n_rows: int) -> None:
        """Fill the window, empty so far, as it was after ``n_rows`` events."""
        n_ref = len(self._ones)
        for slot in range(min(n_rows, self._window_size)):
            self._lay(n_ref + slot, self._relative(window[slot]))
        self._window[:] = window
        self._sums[:] = sums
        self._n_rows = n_rows
        self._judge()
