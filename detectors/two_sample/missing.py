"""Missing values, NaN in a row: how their shares compare, and how tests on distances see them."""

from __future__ import annotations

import numpy as np
import scipy

from detectors.base import FloatArray, IntArray, MissingShares
from detectors.two_sample.multiplicity import bonferroni


def compare_missing(
    n_missing_ref: IntArray, n_missing_test: IntArray, n_ref: int, n_test: int
) -> MissingShares:
    """Compare the shares of missing values, dimension by dimension.

    The p-value of a dimension is exact given how many values are missing in both samples together
    (Fisher), two-sided by doubling the smaller tail. Dimensions without any missing value are not
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
    null = scipy.stats.hypergeom(n_ref + n_test, n_missing, n_test)
    tail = np.minimum(null.cdf(n_missing_test), null.sf(n_missing_test - 1))
    p_values = np.clip(2.0 * tail, np.finfo(np.float64).tiny, 1.0)
    n_compared = max(1, int(np.count_nonzero(n_missing)))
    return MissingShares(
        ref=n_missing_ref / n_ref,
        test=n_missing_test / n_test,
        p_values=p_values,
        p_value=float(bonferroni(p_values, n_compared).min()),
    )


def impute_pooled(x_ref: FloatArray, x_test: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Make samples with missing values complete, for tests that need distances between rows.

    A missing value becomes the mean of the values observed in both samples together, and each
    dimension that misses any gets a second one beside it: 0 where observed, and where missing one
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
    deviation = np.sqrt(((complete - mean) ** 2).sum(axis=0) / n_observed)
    weight = np.where(deviation > 0.0, deviation, 1.0)
    rows = np.concatenate([complete, (missing * weight)[:, some]], axis=1)
    return rows[: len(x_ref)], rows[len(x_ref) :]
