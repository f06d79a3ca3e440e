"""Permutation tests: their frame, relabelled samples in batches, p-values and critical values.

A permutation is a column of a matrix of memberships: 1.0 where the pooled row is counted as
reference, 0.0 where as test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from detectors.base import FloatArray, StateArrays, TwoSampleResult
from detectors.checks import check_level, stored_number, whole_number
from detectors.errors import InvalidParameterError
from detectors.two_sample.frame import ReferenceTest

BATCH_SIZE = 256
"""Permutations per matrix product: 4 MB of memberships for 2,000 pooled rows."""

TIE_TOLERANCE = 1e-12
"""Statistics closer than this count as tied. Summed in another order, equal statistics differ by
about 1e-15; without the tolerance repeated rows would make p-values too small."""


class PermutationTest(ReferenceTest):
    """A two-sample test whose p-value counts relabelled samples.

    Parameters
    ----------
    n_permutations : int
        At least 1; the smallest p-value is ``1 / (1 + n_permutations)``.

    Raises
    ------
    InvalidParameterError
        If ``n_permutations`` is not a whole number of at least 1.
    """

    def __init__(self, n_permutations: int = 999) -> None:
        super().__init__()
        self._n_permutations = whole_number(n_permutations, "n_permutations", at_least=1)

    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The smallest statistic with a p-value of at most ``level`` against ``result``'s null.

        ``result.statistic`` reaches it exactly when ``result.p_value <= level``. It is infinite
        where ``level`` is below :meth:`lowest_p_value`.

        Raises
        ------
        InvalidParameterError
            If ``level`` lies outside (0, 1) or ``result`` holds no null statistics.
        """
        if result.null_statistics is None:
            raise InvalidParameterError("result holds no null statistics: it is not of this test")
        if check_level(level) < self.lowest_p_value(result.n_ref, result.n_test, 1):
            return np.inf
        return permutation_critical_value(result.null_statistics, level)

    def lowest_p_value(self, n_ref: int, n_test: int, n_dimensions: int) -> float:
        """Give ``1 / (1 + n_permutations)``, or the share of one labelling where that is larger."""
        return max(1.0 / (1 + self._n_permutations), labelling_share(n_ref, n_test))

    def _p_value(
        self, observed: float, null_statistics: FloatArray, n_ref: int, n_test: int
    ) -> float:
        """Count the null statistics; so few rows that chance alone decides cannot go lower."""
        counted = permutation_p_value(observed, null_statistics)
        return max(counted, labelling_share(n_ref, n_test))

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        return {"n_permutations": np.array([self._n_permutations])}

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        return cls(stored_number(arrays, "n_permutations"))


def observed_membership(n_ref: int, n_test: int) -> FloatArray:
    """The membership that was observed, shape (n_ref + n_test, 1): reference rows come first.

    Examples
    --------
    >>> observed_membership(2, 1).ravel()
    array([1., 1., 0.])
    """
    return np.repeat([1.0, 0.0], [n_ref, n_test])[:, np.newaxis]


def permuted_statistics(
    statistic: Callable[[FloatArray], FloatArray],
    membership: FloatArray,
    n_permutations: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Statistics under random relabelling.

    Parameters
    ----------
    statistic : callable
        Maps memberships, shape (n_ref + n_test, b), to their b statistics.
    membership : ndarray of float64, shape (n_ref + n_test, 1)
        The observed membership.
    n_permutations : int
        How many relabellings to draw.
    rng : numpy.random.Generator
        The only source of randomness.

    Returns
    -------
    ndarray of float64, shape (n_permutations,)

    Examples
    --------
    >>> pooled = np.array([1.0, 2.0, 3.0, 10.0])
    >>> rng = np.random.default_rng(0)
    >>> permuted_statistics(lambda b: pooled @ b, observed_membership(3, 1), 4, rng)
    array([15., 15.,  6., 13.])
    """
    n_ref, n_pooled = int(membership.sum()), len(membership)
    batches = []
    for start in range(0, n_permutations, BATCH_SIZE):
        size = min(BATCH_SIZE, n_permutations - start)
        batches.append(statistic(_random_memberships(size, n_ref, n_pooled, rng).T))
    return np.concatenate(batches)


def _random_memberships(
    size: int, n_ref: int, n_pooled: int, rng: np.random.Generator
) -> FloatArray:
    """``size`` rows of 1.0 for ``n_ref`` of the pooled rows, all choices equally likely, else 0.0.

    The rows with the smallest of random keys are chosen, which takes half the time of shuffling.
    """
    keys = rng.random((size, n_pooled), dtype=np.float32)
    chosen = _smallest(keys, n_ref)
    # Keys that tie at the edge, 6 in 100,000 draws of 1,000 rows, choose too many: drawn again.
    while (tied := chosen.sum(axis=1) != n_ref).any():
        keys = rng.random((int(tied.sum()), n_pooled), dtype=np.float32)
        chosen[tied] = _smallest(keys, n_ref)
    return chosen.astype(np.float64)


def _smallest(keys: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    edge = np.partition(keys, count - 1, axis=1)[:, count - 1 : count]
    return np.asarray(keys <= edge)


def permutation_p_value(observed: float, null_statistics: FloatArray) -> float:
    """``(1 + k) / (1 + B)``, where k of the B null statistics reach ``observed``.

    Counting the observed labelling as one of the permutations keeps the test valid for every B, and
    the p-value above 0.

    References
    ----------
    Phipson, Smyth: Permutation P-values Should Never Be Zero, 2010, doi:10.2202/1544-6115.1585

    Examples
    --------
    >>> permutation_p_value(3.0, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    n_reaching = np.count_nonzero(null_statistics + TIE_TOLERANCE >= observed)
    return float(_attainable(null_statistics.size)[n_reaching])


@lru_cache(maxsize=4_096)
def labelling_share(n_ref: int, n_test: int) -> float:
    """Compute the share of one labelling of the rows among all, in (0, 1].

    No p-value that counts labellings is lower. If both samples are equally large, exchanging them
    gives the same statistic, and the share is that of two labellings. What underflows is given as
    the smallest normal float64.

    Examples
    --------
    >>> round(1 / labelling_share(4, 4)), round(1 / labelling_share(4, 3))
    (35, 35)
    """
    n_pooled = n_ref + n_test
    log_ways = float(gammaln(n_pooled + 1) - gammaln(n_ref + 1) - gammaln(n_test + 1))
    share = (1 + (n_ref == n_test)) * math.exp(-log_ways)
    return min(1.0, max(share, float(np.finfo(np.float64).tiny)))


def permutation_critical_value(null_statistics: FloatArray, level: float) -> float:
    """The smallest statistic whose permutation p-value is at most ``level``.

    Infinite where ``level < 1 / (1 + B)``: so few permutations cannot show a p-value that small.

    Raises
    ------
    InvalidParameterError
        If ``level`` lies outside (0, 1).

    Examples
    --------
    >>> null = np.arange(1.0, 20.0)
    >>> round(permutation_critical_value(null, 0.1), 6), permutation_critical_value(null, 0.01)
    (18.0, inf)
    """
    attainable = _attainable(null_statistics.size)
    most_reaching = int(np.searchsorted(attainable, check_level(level), side="right")) - 1
    if most_reaching < 0:
        return np.inf
    bound = np.sort(null_statistics)[::-1][most_reaching] + TIE_TOLERANCE
    return float(np.nextafter(bound, np.inf))


def _attainable(n_permutations: int) -> FloatArray:
    """The p-value for 0, 1, ... of ``n_permutations`` null statistics that reach the observed."""
    return np.arange(1, n_permutations + 2) / (n_permutations + 1)


def pooled_rows(x_ref: FloatArray, x_test: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both samples together in an order of their own, and which rows are of the reference.

    The order depends on the values alone. Relabellings drawn for rows in this order give equal
    p-values, not only equal statistics, however the rows of either sample were ordered.

    Returns
    -------
    tuple of two ndarray of float64
        The pooled rows, shape (n_ref + n_test, n_dimensions), and the observed membership, shape
        (n_ref + n_test, 1).

    Examples
    --------
    >>> pooled, membership = pooled_rows(np.array([[2.0], [5.0]]), np.array([[3.0]]))
    >>> pooled.ravel(), membership.ravel()
    (array([2., 3., 5.]), array([1., 0., 1.]))
    """
    pooled = np.concatenate([x_ref, x_test])
    order = np.lexsort(pooled.T)
    return pooled[order], observed_membership(len(x_ref), len(x_test))[order]
