"""The cells in which values are counted: those of all dimensions, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray
from detectors.two_sample.counts.search import Search


class Rule(IntEnum):
    """How edges cut a column into cells, apart from that of the missing values.

    ``ON_AND_BETWEEN``: a cell for each edge and one for each open interval around it, in ascending
    order. ``UP_TO``: intervals that reach up to and include their upper edge; the last has none.
    ``ALONE``: a cell for each edge, and a last one for all other values.
    """

    ON_AND_BETWEEN = 2
    UP_TO = 1
    ALONE = 0


class Cut(NamedTuple):
    """How one column is cut: by which rule, at which different, finite, ascending edges."""

    rule: Rule
    edges: FloatArray

    @property
    def n_cells(self) -> int:
        """Cells, with that of the missing values, which is the last."""
        if self.rule is Rule.ON_AND_BETWEEN:
            return 2 * self.edges.size + 2
        return self.edges.size + 2


class Cells:
    """The cells of all dimensions, numbered one after the other.

    Parameters
    ----------
    cuts : sequence of Cut
        One for each dimension.

    Attributes
    ----------
    n_cells : int
        Of all dimensions.
    starts : ndarray of int64, shape (n_dimensions,)
        The first cell of each dimension.
    missing : ndarray of int64, shape (n_dimensions,)
        The cell of its missing values, which is its last.

    Examples
    --------
    >>> cells = Cells([Cut(Rule.ON_AND_BETWEEN, np.array([1.0, 2.0]))])
    >>> cells.place(np.array([[0.0], [1.0], [1.5], [2.0], [9.0], [np.nan]])).ravel()
    array([0, 1, 2, 3, 4, 5], dtype=int32)
    """

    def __init__(self, cuts: Sequence[Cut]) -> None:
        self.cuts = tuple(cuts)
        sizes = np.array([cut.n_cells for cut in cuts])
        ends = np.cumsum(sizes)
        self.n_cells = int(ends[-1])
        self.starts: IntArray = ends - sizes
        self.missing: IntArray = ends - 1
        self._search = Search([cut.edges for cut in cuts])
        rules = np.array([cut.rule for cut in cuts])[:, np.newaxis]
        self._factor = np.where(rules == Rule.ON_AND_BETWEEN, 2, 1)
        self._is_alone = rules == Rule.ALONE
        self._any_alone = bool(self._is_alone.any())
        self._column = np.arange(len(sizes))[:, np.newaxis]

    @property
    def n_dimensions(self) -> int:
        """Dimensions that are cut."""
        return len(self.cuts)

    def place(self, x: FloatArray) -> NDArray[np.int32]:
        """Find the cell of each value of checked rows, shape (n, n_dimensions).

        200 rows of 10 dimensions among 1,000 edges take 60 to 110 µs on a shared core.
        """
        columns = np.ascontiguousarray(x.T)
        absent = np.isnan(columns)
        misses = np.count_nonzero(absent) > 0
        if misses:
            columns = np.where(absent, np.inf, columns)
        counts, are_edges = self._search.find(columns)
        # At or below an edge lies the edge itself: the cell is one less.
        counts *= self._factor
        counts -= are_edges
        counts += self.starts[:, np.newaxis]
        if self._any_alone:
            others = self._is_alone & ~are_edges
            counts = np.where(others, self.missing[:, np.newaxis] - 1, counts)
        if misses:
            counts = np.where(absent, self.missing[:, np.newaxis], counts)
        return np.ascontiguousarray(counts.T, dtype=np.int32)

    def count(self, cells: NDArray[np.int32]) -> IntArray:
        """How many values lie in each cell, shape (n_cells,)."""
        return np.bincount(cells.ravel(), minlength=self.n_cells).astype(np.int64, copy=False)

    def of(self, dimension: int) -> slice:
        """The cells of one dimension."""
        return slice(int(self.starts[dimension]), int(self.missing[dimension]) + 1)
