"""The Cramér–von Mises test of every dimension with a permutation p-value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.base import FloatArray
from detectors.two_sample.effect_sizes import above_null
from detectors.two_sample.permuted_dimensions import (
    DimensionStatistics,
    PermutedDimensionsTest,
    running_counts,
)

LARGEST_MEAN_SQUARE = 1 / 3
"""Of the difference of the distribution functions where the samples do not overlap. With ties it
may be more, up to 1/2, and counts as no more than this."""


class CramerVonMisesTest(PermutedDimensionsTest):
    """Two-sample Cramér–von Mises T per dimension, p-value from a joint permutation of the rows.

    T is ``n_ref * n_test / n**2`` times the sum over the n pooled rows of the squared difference of
    the two distribution functions. Where rows tie, each of them counts the mean of the square just
    below their value and the square at it, which is the same read from above: turning all signs
    around changes nothing. Without ties T is that of ``scipy.stats.cramervonmises_2samp``. With
    ties that function differs: it gives 3.75 for 60 and 30 equal rows, where T is 0 here.

    A missing value counts as greater than every number, and all of them tie. The effect size is the
    root of the mean squared difference of the distribution functions over the pooled rows, less its
    mean over the permutations and in shares of 1/3, its value where one sample lies above the other
    and nothing ties. So it is 1 there, and about 0 where nothing moved.

    Parameters
    ----------
    n_permutations : int
        At least 1; the smallest p-value is ``1 / (1 + n_permutations)``.

    Raises
    ------
    InvalidParameterError
        If ``n_permutations`` is not a whole number of at least 1.

    References
    ----------
    Anderson: On the Distribution of the Two-Sample Cramér–von Mises Criterion, Annals of
    Mathematical Statistics 1962, doi:10.1214/aoms/1177704477

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = CramerVonMisesTest(n_permutations=99).fit(rng.normal(size=(100, 3)))
    >>> result = test.test(rng.normal(loc=[0, 0, 1], size=(50, 3)), rng=rng)
    >>> result.p_value, int(result.dimension_statistics.argmax())
    (0.01, 2)
    """

    kind: ClassVar[str] = "cramer_von_mises"

    def _statistics(self, pooled: FloatArray) -> DimensionStatistics:
        n_rows = len(pooled)
        order = np.argsort(pooled.T, axis=1, kind="stable")
        weights = np.array(
            [_weights(column[at]) for column, at in zip(pooled.T, order, strict=True)]
        )
        positions = np.arange(1, n_rows + 1)

        def statistics(memberships: FloatArray) -> FloatArray:
            n_ref = int(memberships[:, 0].sum())
            found = np.empty((memberships.shape[1], len(order)))
            for dimension, at in enumerate(order):
                # n_ref * n_test times the difference of the distribution functions, a whole number
                gaps = running_counts(memberships, at) * n_rows - positions * n_ref
                found[:, dimension] = gaps**2 @ weights[dimension]
            return found / (n_ref * (n_rows - n_ref) * float(n_rows) ** 2)

        return statistics

    def _effect_size(self, statistic: float, null: FloatArray, n_ref: int, n_test: int) -> float:
        to_share = 1.0 / (LARGEST_MEAN_SQUARE * n_ref * n_test / (n_ref + n_test))
        return above_null(min(1.0, statistic * to_share), float(null.mean()) * to_share)


def _weights(values: FloatArray) -> FloatArray:
    """How often the squared difference at each of the sorted ``values`` counts.

    Rows that tie count half at their own value and half just below it, which is at the last row of
    the value before. The difference at the last value of all is 0.
    """
    last_of_ties = np.flatnonzero((values[1:] != values[:-1]) & ~np.isnan(values[:-1]))
    n_tied = np.diff(last_of_ties, prepend=-1, append=len(values) - 1)
    weights = np.zeros(len(values))
    weights[last_of_ties] = (n_tied[:-1] + n_tied[1:]) / 2
    return weights
