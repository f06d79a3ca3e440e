"""A coarse index of sorted rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray

# With 4 a search took 120 µs, with 16 the index of 10 dimensions would leave the processor's cache.
_BUCKETS_PER_VALUE = 8
_MOST_STEPS = 32


class Grid:
    """Says about where a value lies among sorted ones: at most 32 of them too early.

    Looking up 500 unsorted rows of 10 dimensions among 1,000 takes 90 µs with it, and 330 µs by
    bisection, whose branches no processor can foresee.
    """

    def __init__(self, lowest: FloatArray, scale: FloatArray, starts: NDArray[np.int32]) -> None:
        self._lowest = lowest
        self._scale = scale
        self._starts = starts
        self._firsts = np.arange(len(starts))[:, np.newaxis] * starts.shape[1]

    @classmethod
    def of(cls, ref: FloatArray) -> Grid | None:
        """Of rows of sorted values, shape (n_rows, n); None where they lie too unevenly."""
        n_buckets = _BUCKETS_PER_VALUE * ref.shape[1]
        lowest = ref[:, :1]
        with np.errstate(divide="ignore", over="ignore"):
            scale = (n_buckets - 1) / (ref[:, -1:] - lowest)
        if not (np.isfinite(scale) & (scale > 0.0)).all():
            return None
        grid = cls(lowest, scale, np.zeros((len(ref), n_buckets + 1), dtype=np.int32))
        for row, buckets in enumerate(grid._buckets(ref)):
            # How many values lie in the buckets before.
            grid._starts[row] = buckets.searchsorted(np.arange(n_buckets + 1), "left")
        return None if np.diff(grid._starts, axis=1).max() > _MOST_STEPS else grid

    def at_most(self, columns: FloatArray) -> NDArray[np.int32]:
        """No more than the number of values at or below each of ``columns``, shape (n_rows, k).

        Rounding is monotonic, so a value in an earlier bucket is a smaller one.
        """
        return np.asarray(self._starts.ravel()[self._buckets(columns) + self._firsts])

    def _buckets(self, columns: FloatArray) -> IntArray:
        highest = self._starts.shape[1] - 1
        with np.errstate(over="ignore"):
            places = (columns - self._lowest) * self._scale
        return np.asarray(places.clip(0, highest).astype(np.int64))
