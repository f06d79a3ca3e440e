"""The null distribution of Pearson's chi-square statistic of a table of two rows.

The null keeps the table's margins, how many rows each sample has and how often each category is
seen in both together: permuting rows between the samples does not change them. The smaller sample
then holds ``t`` of the ``m`` rows of a category, and the statistic depends on the sum of ``t² / m``
alone. Categories seen once add ``t`` each, so that they count as a single entry: of a column with
many rare categories few entries are left.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray
from detectors.two_sample.permutation import BATCH_SIZE, permutation_p_value

EXACT_LIMIT = 30_000
"""The most sums of one step of the exact computation, which keeps it near 10 ms: 9,999 random
tables of 10 categories take 10 to 20 ms."""

LEAST_EXPECTED = 5.0
"""The smallest expected count at which the chi-square distribution is used. Cochran's weaker rule,
all from 1 and four fifths from 5, makes a level of 1e-4 in fact 2.3e-4 at 500 rows against 20 in
categories with shares of 0.58, 0.29 and 0.13, where one of six expected counts is 2.7."""


class Margins(NamedTuple):
    """What the null keeps of a table.

    Attributes
    ----------
    totals : ndarray of int64, shape (n_entries,)
        Rows of each entry in both samples; the entry of the categories seen once comes last.
    is_single : ndarray of bool, shape (n_entries,)
        Which entry holds the categories seen once.
    n_small, n_large : int
        Rows of the smaller and of the larger sample.
    """

    totals: IntArray
    is_single: NDArray[np.bool_]
    n_small: int
    n_large: int


def cramers_v_squared(counts: IntArray) -> float:
    """Chi-square divided by the number of rows, in [0, 1].

    Exactly 0 where the shares are equal and exactly 1 where the samples share no category.

    Parameters
    ----------
    counts : ndarray of int64, shape (2, n_categories)
        Rows of each sample in each category; no category is empty in both.

    Examples
    --------
    >>> cramers_v_squared(np.array([[10, 10], [5, 5]]))
    0.0
    >>> cramers_v_squared(np.array([[9, 0], [0, 4]]))
    1.0
    """
    margins, small = _margins(counts)
    return float(_v_squared(small[np.newaxis], margins)[0])


def chi_square_p_value(counts: IntArray, n_draws: int, rng: np.random.Generator) -> float:
    """The probability under the null of a statistic at least as large, in (0, 1].

    Exact while that takes at most ``EXACT_LIMIT`` sums at a time: with two categories up to some
    10,000 rows in each sample, with 10 up to 20 or 30. Beyond, the chi-square distribution where
    all expected counts are at least ``LEAST_EXPECTED``, and elsewhere ``(1 + k) / (1 + n_draws)``
    from random tables. Which of them depends on the margins alone, so that the choice cannot
    favour a result.

    Parameters
    ----------
    counts : ndarray of int64, shape (2, n_categories)
        Rows of each sample in each category; no category is empty in both.
    n_draws : int
        Random tables, where they are needed.
    rng : numpy.random.Generator
        Draws them; not used elsewhere.

    References
    ----------
    Cochran: The χ² Test of Goodness of Fit, 1952, doi:10.1214/aoms/1177729380

    Examples
    --------
    >>> round(chi_square_p_value(np.array([[4, 0], [0, 4]]), 99, np.random.default_rng(0)), 6)
    0.028571
    """
    if counts.shape[1] == 1:
        return 1.0
    margins, small = _margins(counts)
    p_value = _exact_p_value(small, margins)
    if p_value is None:
        expected = counts.sum(axis=0) * (margins.n_small / counts.sum())
        if expected.min() >= LEAST_EXPECTED:
            statistic = counts.sum() * cramers_v_squared(counts)
            p_value = float(scipy.stats.chi2.sf(statistic, counts.shape[1] - 1))
        else:
            observed = float(_v_squared(small[np.newaxis], margins)[0])
            p_value = permutation_p_value(observed, _random_v_squared(margins, n_draws, rng))
    return min(1.0, max(p_value, float(np.finfo(np.float64).tiny)))


def _margins(counts: IntArray) -> tuple[Margins, IntArray]:
    """The margins, and the counts of the smaller sample, one for each entry."""
    n_rows = counts.sum(axis=1)
    small = counts[n_rows.argmin()]
    totals = counts.sum(axis=0)
    once = totals == 1
    n_once = int(once.sum())
    if n_once:
        totals = np.append(totals[~once], n_once)
        small = np.append(small[~once], small[once].sum())
    is_single = np.arange(totals.size) == (totals.size - 1 if n_once else -1)
    return Margins(totals, is_single, int(n_rows.min()), int(n_rows.max())), small


def _v_squared(small: IntArray, margins: Margins) -> FloatArray:
    """V² of tables given by the counts of the smaller sample, shape (n_tables, n_entries)."""
    totals, is_single, n_small, n_large = margins
    # Integers as long as they can be: equal shares then give 0 and not a rounding error.
    scaled = (n_small + n_large) * np.where(is_single, small, small**2)
    sums = (scaled / np.where(is_single, 1, totals)).sum(axis=1)
    return np.asarray((sums - n_small**2) / (n_small * n_large))


def _random_v_squared(margins: Margins, n_draws: int, rng: np.random.Generator) -> FloatArray:
    batches = []
    for start in range(0, n_draws, BATCH_SIZE):
        size = min(BATCH_SIZE, n_draws - start)
        tables = rng.multivariate_hypergeometric(margins.totals, margins.n_small, size=size)
        batches.append(_v_squared(tables, margins))
    return np.concatenate(batches)


def _exact_p_value(small: IntArray, margins: Margins) -> float | None:
    """The exact probability of a sum of ``t² / m`` as large as observed; None where too costly.

    Entry by entry, the attainable pairs of rows used and sum so far are kept, each as one integer,
    with their weights. Sums are multiplied by a common multiple of all ``m``, so that ties are
    exact. With binomial weights the number of rows used is random; the pairs that end at the
    smaller sample's size have the null's probabilities.
    """
    totals, is_single, n_small, n_large = margins
    common = math.lcm(*totals[~is_single].tolist())
    base = n_small + 1
    if common * n_small * base >= 2**62:
        return None

    def scaled(entry: int, taken: IntArray) -> IntArray:
        return common * taken if is_single[entry] else (common // totals[entry]) * taken**2

    *others, largest = np.argsort(totals, kind="stable").tolist()
    share = n_small / (n_small + n_large)
    pairs: IntArray = np.zeros(1, dtype=np.int64)
    weights: FloatArray = np.ones(1)
    n_left = n_small + n_large
    for entry in others:
        n_left -= int(totals[entry])
        taken = np.arange(min(totals[entry], n_small) + 1)
        if pairs.size * taken.size > EXACT_LIMIT:
            return None
        used = pairs[:, np.newaxis] % base + taken
        possible = (used <= n_small) & (used + n_left >= n_small)
        reached = pairs[:, np.newaxis] + base * scaled(entry, taken) + taken
        grown = weights[:, np.newaxis] * scipy.stats.binom.pmf(taken, totals[entry], share)
        pairs, inverse = np.unique(reached[possible], return_inverse=True)
        weights = np.asarray(np.bincount(inverse, grown[possible]), dtype=np.float64)
    taken = n_small - pairs % base
    weights = weights * scipy.stats.binom.pmf(taken, totals[largest], share)
    observed = sum(int(scaled(entry, small[entry])) for entry in (*others, largest))
    return float(weights[pairs // base + scaled(largest, taken) >= observed].sum() / weights.sum())
