"""Tables of two rows: their margins, their statistic, and tables drawn at random."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray
from detectors.two_sample.permutation import BATCH_SIZE

LEAST_EXPECTED = 5.0
"""The smallest expected count at which the chi-square distribution is used. Cochran's weaker rule,
all from 1 and four fifths from 5, makes a level of 1e-4 in fact 2.3e-4 at 500 rows against 20 in
categories with shares of 0.58, 0.29 and 0.13, where one of six expected counts is 2.7."""

MOST_CATEGORIES = 50
"""Categories of a random table at most: 9,999 tables of that many take 0.1 s, of 1,000 4 s."""


class Margins(NamedTuple):
    """The part of a table that the null keeps.

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
    """Compute chi-square divided by the number of rows, in [0, 1].

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
    margins, small = margins_of(counts)
    return float(v_squared(small[np.newaxis], margins)[0])


def group_rare(counts: IntArray) -> IntArray:
    """Group rare categories so that time and memory stay bounded, however many there are.

    Where some expected count is below ``LEAST_EXPECTED`` and more than ``MOST_CATEGORIES``
    categories were seen twice or more, those with at least ``1 / MOST_CATEGORIES`` of all rows
    stand alone. The others are put together, in the order of their expected counts and then of
    their values, to groups of about as many rows. Expected counts come from both samples together,
    so the grouping treats them alike and the p-value stays valid. A move within a group goes
    unseen; categories that are all new are found, since they are rarer than the old ones or lie
    together.

    Parameters
    ----------
    counts : ndarray of int64, shape (2, n_categories)

    Returns
    -------
    ndarray of int64, shape (2, k)
        ``counts`` itself where nothing is grouped.

    Examples
    --------
    >>> group_rare(np.array([np.repeat([50, 1], [1, 999]), np.ones(1_000, dtype=np.int64)]))[:, :3]
    array([[50, 16, 20],
           [ 1, 16, 20]])
    """
    totals = counts.sum(axis=0)
    if np.count_nonzero(totals > 1) <= MOST_CATEGORIES or least_expected(counts) >= LEAST_EXPECTED:
        return counts
    order = np.argsort(-totals, kind="stable")
    rows_before = np.cumsum(totals[order]) - totals[order]
    group = rows_before * MOST_CATEGORIES // totals.sum()
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.asarray(np.add.reduceat(counts[:, order], starts, axis=1))


def least_expected(counts: IntArray) -> float:
    """Give the smallest expected count, which is one of the smaller sample."""
    return float(counts.sum(axis=0).min() * counts.sum(axis=1).min() / counts.sum())


def margins_of(counts: IntArray) -> tuple[Margins, IntArray]:
    """Give the margins, and the counts of the smaller sample, one for each entry."""
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


def v_squared(small: IntArray, margins: Margins) -> FloatArray:
    """Compute V² of tables, given the counts of the smaller sample, shape (n_tables, n_entries)."""
    totals, is_single, n_small, n_large = margins
    # Integers as long as they can be: equal shares then give 0 and not a rounding error.
    scaled = (n_small + n_large) * np.where(is_single, small, small**2)
    sums = (scaled / np.where(is_single, 1, totals)).sum(axis=1)
    return np.asarray((sums - n_small**2) / (n_small * n_large))


def random_v_squared(margins: Margins, n_draws: int, rng: np.random.Generator) -> FloatArray:
    """Draw tables with these margins and compute their V², shape (n_draws,)."""
    batches = []
    for start in range(0, n_draws, BATCH_SIZE):
        size = min(BATCH_SIZE, n_draws - start)
        tables = rng.multivariate_hypergeometric(margins.totals, margins.n_small, size=size)
        batches.append(v_squared(tables, margins))
    return np.concatenate(batches)
