"""Upper bounds of means from a finite reference, without any limit theorem."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from detectors.base import FloatArray

# The share of the evidence that one row can lose at most.
_MOST_LOSS = 0.9
# Newton's steps come from below, and double the digits at the end.
_MOST_STEPS = 100


def upper_mean_bound(
    values: FloatArray, variances: ArrayLike, tops: ArrayLike, floor: float, risk: float
) -> FloatArray:
    """Bound the mean of each column from above, with a probability of at least ``1 - risk``.

    At the true mean m, the product of ``1 + bet * (m - value)`` over the rows has a mean of 1, and
    reaches ``1 / risk`` with a probability of at most ``risk``. It rises with m, and the bound is
    the m at which it is ``1 / risk``. It adapts to the variance, as bounds of Bernstein's kind do.

    Parameters
    ----------
    values : ndarray of float64, shape (n, ...)
        Rows that are independent and identically distributed.
    variances : array_like of float64, shape (...)
        A guess of the variance, made without the values: it decides on the bet. A wrong one gives
        a bound that is wider, but true.
    tops : array_like of float64, shape (...)
        Values are never larger; above ``floor``.
    floor : float
        The bound is never lower, which allows larger bets.
    risk : float
        In (0, 1).

    Returns
    -------
    ndarray of float64, shape (...)

    References
    ----------
    Waudby-Smith, Ramdas: Estimating means of bounded random variables by betting, JRSS B 2024,
    doi:10.1093/jrsssb/qkad009

    Examples
    --------
    >>> values = np.random.default_rng(0).uniform(-1.0, 1.0, size=1_000)
    >>> bound = upper_mean_bound(values, 1 / 3, 1.0, 0.0, risk=0.05)
    >>> round(float(bound), 3), round(float(bound - values.mean()), 3) < 0.05
    (0.078, True)
    """
    evidence = -math.log(risk)
    guesses = np.maximum(variances, np.finfo(np.float64).tiny)
    best = np.sqrt(2.0 * evidence / len(values)) / np.sqrt(guesses)
    bets = np.minimum(best, _MOST_LOSS / (np.asarray(tops) - floor))
    # The sum of logarithms is concave in m: the tangent meets the target too early, never too late.
    target = evidence + 1e-9
    bound = np.maximum(values.mean(axis=0), floor)
    for _ in range(_MOST_STEPS):
        factors = 1.0 + bets * (bound - values)
        short = target - np.log(factors).sum(axis=0)
        if (short <= 1e-9).all():
            break
        bound = bound + np.maximum(short, 0.0) / (bets / factors).sum(axis=0)
    return np.asarray(bound)
