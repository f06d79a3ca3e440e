"""The null distribution of Pearson's chi-square statistic of a table of two rows.

The null keeps the table's margins, how many rows each sample has and how often each category is
seen in both together: permuting rows between the samples does not change them. The smaller sample
then holds ``t`` of the ``m`` rows of a category, and the statistic depends on the sum of ``t² / m``
alone. Categories seen once add ``t`` each, so that they count as a single entry: of a column with
many rare categories few entries are left.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import chdtrc, gammaln

from detectors.base import FloatArray, IntArray
from detectors.two_sample.chi_square.tables import (
    LEAST_EXPECTED,
    Margins,
    cramers_v_squared,
    group_rare,
    least_expected,
    margins_of,
    random_v_squared,
    v_squared,
)
from detectors.two_sample.chi_square.tail import tail_bound
from detectors.two_sample.permutation import BATCH_SIZE, TIE_TOLERANCE, labelling_share

EXACT_LIMIT = 30_000
"""The most sums of one step of the exact computation, which keeps it near 10 ms: 9,999 random
tables of 10 categories take 10 to 20 ms."""

LARGE_EXPECTED = 40.0
"""The smallest expected count from which p-values are not computed exactly. With 69 to 78 the
chi-square distribution is within 2 % of them down to 4e-6; with 20, 100 rows against 2,000, it is
6 % too small at 1e-4 and 27 % at 5e-6. The exact computation takes up to 10 ms, the other 0.1."""

MOST_REACHING = 100
"""Random tables that reach the statistic, after which no more are drawn: the p-value is then off by
10 % as a standard deviation."""


def chi_square_p_value(counts: IntArray, n_draws: int, rng: np.random.Generator) -> float:
    """Compute the probability under the null of a statistic at least as large, in (0, 1].

    The chi-square distribution where all expected counts are at least ``LARGE_EXPECTED``, of three
    categories or more. Else exact while that takes at most ``EXACT_LIMIT`` sums at a time: with two
    categories up to some 10,000 rows in each sample, with 10 up to 20 or 30. Beyond, the chi-square
    distribution where all expected counts are at least ``LEAST_EXPECTED``, and elsewhere
    ``(1 + k) / (1 + n_draws)`` from random tables, of which k reach the statistic, or their share
    of fewer tables where many do. Where none does, an upper bound of the probability
    (:func:`tail_bound`) takes its place if that is smaller: p-values have no floor at
    ``1 / (1 + n_draws)``, and below it they are conservative. Before tables are drawn rare
    categories are grouped (:func:`group_rare`). The margins alone decide on the way, so that the
    choice cannot favour a result.

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
    n_ref, n_test = counts.sum(axis=1).tolist()
    counts = group_rare(counts)
    if counts.shape[1] == 1:
        return 1.0
    margins, small = margins_of(counts)
    least = least_expected(counts)
    is_large = least >= LARGE_EXPECTED and counts.shape[1] > 2
    p_value = None if is_large else _exact_p_value(small, margins)
    if p_value is None and least >= LEAST_EXPECTED:
        statistic = counts.sum() * cramers_v_squared(counts)
        p_value = float(chdtrc(counts.shape[1] - 1, statistic))
    elif p_value is None:
        p_value = _random_p_value(small, margins, n_draws, rng)
    return min(1.0, max(p_value, labelling_share(n_ref, n_test)))


def _random_p_value(
    small: IntArray, margins: Margins, n_draws: int, rng: np.random.Generator
) -> float:
    """Compare with random tables, and bound the tail where none of them reaches the statistic.

    Drawing ends at the ``MOST_REACHING``-th table that reaches the statistic, and the p-value is
    then their share of the tables so far (Besag and Clifford), as valid as that of all: where
    nothing moved 200 tables are enough. Levels from ``1 / (1 + n_draws)`` on are held by the tables
    as ever. A lower one is reached by the bound alone, which never lies below the probability.

    References
    ----------
    Besag, Clifford: Sequential Monte Carlo p-values, Biometrika 1991, doi:10.1093/biomet/78.2.301
    """
    observed = float(v_squared(small[np.newaxis], margins)[0]) - TIE_TOLERANCE
    n_reaching = n_drawn = 0
    while n_drawn < n_draws:
        size = min(BATCH_SIZE, n_draws - n_drawn)
        reaching = random_v_squared(margins, size, rng) >= observed
        if n_reaching + np.count_nonzero(reaching) >= MOST_REACHING:
            (at,) = np.nonzero(reaching)
            return MOST_REACHING / (n_drawn + int(at[MOST_REACHING - n_reaching - 1]) + 1)
        n_reaching += int(np.count_nonzero(reaching))
        n_drawn += size
    floor = 1.0 / (1 + n_draws)
    return (1 + n_reaching) * floor if n_reaching else min(floor, tail_bound(small, margins))


def _exact_p_value(small: IntArray, margins: Margins) -> float | None:
    """Compute the probability of a sum of ``t² / m`` as large as observed; None where too costly.

    Entry by entry, the attainable pairs of rows used and sum so far are kept, each as one integer,
    with their weights. Sums are multiplied by a common multiple of all ``m``, so that ties are
    exact. With binomial weights the number of rows used is random; the pairs that end at the
    smaller sample's size have the null's probabilities.
    """
    totals, is_single, n_small, n_large = margins
    base, common = n_small + 1, 1
    for total in totals[~is_single].tolist():
        common = math.lcm(common, total)
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
        n_taken = min(int(totals[entry]), n_small) + 1
        if pairs.size * n_taken > EXACT_LIMIT:
            return None
        taken = np.arange(n_taken)
        used = pairs[:, np.newaxis] % base + taken
        possible = (used <= n_small) & (used + n_left >= n_small)
        reached = pairs[:, np.newaxis] + base * scaled(entry, taken) + taken
        grown = weights[:, np.newaxis] * _binomial(taken, int(totals[entry]), share)
        if pairs.size == 1:  # they ascend, so that none is there twice
            pairs, weights = reached[possible], grown[possible]
            continue
        pairs, inverse = np.unique(reached[possible], return_inverse=True)
        weights = np.asarray(np.bincount(inverse, grown[possible]), dtype=np.float64)
    taken = n_small - pairs % base
    weights = weights * _binomial(taken, int(totals[largest]), share)
    observed = sum(int(scaled(entry, small[entry])) for entry in (*others, largest))
    return float(weights[pairs // base + scaled(largest, taken) >= observed].sum() / weights.sum())


def _binomial(taken: IntArray, n_rows: int, share: float) -> FloatArray:
    """Compute the probabilities of ``taken`` successes of ``n_rows``.

    ``scipy.stats.binom.pmf`` gives the same within 1e-10 of itself, and takes a millisecond a call
    for its arguments alone: with two columns of categories that was most of a window's cost.
    """
    log_ways = gammaln(n_rows + 1) - gammaln(taken + 1) - gammaln(n_rows - taken + 1)
    log_shares = taken * math.log(share) + (n_rows - taken) * math.log1p(-share)
    return np.asarray(np.exp(log_ways + log_shares))
