"""How large a shift a test finds in one window, known before any window came."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import numpy as np
import scipy
from scipy.special import chdtri, chndtr, ndtr, ndtri

from detectors.base import FloatArray, TwoSampleTest
from detectors.checks import check_level
from detectors.two_sample.binned import BinnedTest
from detectors.two_sample.chi_square.chi_square import ChiSquareTest
from detectors.two_sample.ks.distribution import critical_gap
from detectors.two_sample.ks.ks import KSTest
from detectors.two_sample.mixed import MixedTest

# Standard deviations that no two halves of a normal distribution are apart.
_LARGEST = 20.0
# The share of a category that a half of the rows have grows by a half at most.
_LARGEST_SHARE = 0.5
# With fewer rows for each bin, PSI and the Jensen-Shannon distance find less than in the limit.
_LEAST_PER_BIN = 20
# Places around the largest difference of two normal distributions, in standard deviations.
_KNOTS = np.array([-3.0, -2.0, -1.3, -0.8, -0.4, 0.0, 0.4, 0.8, 1.3, 2.0, 3.0])
_PATHS = 1_000
_SHORTEST = 1e-12


class SmallestShift(NamedTuple):
    """A shift of one column that a window finds with a stated probability.

    Attributes
    ----------
    size : float
        Of the mean of a number, in standard deviations; or by how much the share of a category
        grows that half of the rows have. Infinite where no shift is found.
    unit : str
        ``deviations`` or ``share``.
    """

    size: float
    unit: Literal["deviations", "share"]


def smallest_shift(
    test: TwoSampleTest, level: float, n_ref: int, n_test: int, n_dimensions: int,
    power: float = 0.9,
) -> SmallestShift | None:  # fmt: skip
    """Give the smallest shift of one column that a window finds with a probability of ``power``.

    For ``ks`` and ``mixed`` it is a shift of the mean of a normal column: the empirical difference
    of the distributions is the true one and, in the limit of many rows, a Brownian bridge. For
    ``psi`` and ``jensen_shannon`` it is such a shift as well, by the noncentral chi-squared
    distribution that their statistics have in that limit, with bins of equal shares. For
    ``chi_square`` it is a column of two equal categories. Windows of a few rows only are further
    from the limit than that.

    Parameters
    ----------
    test : TwoSampleTest
        Not fitted.
    level : float
        At which a p-value, corrected for the dimensions, is drift; in (0, 1).
    n_ref, n_test : int
        Independent rows for which those of the samples stand.
    n_dimensions : int
    power : float
        In (0, 1).

    Returns
    -------
    SmallestShift or None
        None for a test whose power is not known in advance: one that compares whole rows, or
        permutes distances; or one of bins where a window has fewer than 20 rows for each.

    Raises
    ------
    InvalidParameterError
        If ``level`` or ``power`` lies outside (0, 1).

    Examples
    --------
    >>> found = smallest_shift(KSTest(), 0.001, n_ref=1_000, n_test=200, n_dimensions=10)
    >>> round(found.size, 2), found.unit
    (0.48, 'deviations')
    """
    check_level(level, "level")
    check_level(power, "power")
    in_both = n_ref * n_test / (n_ref + n_test)
    each = level / n_dimensions
    match test:
        case KSTest() | MixedTest():
            gap = critical_gap(level, n_dimensions, n_ref, n_test)
            # D comes in steps, of which the limit knows nothing: the middle between two of them.
            middle = 0.0 if gap is None else gap - math.gcd(n_ref, n_test) / 2.0
            distance = np.inf if gap is None else middle / (n_ref * n_test)
            return SmallestShift(_shift_of_ks(distance, in_both, power), "deviations")
        case BinnedTest() if n_test >= _LEAST_PER_BIN * test.n_bins:
            n_bins = test.n_bins
            size = _solved(lambda s: _power_of_bins(s, n_bins, each, in_both) - power, _LARGEST)
            return SmallestShift(size, "deviations")
        case ChiSquareTest():
            size = _solved(lambda s: _power_of_share(s, each, in_both) - power, _LARGEST_SHARE)
            return SmallestShift(size, "share")
        case _:
            return None


def _root(excess: Callable[[float], float], largest: float) -> float:
    # Loaded where it is called: scipy.optimize takes a second, and no window needs it.
    return float(scipy.optimize.brentq(excess, 0.0, largest, xtol=1e-4))


def _solved(excess: Callable[[float], float], largest: float) -> float:
    """The shift at which an excess, which grows with it, is 0; infinite where it never is."""
    if excess(largest) < 0.0:
        return float("inf")
    return _root(excess, largest) if excess(0.0) < 0.0 else 0.0


@lru_cache(maxsize=1_024)
def _shift_of_ks(distance: float, in_both: float, power: float) -> float:
    """The shift that crosses ``distance`` with this chance; kept, since it takes 5 to 20 ms."""
    return _solved(lambda shift: _power_of_ks(shift, distance, in_both) - power, _LARGEST)


def _power_of_ks(shift: float, distance: float, in_both: float) -> float:
    """The chance that a Brownian bridge about the difference of two normal columns crosses.

    Paths are drawn at knots. Between them the line that has to be crossed is taken as straight, and
    the chance that a path which ends below it has not crossed it is known.
    """
    z = shift / 2.0 + _KNOTS
    below_ref, below_test = ndtr(z), ndtr(z - shift)
    times = np.concatenate([[0.0], (below_ref + below_test) / 2.0, [1.0]])
    steps = np.maximum(np.diff(times), _SHORTEST)
    walks = np.cumsum(_normals() * np.sqrt(steps), axis=1)
    bridges = walks - times[1:] * walks[:, -1:]
    # The difference is 0 at both ends.
    line = distance - np.concatenate([below_ref - below_test, [0.0]])
    below = np.maximum(np.sqrt(in_both) * line - bridges, 0.0)
    first = np.full((len(below), 1), max(np.sqrt(in_both) * distance, 0.0))
    before = np.concatenate([first, below[:, :-1]], axis=1)
    stays = -np.expm1(-2.0 * before * below / steps)
    return 1.0 - float(stays.prod(axis=1).mean())


@cache
def _normals() -> FloatArray:
    """The steps of paths: always the same, so that the same question has the same answer."""
    half = np.random.default_rng(0).normal(size=(_PATHS // 2, _KNOTS.size + 1))
    return np.concatenate([half, -half])


def _power_of_bins(shift: float, n_bins: int, level: float, in_both: float) -> float:
    edges = np.concatenate([[-np.inf], ndtri(np.arange(1, n_bins) / n_bins), [np.inf]])
    moved = np.diff(ndtr(edges - shift))
    noncentral = in_both * float((np.square(moved - 1.0 / n_bins) * n_bins).sum())
    critical = float(chdtri(n_bins - 1, level))
    return 1.0 - float(chndtr(critical, n_bins - 1, noncentral))


def _power_of_share(shift: float, level: float, in_both: float) -> float:
    return 1.0 - float(chndtr(float(chdtri(1, level)), 1, 4.0 * in_both * shift * shift))
