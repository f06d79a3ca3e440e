"""Tables of two rows, drawn at random with both margins given."""

from __future__ import annotations

import numpy as np

from detectors.base import IntArray

MOST_ROWS = 999_999_999
"""NumPy draws from no more than these."""

_MANY = 100.0


def random_tables(
    totals: IntArray, n_first: int, n_draws: int, rng: np.random.Generator
) -> IntArray:
    """Draw how many of ``n_first`` rows lie in each cell, shape (n_draws, k).

    The distribution is that of a random choice of ``n_first`` of all rows, multivariate
    hypergeometric; the time does not grow with the number of rows. Where at least 100 rows are
    expected in each cell, rounded normal numbers with the covariance of the null take its place:
    they are drawn in a twentieth of the time. From 1e9 rows on they are drawn for the cells with as
    many, and binomial ones for the others, whose variance is too large by the cell's share of all
    rows.

    Parameters
    ----------
    totals : ndarray of int64, shape (k,)
        Rows of both samples in each cell.
    n_first : int
        Rows of the sample that is drawn, the smaller one.

    Examples
    --------
    >>> tables = random_tables(np.array([6, 4]), 5, 1_000, np.random.default_rng(0))
    >>> tables.sum(axis=1).max(), tables.mean(axis=0).round(1)
    (np.int64(5), array([3., 2.]))
    """
    n_rows = int(totals.sum())
    few = totals * (n_first / n_rows) < _MANY
    if n_rows <= MOST_ROWS and few.any():
        return rng.multivariate_hypergeometric(totals, n_first, size=n_draws, method="marginals")
    tables = np.empty((n_draws, totals.size), dtype=np.int64)
    tables[:, few] = rng.binomial(totals[few], n_first / n_rows, size=(n_draws, int(few.sum())))
    n_left = (n_first - tables[:, few].sum(axis=1))[:, np.newaxis]
    many = totals[~few].astype(np.float64)
    shares = many / many.sum()
    # Independent deviations that are then kept to a sum of 0 have the covariance of the null.
    deviations = rng.normal(size=(n_draws, many.size)) * np.sqrt(shares)
    deviations -= shares * deviations.sum(axis=1, keepdims=True)
    spread = np.sqrt(n_left * (1.0 - n_left / many.sum()))
    drawn = np.rint(n_left * shares + spread * deviations).astype(np.int64)
    drawn[:, -1] += n_left[:, 0] - drawn.sum(axis=1)
    tables[:, ~few] = np.clip(drawn, 0, totals[~few])
    return tables
