"""Looking values of many columns up among sorted ones in a few passes over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray

_BUCKETS_PER_VALUE = 16
# So many values at either end share the outermost buckets: outliers stretch no grid.
_OUTER_VALUES = (0, 2, 6, 14)
# More in one bucket than these, which 5 halvings tell apart, and bisection is as fast.
_MOST_IN_BUCKET = 31
_MOST_BUCKETS = 2**22
# Of so few values bisection costs less than the passes: 20 rows of 3 take 12 µs, not 58.
_FEW_VALUES = 64


class _Grid(NamedTuple):
    """Equal buckets: where they begin, how many there are for each unit, and how many in all."""

    lowest: float
    scale: float
    n_buckets: int


class Search:
    """Counts how many of a column's edges lie at or below a value.

    A grid of equal buckets says about where a value lies, and halving the few edges that share its
    bucket says where. Bisection has branches that no processor can foresee: 200 rows of 10
    dimensions among 1,000 edges take it 220 to 480 µs, and this 60 to 110 (the machine was shared).

    Parameters
    ----------
    edges : sequence of ndarray of float64, each of shape (n_edges,)
        The different, finite edges of each column in ascending order; a column may have none.

    Examples
    --------
    >>> search = Search([np.array([1.0, 2.0]), np.array([5.0])])
    >>> counts, are_edges = search.find(np.array([[2.0, 0.0], [9.0, 5.0]]))
    >>> counts, are_edges
    (array([[2, 0],
           [1, 1]]), array([[ True, False],
           [False,  True]]))
    """

    def __init__(self, edges: Sequence[FloatArray]) -> None:
        self._edges = [np.asarray(column) for column in edges]
        grids = [_grid(column) for column in self._edges]
        most = [grid[1] for grid in grids if grid is not None]
        self._steps = [2**k for k in reversed(range(max(most, default=0).bit_length()))]
        # Behind each column lies infinity, for as far as the steps may look.
        padding = np.full(2 * _MOST_IN_BUCKET + 2, np.inf)
        self._padded = np.concatenate([part for c in self._edges for part in (c, padding)])
        sizes = np.array([column.size + padding.size for column in self._edges])
        self._firsts = (np.cumsum(sizes) - sizes)[:, np.newaxis]
        self._uneven = [d for d, grid in enumerate(grids) if grid is None]
        self._grid = _joined([None if grid is None else grid[0] for grid in grids])
        self._starts = self._counted_before()

    def find(self, columns: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Count the edges at or below each value, and say which values are edges.

        Parameters
        ----------
        columns : ndarray of float64, shape (n_dimensions, n)
            Without NaN; of infinity nothing is promised but that it raises nothing.
        """
        if columns.shape[1] <= _FEW_VALUES:
            at = np.empty(columns.shape, dtype=np.intp)
            self._bisect(at, columns, range(len(columns)))
        else:
            at = self._by_grid(columns)
            self._bisect(at, columns, self._uneven)
        are_edges = self._padded.take(at - 1, mode="wrap") == columns
        at -= self._firsts
        return at, are_edges

    def _bisect(self, at: NDArray[np.intp], columns: FloatArray, places: Iterable[int]) -> None:
        for place in places:
            at[place] = self._edges[place].searchsorted(columns[place], "right")
            at[place] += self._firsts[place]

    def _by_grid(self, columns: FloatArray) -> NDArray[np.intp]:
        lowest, scale, highest, firsts = self._grid
        with np.errstate(over="ignore"):
            places = columns - lowest
            places *= scale
        np.maximum(places, 0.0, out=places)
        np.minimum(places, highest, out=places)
        buckets = places.astype(np.intp)
        buckets += firsts
        at = self._starts.take(buckets)
        for step in self._steps:
            at += step * (self._padded.take(at + (step - 1)) <= columns)
        return at

    def _counted_before(self) -> NDArray[np.intp]:
        """Places at which the edges of each bucket begin among all padded ones."""
        lowest, scale, highest, _ = self._grid
        starts = []
        for d, column in enumerate(self._edges):
            n_buckets = int(highest[d, 0]) + 1
            with np.errstate(over="ignore"):
                places = np.minimum(np.maximum((column - lowest[d]) * scale[d], 0.0), highest[d])
            held = np.bincount(places.astype(np.intp), minlength=n_buckets)
            starts.append(np.cumsum(held) - held + self._firsts[d])
        return np.asarray(np.concatenate(starts), dtype=np.intp)


def _grid(edges: FloatArray) -> tuple[_Grid, int] | None:
    """The grid with the fewest edges in one bucket, and how many; None where no grid is of use."""
    if edges.size < 2:
        return _Grid(float(edges[0]) if edges.size else 0.0, 1.0, 1), edges.size
    n_buckets = _BUCKETS_PER_VALUE * edges.size
    if n_buckets > _MOST_BUCKETS:
        return None
    outermost = {min(outer, (edges.size - 1) // 4) for outer in _OUTER_VALUES}
    found = [_even(edges, outer, n_buckets) for outer in sorted(outermost)]
    useful = [pair for pair in found if pair is not None and pair[1] <= _MOST_IN_BUCKET]
    return min(useful, key=lambda pair: pair[1], default=None)


def _even(edges: FloatArray, outer: int, n_buckets: int) -> tuple[_Grid, int] | None:
    """A grid of equal buckets between two edges, and the most edges in one of them."""
    lowest, highest = float(edges[outer]), float(edges[-1 - outer])
    with np.errstate(over="ignore", divide="ignore"):
        scale = float(np.float64(n_buckets - 1) / np.float64(highest - lowest))
        if not (np.isfinite(scale) and scale > 0.0):
            return None
        places = np.minimum(np.maximum((edges - lowest) * scale, 0.0), n_buckets - 1)
    return _Grid(lowest, scale, n_buckets), int(np.bincount(places.astype(np.intp)).max())


def _joined(
    grids: Sequence[_Grid | None],
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.intp]]:
    """The grids of all columns, each part of shape (n_dimensions, 1); uneven ones have a bucket."""
    whole = [_Grid(0.0, 1.0, 1) if grid is None else grid for grid in grids]
    lowest, scale, n_buckets = (np.array(part)[:, np.newaxis] for part in zip(*whole, strict=True))
    firsts = np.cumsum(n_buckets, axis=0) - n_buckets
    return lowest, scale, n_buckets - 1.0, firsts.astype(np.intp)
