"""Columns of categories as columns of numbers that distances and projections can use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray
from detectors.reducers.robust_scale import BOUND

MOST_INDICATORS = 16
"""Categories of a column that have an indicator of their own, at most."""

MOST_INDICATORS_IN_ALL = 512
"""Of all columns together, as long as each has two: beyond it 200 columns give 600 indicators."""

LEAST_ROWS = 10
LEAST_SHARE = 0.05
"""Rows and share of the reference from which on a category has an indicator of its own.

With lower ones the choice itself tells the reference from a sample: with 40 categories and the 16
most frequent of at least 5 rows, energy alarmed at a level of 0.05 in 25 % of 60 tries without a
drift (400 rows each); with these in 2 %.
"""


@dataclass(frozen=True, eq=False)
class Indicators:
    """The indicators of one column of categories.

    A category has an indicator of its own where at least 10 rows and 5 % of the reference have it
    and it is among the most frequent; of equally frequent ones the lowest code comes first. All
    others share one more, the last: rare categories and those that the reference never had, so
    that a move among rare ones alone is not seen. A missing value, NaN, is a category like others.

    Two rows of a standardised number are 2 apart on average, in squared distance. The indicators'
    common weight makes that so for the categories as well; it is at most ``BOUND / sqrt(2)``, so
    that a row which leaves the only category of the reference is ``BOUND`` away from the others.

    Attributes
    ----------
    codes : ndarray of float64, shape (n_kept,)
        Ascending, NaN last: the categories that have an indicator of their own.
    weight : float
        What an indicator is where the row has the category; 0 elsewhere.
    has_rest : bool
        Whether the reference had categories without an indicator of their own.

    Examples
    --------
    >>> indicators = Indicators.of(np.repeat([0.0, 1.0], 50), most=16)
    >>> indicators.apply(np.array([1.0, np.nan])).round(3)
    array([[0.   , 1.414, 0.   ],
           [0.   , 0.   , 1.414]])
    """

    codes: FloatArray
    weight: float
    has_rest: bool

    @classmethod
    def of(cls, column: FloatArray, most: int) -> Self:
        """Choose the categories of a reference's column, shape (n,), at most ``most`` of them."""
        codes, counts = np.unique(column, return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:most]
        kept = np.sort(frequent[counts[frequent] >= max(LEAST_ROWS, LEAST_SHARE * column.size)])
        shares = np.append(counts[kept], column.size - counts[kept].sum()) / column.size
        apart = 1.0 - float((shares**2).sum())
        largest = BOUND / math.sqrt(2.0)
        weight = largest if apart <= 1.0 / largest**2 else 1.0 / math.sqrt(apart)
        return cls(codes[kept], weight, kept.size < codes.size)

    def place(self, column: FloatArray) -> NDArray[np.int64]:
        """The indicator of each value, shape (n,): the last one of those without their own."""
        if self.codes.size == 0:
            return np.zeros(column.size, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.codes, column), self.codes.size - 1)
        found = self.codes[places]
        is_kept = (found == column) | (np.isnan(found) & np.isnan(column))
        return np.where(is_kept, places, self.codes.size)

    def apply(self, column: FloatArray, *, weighted: bool = True) -> FloatArray:
        """Turn the values of a column, shape (n,), to shape (n, n_kept + 1)."""
        hot = self.place(column)[:, np.newaxis] == np.arange(self.codes.size + 1)
        return np.asarray(hot * (self.weight if weighted else 1.0))

    def is_new(self, column: FloatArray) -> NDArray[np.bool_]:
        """Tell which values belong to the rest where the reference had none, shape (n,)."""
        return np.asarray((self.place(column) == self.codes.size) & (not self.has_rest))


def indicators_per_column(n_categorical: int) -> int:
    """How many categories of a column may have an indicator of their own.

    Examples
    --------
    >>> indicators_per_column(3), indicators_per_column(64), indicators_per_column(200)
    (16, 8, 2)
    """
    return max(2, min(MOST_INDICATORS, MOST_INDICATORS_IN_ALL // max(1, n_categorical)))
