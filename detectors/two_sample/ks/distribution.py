"""The null distribution of the two-sample, two-sided Kolmogorov–Smirnov statistic D.

D is handled as the integer ``gap = D * n_ref * n_test``, the largest ``|i * n_test - j * n_ref|``
over the counts ``i`` and ``j`` of rows at or below a point. Whether a path touches the boundary is
then a comparison of integers, which no rounding can decide wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi, kolmogorov

from detectors.base import FloatArray, IntArray
from detectors.two_sample.multiplicity import bonferroni

EXACT_LIMIT = 10_000
"""The largest ``n_ref * n_test`` with exact p-values: the cost grows with it, to 7 ms for 32
dimensions there, and up to it C(n_ref + n_test, n_ref) stays under 1e60, far from overflow."""

FEW_ROWS = 20
"""With fewer rows in a sample p-values are exact up to ten times ``EXACT_LIMIT``: a row of the
lattice is a single step, so that 10 dimensions take 9 ms there."""

LATTICE_WEIGHTS = (1.0, 0.7, 0.45, 0.25)
"""How much of a lattice's spacing counts where the sizes are 0, 1, 2 or 3 rows off a simple ratio:
the largest values that exact counts called for, rounded up."""

LEAST_WEIGHT = 0.12
"""The same for the smaller sample where no simple ratio is near."""

MOST_KNOWN = 65_536
"""p-values that are kept, 10 MB. A sliding window asks for few different ones. An exact one takes 1
to 3 ms, of the asymptotic ones all of 10 dimensions take 60 µs, and looking them up takes 4."""

# A distance is a ratio, and times its divisor again a whole number but for this.
_ROUNDING = 1e-6
_SMALLEST = float(np.finfo(np.float64).tiny)
_KNOWN: dict[tuple[int, int, int], float] = {}


def ks_p_values(gaps: IntArray, n_ref: int, n_test: int) -> FloatArray:
    """P(D >= gap / (n_ref * n_test)) under the null.

    Exact for samples without ties while ``n_ref * n_test <= EXACT_LIMIT``, and up to ten times that
    where a sample has fewer than ``FEW_ROWS`` rows; with ties conservative. Beyond it Kolmogorov's
    limit is corrected for finite samples:

    - D moves on a lattice. A random walk that first reaches a bound jumps over it by some mean
      overshoot, and the bound counts as moved by it (Siegmund). Equal sizes, which share the
      coarsest lattice, have none; sizes without a common divisor have the most.
    - The rate of large deviations goes on beyond D². Its terms of D⁴ and D⁶ are between those of
      two equal samples, ``D² + D⁴ / 6 + D⁶ / 15`` for each row, and those of one sample (Topsøe).

    Measured against exact counts for p from 0.2 to 1e-6, 80 to 2,000 rows in each sample: within
    1 % where the sizes are equal or one is a multiple of the other; elsewhere between 1.3 % too
    small and 4 % too large. Sizes that are 1 to 3 rows off a simple ratio have a D that moves in
    uneven steps: p-values near 0.001 are up to 40 % too large with 101 rows against 100, and 11 %
    with 1,000 against 999. Below 1e-6 p-values become too large, the smaller the sample the sooner.

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

    Siegmund: Corrected Diffusion Approximations in Certain Random Walk Problems, Advances in
    Applied Probability 1979, doi:10.2307/1426855

    Topsøe: Bounds for Entropy and Divergence for Distributions over a Two-Element Set, Journal of
    Inequalities in Pure and Applied Mathematics 2001, https://eudml.org/doc/122035

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
    bounded = _bounded(_formula(n_ref, n_test)(gaps, n_ref, n_test))
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


def ks_p_value_of(distance: float, n_ref: int, n_test: int) -> float:
    """Give the p-value of a D that came of other numbers of rows: of the next one below it.

    Examples
    --------
    >>> round(ks_p_value_of(0.999_999_999_999_9, n_ref=3, n_test=3), 3)
    0.1
    """
    return ks_p_value(math.floor(distance * n_ref * n_test + _ROUNDING), n_ref, n_test)


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
    n_pooled = n_ref + n_test
    effective_size = n_ref * n_test / n_pooled
    # From 3/4 for equal sizes to 1 where one sample is all but infinite.
    imbalance = 1.0 - effective_size / n_pooled
    distances = gaps / (n_ref * n_test)
    moved = (gaps + _overshoot(n_ref, n_test)) / (n_ref * n_test)
    # Products, not powers: those of arrays may round another way than those of a single number.
    squares = distances * distances
    weighted = imbalance * squares
    higher = squares * weighted * (4 / 9 + 32 / 135 * imbalance * squares)
    exponents = effective_size * (2.0 * moved * moved + higher) - squares / 2
    return np.where(gaps > 0, kolmogorov(np.sqrt(np.maximum(exponents, 0.0) / 2)), 1.0)


@lru_cache(maxsize=1_024)
def _overshoot(n_ref: int, n_test: int) -> float:
    """By how much a walk exceeds the gap that it first reaches, on average over both directions.

    Without any common divisor that is a sixth of the larger sample and a third of the smaller
    (Hodges). The gap itself is reached where all gaps are multiples of some spacing, and the mean
    is less by half of that. Where the sizes are a few rows off a simple ratio, the spacing moves
    along the walk and counts in part.
    """
    small, large = sorted((n_ref, n_test))
    weight = LEAST_WEIGHT
    for parts in range(1, 11):
        n_off = abs(parts * large - round(parts * large / small) * small)
        if n_off < len(LATTICE_WEIGHTS):
            # On a lattice finer than the smaller sample, Hodges' mean is too large itself.
            too_large = 0.25 if parts > 1 else 0.0
            weight = max(weight, (LATTICE_WEIGHTS[n_off] + too_large) / parts)
    return (large + 2 * small) / 6 - weight * small / 2


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
    p_of = _formula(n_ref, n_test)

    def are_rare(steps: IntArray) -> NDArray[np.bool_]:
        return bonferroni(_bounded(p_of(steps * step, n_ref, n_test)), n_dimensions) <= level

    # The critical gap lies above low and at or below high.
    low, high = 0, n_ref * n_test // step
    steps = np.array([high])
    if p_of is _asymptotic:
        near = int(_asymptotic_gap(level / n_dimensions, n_ref, n_test) / step)
        steps = np.unique(np.clip([near - 1, near, near + 1, near + 2, high], 1, high))
    rare = are_rare(steps)
    if not rare[-1]:
        return None
    low, high = _around(steps, rare, low, high)
    # Many candidates at once cost little more than one.
    n_candidates = 64 if p_of is _asymptotic else 4
    while high - low > 1:
        parts = min(n_candidates, high - low)
        steps = np.array([low + (high - low) * part // parts for part in range(1, parts)])
        low, high = _around(steps, are_rare(steps), low, high)
    return int(high * step)


def _around(steps: IntArray, rare: NDArray[np.bool_], low: int, high: int) -> tuple[int, int]:
    """The neighbours of ``low, *steps, high`` between which rare ones begin."""
    n_common = int(rare.argmax()) if rare.any() else rare.size
    edges = [low, *steps.tolist(), high]
    return edges[n_common], edges[n_common + 1]


def _asymptotic_gap(p_value: float, n_ref: int, n_test: int) -> float:
    """The gap at which :func:`_asymptotic` gives ``p_value``, by Newton's method.

    It is right to a unit or two: two p-values then take the place of 5 rounds of 64.
    """
    n_product, n_pooled = n_ref * n_test, n_ref + n_test
    effective_size = n_product / n_pooled
    imbalance = 1.0 - effective_size / n_pooled
    over, root = _overshoot(n_ref, n_test) / n_product, float(kolmogi(p_value))
    distance = max(0.0, root / math.sqrt(effective_size) - over)
    for _ in range(4):
        square, moved = distance * distance, distance + over
        higher = imbalance * square * square * (4 / 9 + 32 / 135 * imbalance * square)
        value = effective_size * (2.0 * moved * moved + higher) - square / 2 - 2.0 * root * root
        cubed = imbalance * square * distance * (16 / 9 + 64 / 45 * imbalance * square)
        slope = effective_size * (4.0 * moved + cubed) - distance
        distance = min(1.0, max(0.0, distance - value / slope)) if slope > 0.0 else distance
    return distance * n_product


def _formula(n_ref: int, n_test: int) -> Callable[[IntArray, int, int], FloatArray]:
    """The formula that gives p-values at these sizes."""
    limit = EXACT_LIMIT * (10 if min(n_ref, n_test) < FEW_ROWS else 1)
    return _exact if n_ref * n_test <= limit else _asymptotic


def _bounded(p_values: FloatArray) -> FloatArray:
    return np.minimum(np.maximum(p_values, _SMALLEST), 1.0)
