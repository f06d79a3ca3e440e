"""The null distribution of the two-sample, two-sided Kolmogorov–Smirnov statistic D.

D is handled as the integer ``gap = D * n_ref * n_test``, the largest ``|i * n_test - j * n_ref|``
over the counts ``i`` and ``j`` of rows at or below a point. Whether a path touches the boundary is
then a comparison of integers, which no rounding can decide wrongly.
"""

from __future__ import annotations

import bisect
import math
from functools import lru_cache

import numpy as np
import scipy
from scipy.special import kolmogorov

from detectors.base import FloatArray, IntArray
from detectors.two_sample.multiplicity import bonferroni

CORRECTED_LIMIT_FROM = 80.0
"""The effective size from which Kolmogorov's limit, corrected, is good enough."""

EXACT_LIMIT = 10_000
"""The largest ``n_ref * n_test`` with exact p-values: the cost grows with it, to 7 ms for 32
dimensions there, and up to it C(n_ref + n_test, n_ref) stays under 1e60, far from overflow."""

MOST_KNOWN = 65_536
"""p-values that are kept, 10 MB. A sliding window asks for few different ones. An exact one takes 1
to 3 ms, of the asymptotic ones all of 10 dimensions take 80 µs, and looking them up takes 4."""

_SMALLEST = float(np.finfo(np.float64).tiny)
_KNOWN: dict[tuple[int, int, int], float] = {}


def ks_p_values(gaps: IntArray, n_ref: int, n_test: int) -> FloatArray:
    """P(D >= gap / (n_ref * n_test)) under the null.

    Exact for samples without ties while ``n_ref * n_test <= EXACT_LIMIT``; beyond it the one-sample
    distribution at the effective size ``n_ref * n_test / (n_ref + n_test)``, which is what
    ``scipy.stats.ks_2samp(method="asymp")`` gives. From an effective size of 80 on, that
    distribution is Kolmogorov's limit with Vrbik's correction: within 4 % of it at p = 0.001 and
    8 % at p = 1e-4, and about 100 times as fast. With ties the exact form is conservative.

    The asymptotic form is too small where both samples are equally large: measured against exact
    counts, 9 % at 200 rows each and 6 % at 500 near p = 0.05, 11 % and 7 % near p = 0.0015.

    Parameters
    ----------
    gaps : ndarray of int64, shape (k,)
        ``D * n_ref * n_test`` of each dimension.
    n_ref, n_test : int
        Rows in the two samples.

    Returns
    -------
    ndarray of float64, shape (k,)
        In (0, 1]: what underflows is given as the smallest normal float64.

    References
    ----------
    Hodges: The Significance Probability of the Smirnov Two-Sample Test, Arkiv för Matematik 1958,
    doi:10.1007/BF02589501

    Vrbik: Deriving CDF of Kolmogorov-Smirnov Test Statistic, Applied Mathematics 2020,
    doi:10.4236/am.2020.113018

    Simard, L'Ecuyer: Computing the Two-Sided Kolmogorov-Smirnov Distribution, Journal of
    Statistical Software 2011, doi:10.18637/jss.v039.i11

    Examples
    --------
    >>> ks_p_values(np.array([0, 9]), n_ref=3, n_test=3).round(3)
    array([1. , 0.1])
    """
    keys = [(gap, n_ref, n_test) for gap in gaps.tolist()]
    known = [_KNOWN.get(key) for key in keys]
    if None in known:
        new = _computed({key for key, p in zip(keys, known, strict=True) if p is None})
        # Looked up among the new ones: another thread may forget those that are kept.
        known = [new[key] if p is None else p for key, p in zip(keys, known, strict=True)]
    return np.array(known)


def _computed(keys: set[tuple[int, int, int]]) -> dict[tuple[int, int, int], float]:
    """The p-values of gaps at the same sizes, which are kept from now on."""
    ordered = sorted(keys)
    gaps, (_, n_ref, n_test) = np.array([gap for gap, _, _ in ordered]), ordered[0]
    p_of = _exact if n_ref * n_test <= EXACT_LIMIT else _asymptotic
    bounded = np.minimum(np.maximum(p_of(gaps, n_ref, n_test), _SMALLEST), 1.0)
    new = dict(zip(ordered, bounded.tolist(), strict=True))
    if len(_KNOWN) > MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN.update(new)
    return new


def ks_p_value(gap: int, n_ref: int, n_test: int) -> float:
    """:func:`ks_p_values` of one dimension; a tenth of its time where the value is known.

    Examples
    --------
    >>> round(ks_p_value(9, n_ref=3, n_test=3), 3)
    0.1
    """
    known = _KNOWN.get((gap, n_ref, n_test))
    return float(ks_p_values(np.array([gap]), n_ref, n_test)[0]) if known is None else known


def _exact(gaps: IntArray, n_ref: int, n_test: int) -> FloatArray:
    """The share of lattice paths from (0, 0) to (n_ref, n_test) that reach the boundary.

    Counting the paths that have touched the boundary, not those that have stayed inside, adds
    positive numbers only, so that tiny p-values keep their relative accuracy. A row of the lattice
    is the cumulative sum of the row below, taken inside the boundary.
    """
    short, long = sorted((n_ref, n_test))
    columns = np.arange(long + 1)
    paths = np.zeros(long + 1)
    paths[0] = 1.0
    touched = np.zeros((gaps.size, long + 1))
    for row in range(short + 1):
        paths = np.cumsum(paths)
        offsets = long * row - short * columns
        outside = np.abs(offsets) >= gaps[:, np.newaxis]
        entering = np.where(outside, 0.0, touched)
        n_left = (offsets >= gaps[:, np.newaxis]).sum(axis=1)
        (crossing,) = np.nonzero(n_left)
        entering[crossing, n_left[crossing] - 1] = paths[n_left[crossing] - 1]
        touched = np.where(outside, paths, np.cumsum(entering, axis=1))
    return np.asarray(touched[:, -1] / paths[-1])


def _asymptotic(gaps: IntArray, n_ref: int, n_test: int) -> FloatArray:
    distances = gaps / (n_ref * n_test)
    effective_size = n_ref * n_test / (n_ref + n_test)
    if effective_size < CORRECTED_LIMIT_FROM:
        rounded = round(effective_size)
        return np.array([_one_sample(distance, rounded) for distance in distances.tolist()])
    root = math.sqrt(effective_size)
    scaled = root * distances
    corrected = scaled + 1.0 / (6.0 * root) + (scaled - 1.0) / (4.0 * effective_size)
    return np.where(gaps > 0, kolmogorov(corrected), 1.0)


def _one_sample(distance: float, effective_size: int) -> float:
    return float(scipy.stats.kstwo.sf(distance, effective_size))


@lru_cache(maxsize=1_024)
def critical_gap(level: float, n_dimensions: int, n_ref: int, n_test: int) -> int | None:
    """The smallest gap whose Bonferroni-corrected p-value is at most ``level``.

    Returns
    -------
    int or None
        ``D * n_ref * n_test``, or None where not even D = 1 is that rare.

    Examples
    --------
    >>> critical_gap(0.05, n_dimensions=1, n_ref=10, n_test=10)
    70
    """
    step = math.gcd(n_ref, n_test)  # every gap is a multiple of it
    candidates = range(step, n_ref * n_test + 1, step)

    def is_rare(gap: int) -> bool:
        p_value = np.array(ks_p_value(gap, n_ref, n_test))
        return bool(bonferroni(p_value, n_dimensions) <= level)

    index = bisect.bisect_left(candidates, True, key=is_rare)
    return candidates[index] if index < len(candidates) else None
