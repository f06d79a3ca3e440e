"""The Wasserstein-1 distance of every dimension with a permutation p-value."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from detectors.base import FloatArray
from detectors.two_sample.permuted_dimensions import (
    DimensionStatistics,
    PermutedDimensionsTest,
    running_counts,
    standardized,
)


class WassersteinTest(PermutedDimensionsTest):
    """Wasserstein-1 distance per dimension, p-value from a joint permutation of the rows.

    The distance is the area between the two distribution functions, in standard deviations of both
    samples together: so the dimensions can be compared, and so the distance is also the effect
    size. ``scipy.stats.wasserstein_distance`` gives it in the unit of the dimension.

    Where values are missing, the statistic is the distance of the observed values plus the absolute
    difference of the shares of missing ones; a sample that misses all of them is at distance 0.

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
    Ramdas, García Trillos, Cuturi: On Wasserstein Two-Sample Testing and Related Families of
    Nonparametric Tests, Entropy 2017, doi:10.3390/e19020047

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = WassersteinTest(n_permutations=99).fit(rng.normal(size=(100, 3)))
    >>> result = test.test(rng.normal(loc=[0, 0, 1], size=(50, 3)), rng=rng)
    >>> result.p_value, int(result.dimension_statistics.argmax())
    (0.01, 2)
    """

    kind: ClassVar[str] = "wasserstein"

    def _statistics(self, pooled: FloatArray) -> DimensionStatistics:
        columns = standardized(pooled).T
        order = np.argsort(columns, axis=1, kind="stable")
        columns = np.take_along_axis(columns, order, axis=1)
        # Missing values come last: no width reaches from or to one of them.
        widths = np.nan_to_num(np.diff(columns, axis=1), copy=False, nan=0.0)
        n_observed = len(pooled) - np.isnan(columns).sum(axis=1)

        def statistics(memberships: FloatArray) -> FloatArray:
            found = np.empty((memberships.shape[1], len(order)))
            for dimension, at in enumerate(order):
                counts = running_counts(memberships, at)
                found[:, dimension] = _distances(counts, widths[dimension], n_observed[dimension])
            return found

        return statistics

    def _effect_size(self, statistic: float, null: FloatArray, n_ref: int, n_test: int) -> float:
        return math.sqrt(max(0.0, statistic**2 - float((null**2).mean())))


def _distances(counts: FloatArray, widths: FloatArray, n_observed: int) -> FloatArray:
    """The statistic of one dimension for each row of running counts, shape (b, n_ref + n_test).

    Parameters
    ----------
    counts : ndarray of float64, shape (b, n_ref + n_test)
        Reference rows among the first 1, 2, ... rows, missing values last.
    widths : ndarray of float64, shape (n_ref + n_test - 1,)
        From each value to the next, 0 from or to a missing one.
    n_observed : int
        Rows with a value.
    """
    n_rows = counts.shape[1]
    n_ref, ref = counts[:, -1:], _observed(counts, n_observed)
    n_test, test = n_rows - n_ref, n_observed - ref
    at_most = counts[:, :-1]
    gaps = at_most / np.maximum(ref, 1.0) - (np.arange(1, n_rows) - at_most) / np.maximum(test, 1.0)
    distance = (np.abs(gaps) @ widths) * ((ref > 0.0) & (test > 0.0))[:, 0]
    return np.asarray(distance + np.abs(ref / n_ref - test / n_test)[:, 0])


def _observed(counts: FloatArray, n_observed: int) -> FloatArray:
    """Reference rows with a value, shape (b, 1)."""
    return counts[:, n_observed - 1 : n_observed] if n_observed else np.zeros((len(counts), 1))
