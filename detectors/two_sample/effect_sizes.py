"""Effect sizes on one scale: without the part that samples of one distribution have as well."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import chdtr, kolmogorov


def above_null(squared: float, null_mean: float) -> float:
    """The root of a squared distance in [0, 1] without its mean under the null.

    What is left is scaled so that 1, the distance of samples with nothing in common, stays 1. It is
    0 where the distance is no larger than the null's mean.

    References
    ----------
    Bergsma: A Bias-Correction for Cramér's V, 2013, doi:10.1016/j.jkss.2012.10.002

    Examples
    --------
    >>> above_null(0.25, 0.25), above_null(1.0, 0.25)
    (0.0, 1.0)
    """
    if null_mean >= 1.0:
        return 0.0
    return math.sqrt(min(1.0, max(0.0, (squared - null_mean) / (1.0 - null_mean))))


@lru_cache(maxsize=256)
def mean_squared_kolmogorov(n_dimensions: int) -> float:
    """The mean of the largest of ``n_dimensions`` independent squared Kolmogorov variables.

    Under the null, the largest D² of all dimensions has about this mean over
    ``n_ref * n_test / (n_ref + n_test)``; less where dimensions depend on each other.

    Examples
    --------
    >>> round(mean_squared_kolmogorov(1), 3), round(mean_squared_kolmogorov(10), 3)
    (0.822, 1.811)
    """
    # The mean of a positive variable is the integral of its tail; here over its square.
    squares = np.linspace(0.0, 40.0, 40_001)
    tails = -np.expm1(n_dimensions * np.log1p(-np.minimum(kolmogorov(np.sqrt(squares)), 1 - 1e-16)))
    return float(np.trapezoid(tails, squares))


@lru_cache(maxsize=4_096)
def mean_largest_excess(degrees: tuple[tuple[int, int], ...]) -> float:
    """The mean of the largest of independent chi-squared variables, each less its own mean.

    Under the null, ``(n - 1) * V²`` of a table of k categories is about such a variable with
    ``k - 1`` degrees of freedom; of columns that depend on each other the largest is smaller.

    Parameters
    ----------
    degrees : tuple of (int, int)
        Degrees of freedom, at least 1, and how many variables have them.

    Examples
    --------
    >>> [round(mean_largest_excess(((4, count),)), 2) for count in (1, 10)]
    [0.0, 5.25]
    """
    if sum(count for _, count in degrees) == 1:
        return 0.0
    # Below its mean no variable is farther off than the least mean, and the largest no more than
    # the nearest of all; 60 deviations out, nothing is left of any.
    lowest = -float(min(degree for degree, _ in degrees))
    widest = max(degree for degree, _ in degrees)
    excess = np.linspace(lowest, 10.0 * math.sqrt(2.0 * widest) + 60.0, 2_001)
    below = np.ones_like(excess)
    for degree, count in degrees:
        below *= chdtr(degree, np.maximum(excess + degree, 0.0)) ** count
    return lowest + float(np.trapezoid(1.0 - below, excess))
