"""Tails of weighted sums of chi-squared variables."""

from __future__ import annotations

import math

import numpy as np
import scipy
from scipy.special import ndtr

from detectors.base import FloatArray

_SMALLEST = float(np.finfo(np.float64).tiny)


def mixture_tail(value: float, weights: FloatArray) -> float:
    """P(sum of ``weights * z**2`` >= value) with independent standard normal ``z``, in (0, 1].

    By the saddle point of the cumulants (Kuonen), whose error is relative: a few percent far out in
    the tail, and at most 0.01 of the probability near the mean where one weight dominates.

    Parameters
    ----------
    value : float
    weights : ndarray of float64, shape (k,)
        At least 0, one of them above.

    References
    ----------
    Kuonen: Saddlepoint Approximations for Distributions of Quadratic Forms in Normal Variables,
    Biometrika 1999, doi:10.1093/biomet/86.4.929

    Examples
    --------
    >>> weights = np.full(4, 0.25)
    >>> round(mixture_tail(2.0, weights), 3), round(float(scipy.stats.chi2.sf(8.0, 4)), 3)
    (0.092, 0.092)
    """
    used = weights[weights > 1e-10 * weights.max()]
    if value <= 0.0:
        return 1.0
    if used.size == 1:
        return max(_SMALLEST, float(scipy.special.chdtrc(1, value / used[0])))
    largest = float(used.max())
    lower = (1.0 - used.size * largest / value) / (2.0 * largest)
    upper = (1.0 - largest / value) / (2.0 * largest)

    def slope(tilt: float) -> float:
        return float((used / (1.0 - 2.0 * tilt * used)).sum()) - value

    if slope(lower) >= 0.0 or slope(upper) <= 0.0:
        return max(_SMALLEST, float(scipy.special.chdtrc(used.size, value / used.mean())))
    tilt = float(scipy.optimize.brentq(slope, lower, upper, xtol=1e-15, rtol=1e-12))
    scaled = used / (1.0 - 2.0 * tilt * used)
    curvature = 2.0 * float((scaled**2).sum())
    exponent = tilt * value + 0.5 * float(np.log1p(-2.0 * tilt * used).sum())
    root = math.copysign(math.sqrt(max(0.0, 2.0 * exponent)), tilt)
    step = tilt * math.sqrt(curvature)
    if abs(root) < 1e-4:
        # At the mean both go to 0; what is left is the third cumulant.
        third = 8.0 * float((scaled**3).sum())
        return 0.5 - third / (6.0 * math.sqrt(2.0 * math.pi * curvature) * curvature)
    return min(1.0, max(_SMALLEST, float(ndtr(-(root + math.log(step / root) / root)))))
