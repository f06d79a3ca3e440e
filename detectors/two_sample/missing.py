"""Missing values, NaN in a row: how their shares compare, and how tests on distances see them."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln, ndtr

from detectors.base import FloatArray, IntArray, MissingShares
from detectors.two_sample.multiplicity import bonferroni

LARGEST_DEVIATION = 100
"""Of a number of missing values whose p-value is exact: 4,000 terms are added up at most."""

_SMALLEST = float(np.finfo(np.float64).tiny)


def compare_missing(
    n_missing_ref: IntArray, n_missing_test: IntArray, n_ref: int, n_test: int
) -> MissingShares:
    """Compare the shares of missing values, dimension by dimension.

    The p-value of a dimension is exact given how many values are missing in both samples together
    (Fisher), two-sided by doubling the smaller tail. Where that number has a standard deviation of
    more than ``LARGEST_DEVIATION`` values under the null, its normal limit with a continuity
    correction takes its place, so that the time does not grow with the rows: 20 µs a dimension that
    misses values. Dimensions without any missing value are not
    counted in Bonferroni's correction: which they are does not depend on which row is in which
    sample, so that the level holds.

    Parameters
    ----------
    n_missing_ref, n_missing_test : ndarray of int64, shape (n_dimensions,)
        Rows of each sample that miss the dimension.
    n_ref, n_test : int
        Rows in each sample.

    References
    ----------
    Fisher: The Logic of Inductive Inference, 1935, doi:10.2307/2342435

    Examples
    --------
    >>> missing = compare_missing(np.array([0]), np.array([20]), n_ref=50, n_test=50)
    >>> missing.test, missing.p_value < 1e-6
    (array([0.4]), True)
    """
    n_missing = n_missing_ref + n_missing_test
    p_values = np.ones(n_missing.size)
    for dimension in np.flatnonzero(n_missing).tolist():
        missing_test = int(n_missing_test[dimension])
        p_values[dimension] = _p_value(missing_test, int(n_missing[dimension]), n_ref, n_test)
    n_compared = max(1, int(np.count_nonzero(n_missing)))
    return MissingShares(
        ref=n_missing_ref / n_ref,
        test=n_missing_test / n_test,
        p_values=p_values,
        p_value=float(bonferroni(p_values, n_compared).min()),
    )


def _p_value(missing_test: int, n_missing: int, n_ref: int, n_test: int) -> float:
    """Twice the smaller tail of how many of the missing values are of the test sample."""
    n_rows = n_ref + n_test
    share = n_test / n_rows
    mean = n_missing * share
    variance = mean * (1.0 - share) * (n_rows - n_missing) / max(1, n_rows - 1)
    off = abs(missing_test - mean)
    if variance > LARGEST_DEVIATION**2:
        tail = float(ndtr(-max(0.0, off - 0.5) / math.sqrt(variance)))
    else:
        tail = _exact_tail(missing_test, n_missing, n_ref, n_test, is_above=missing_test >= mean)
    return min(1.0, max(2.0 * tail, _SMALLEST))


def _exact_tail(
    missing_test: int, n_missing: int, n_ref: int, n_test: int, *, is_above: bool
) -> float:
    """The hypergeometric probability of a number as far above the mean, or below it, or farther."""
    least, most = max(0, n_missing - n_ref), min(n_missing, n_test)
    # 40 standard deviations farther out nothing is left of a probability.
    reach = 40 * LARGEST_DEVIATION
    if is_above:
        counts = np.arange(missing_test, min(most, missing_test + reach) + 1)
    else:
        counts = np.arange(max(least, missing_test - reach), missing_test + 1)
    log_shares = (
        _log_choose(n_test, counts)
        + _log_choose(n_ref, n_missing - counts)
        - _log_choose(n_ref + n_test, n_missing)
    )
    return float(np.exp(log_shares).sum())


def _log_choose(n: int, k: IntArray | int) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n + 1, k)))


def impute_pooled(x_ref: FloatArray, x_test: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Make samples with missing values complete, for tests that need distances between rows.

    A missing value becomes the mean of the values observed in both samples together, and each
    dimension that misses any gets a second one next to it: 0 where observed, and where missing one
    standard deviation of the observed values (1 where they are constant). Both treat the samples
    alike, so a permutation test stays exact. Complete samples are handed through.

    Parameters
    ----------
    x_ref, x_test : ndarray of float64, shapes (n_ref, n_dimensions) and (n_test, n_dimensions)

    Returns
    -------
    tuple of two ndarray of float64
        With one column more for each dimension that misses values.

    Examples
    --------
    >>> impute_pooled(np.array([[1.0], [np.nan]]), np.array([[3.0]]))
    (array([[1., 0.],
           [2., 1.]]), array([[3., 0.]]))
    """
    pooled = np.concatenate([x_ref, x_test])
    missing = np.isnan(pooled)
    some = missing.any(axis=0)
    if not some.any():
        return x_ref, x_test
    n_observed = np.maximum((~missing).sum(axis=0), 1)
    mean = np.where(missing, 0.0, pooled).sum(axis=0) / n_observed
    complete = np.where(missing, mean, pooled)
    # Of values so far apart that their square overflows the tests say so themselves.
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.sqrt(((complete - mean) ** 2).sum(axis=0) / n_observed)
        weighted = missing * np.where(deviation > 0.0, deviation, 1.0)
    rows = np.concatenate([complete, weighted[:, some]], axis=1)
    return rows[: len(x_ref)], rows[len(x_ref) :]
