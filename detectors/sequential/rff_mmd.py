"""The maximum mean discrepancy of a sliding window, from random Fourier features."""

from __future__ import annotations

import math
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_finite, as_rows, fitted, state_array
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
    restored_bandwidth,
    stored_bandwidth,
)
from detectors.two_sample.random_features import (
    check_features,
    draw_frequencies,
    mean_row,
    random_features,
    used_bandwidth,
    within,
)


class SlidingRFFMMD(SlidingWindow):
    """Unbiased MMD² of the last ``window_size`` events from the reference, by random features.

    The value is that of :func:`rff_mmd2`; method, source and error are stated there. Time
    per event and memory do not depend on the number of reference rows.

    The features of the window are added up, and those that leave are taken off. A second sum begins
    anew with every turn of the window and takes the place of the first when the turn is complete,
    so that rounding never adds up over more than ``2 * window_size`` events. MMD² is within
    ``(20 * window_size + 8 * (n_dimensions + 2) * phase) * eps`` of the batch value; ``phase`` is
    the largest product of the norms of a frequency and of a row relative to the mean of the
    reference. Measured over 20,000 events with window_size = 100 and 32 dimensions: 2.3e-16.

    Parameters
    ----------
    window_size : int
        Events in the window, at least 2.
    n_features : int
        Even and positive.
    bandwidth : float or "median"
        Positive, in the unit of squared distances; "median" is that of pairs of reference rows.
    seed : int
        Draws the frequencies; at least 0.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    Examples
    --------
    >>> from detectors import rff_mmd2
    >>> rng = np.random.default_rng(0)
    >>> x_ref, x_test = rng.normal(size=(200, 3)), rng.normal(loc=1.0, size=(100, 3))
    >>> sliding = SlidingRFFMMD(window_size=100, bandwidth=4.0).fit(x_ref)
    >>> for row in x_test:
    ...     mmd2 = sliding.update(row)
    >>> abs(mmd2 - rff_mmd2(x_ref, x_test, bandwidth=4.0)) < 1e-14
    True
    """

    min_rows: ClassVar[int] = 2

    def __init__(
        self,
        window_size: int,
        n_features: int = 256,
        bandwidth: Bandwidth = "median",
        seed: int = 0,
    ) -> None:
        super().__init__(window_size)
        check_features(n_features, seed)
        self._n_features, self._seed = n_features, seed
        self._configured_bandwidth = check_bandwidth(bandwidth)
        self._frequencies: FloatArray | None = None

    @property
    def bandwidth(self) -> float:
        """The bandwidth in use, known after ``fit``."""
        fitted(self._frequencies, self)
        return self._bandwidth

    def fit(self, x_ref: FloatArray) -> Self:
        """Embed ``x_ref``, shape (n_ref, n_dimensions), which is not kept, and empty the window.

        The median bandwidth takes ``n_ref * (n_ref - 1) / 2`` distances at once, a number none.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least two finite rows, or distances or phases overflow.
        """
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows)
        bandwidth = used_bandwidth(rows, self._configured_bandwidth)
        centre, n_features = mean_row(rows), self._n_features
        frequencies = draw_frequencies(rows.shape[1], n_features, bandwidth, self._seed)
        mean_ref = random_features(rows - centre, frequencies).mean(axis=0)
        self._bandwidth, self._within_ref = bandwidth, within(mean_ref, len(rows))
        self._start(frequencies, centre, mean_ref)
        return self

    def _start(self, frequencies: FloatArray, centre: FloatArray, mean_ref: FloatArray) -> None:
        """Empty the window."""
        n_features = self._n_features
        self._frequencies, self._centre = frequencies, centre
        self._n_rows, self._statistic = 0, None
        self._features = np.zeros((self._window_size, n_features))
        # The mean of the reference, the sum over the window, that over the turn under way.
        self._embeddings = np.stack([mean_ref, np.zeros(n_features), np.zeros(n_features)])
        self._mean_ref, self._sum, self._turn = self._embeddings
        self._entering = np.empty(n_features)
        self._cosines, self._sines = np.split(self._entering, 2)

    def update(self, row: ArrayLike) -> float | None:
        """Let ``row`` in and, once the window is full, the oldest row out.

        Parameters
        ----------
        row : array_like of numbers, shape (n_dimensions,)
            One event.

        Returns
        -------
        float or None
            The estimate of MMD²; None before the window is full.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``row`` is not made of ``n_dimensions`` finite numbers, or its phases overflow;
            nothing changes then.
        """
        frequencies = fitted(self._frequencies, self)
        checked = as_row(row, len(self._centre), self._n_rows)
        phases = frequencies.dot(checked - self._centre)
        if not math.isfinite(phases.dot(phases)):
            checked_row(checked, len(self._centre), self._n_rows)
            as_finite(phases[np.newaxis], f"event {self._n_rows}: its phases")
        np.cos(phases, out=self._cosines)
        np.sin(phases, out=self._sines)
        self._exchange(self._n_rows % self._window_size)
        self._n_rows += 1
        return self._judge()

    def _exchange(self, slot: int) -> None:
        """Put the entering features in the place of those that ``slot`` holds."""
        self._sum -= self._features[slot]
        self._sum += self._entering
        self._turn += self._entering
        self._features[slot] = self._entering
        if slot == self._window_size - 1:
            self._sum[:] = self._turn
            self._turn[:] = 0.0

    def _judge(self) -> float | None:
        """Work out the statistic where the window is full."""
        if self._n_rows >= self._window_size:
            mean = self._sum / self._window_size
            between = float(self._mean_ref.dot(mean)) / len(self._cosines)
            both = self._within_ref + within(mean, self._window_size)
            self._statistic = both - 2.0 * between
        return self._statistic

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The map to features, the window in slot order, its sums and the parameters.

        The parameters are the bandwidth asked for, NaN for the median, the one in use, the mean
        kernel value within the reference and the seed.
        """
        configured = stored_bandwidth(self._configured_bandwidth)
        return {
            "frequencies": fitted(self._frequencies, self).copy(),
            "centre": self._centre.copy(),
            "features": self._features.copy(),
            "embeddings": self._embeddings.copy(),
            "n_rows": np.array([self._n_rows]),
            "parameters": np.array([configured, self._bandwidth, self._within_ref, self._seed]),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a window that goes on with equal values.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe a window.
        """
        frequencies, features, embeddings = (
            state_array(arrays, name, ndim=2).astype(np.float64)
            for name in ("frequencies", "features", "embeddings")
        )
        centre = state_array(arrays, "centre", ndim=1).astype(np.float64)
        window_size, n_features = features.shape
        shapes = frequencies.shape, embeddings.shape
        if shapes != ((n_features // 2, len(centre)), (3, n_features)):
            raise InvalidStateError("stored arrays of different sizes describe no window")
        configured, bandwidth, within_ref, seed = stored_parameters(arrays, 4)
        try:
            check_bandwidth(bandwidth)
            sliding = cls(window_size, n_features, restored_bandwidth(configured), int(seed))
        except InvalidParameterError as error:
            raise InvalidStateError("stored arrays describe no sliding MMD") from error
        sliding._bandwidth, sliding._within_ref = bandwidth, within_ref
        sliding._start(frequencies, centre, embeddings[0])
        sliding._features[:], sliding._embeddings[:] = features, embeddings
        sliding._n_rows = stored_count(arrays)
        sliding._judge()
        return sliding
