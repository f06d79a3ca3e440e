"""Rows that depend on the rows before them, and how many independent ones they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from detectors.base import FloatArray

_FEWEST_ROWS = 40
# Lags are added up until they reach so many autocorrelation times (Sokal 1997, section 3): later
# ones add more noise than correlation.
_TIMES_SUMMED = 5.0
# Independent rows are taken for dependent ones once in so many references.
_BY_CHANCE = 0.001


class Dependence(NamedTuple):
    """How many rows say as much as one independent row, at least 1, in each of two samples."""

    ref: float = 1.0
    test: float = 1.0


INDEPENDENT = Dependence()


def autocorrelation_time(x: FloatArray, categorical_columns: Sequence[int] = ()) -> float:
    """Count the rows of a stream that say as much as one independent row.

    The mean of n rows, of which each depends on those before it, varies as that of n divided by
    this number: one plus twice the sum of all autocorrelations. They are those of the ranks, so
    that heavy tails do no harm, or of the most common category.

    Parameters
    ----------
    x : ndarray of float64, shape (n_rows, n_columns)
        In the order of the stream; NaN where a value is missing.
    categorical_columns : sequence of int
        Columns that hold codes of categories.

    Returns
    -------
    float
        The largest of all columns. 1 where no column can be told from one of independent rows,
        where there is no column, and for fewer than 40 rows.

    References
    ----------
    Sokal: Monte Carlo Methods in Statistical Mechanics, in: Functional Integration, Springer 1997,
    doi:10.1007/978-1-4899-0319-8_6

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> steps = rng.normal(size=(5_000, 1))
    >>> autocorrelation_time(steps)
    1.0
    >>> walk = np.convolve(steps[:, 0], 0.9 ** np.arange(100), mode="valid")[:, np.newaxis]
    >>> 10 < autocorrelation_time(walk) < 30  # 19 in the limit
    True
    """
    n_rows, n_columns = x.shape
    if n_rows < _FEWEST_ROWS or not n_columns:
        return 1.0
    z = -float(ndtri(_BY_CHANCE / n_columns))
    times = (_time(_scored(x[:, j], j in categorical_columns), z) for j in range(n_columns))
    return max(times)


def _scored(column: FloatArray, is_category: bool) -> FloatArray:
    """Give scores of mean 0, and 0 for what is missing."""
    is_there = ~np.isnan(column)
    scores = np.zeros(column.size)
    if not is_there.any():
        return scores
    _, places, counts = np.unique(column[is_there], return_inverse=True, return_counts=True)
    if is_category:
        own = (places == np.argmax(counts)).astype(np.float64)
    else:
        # Mid-ranks. SciPy's module of statistics takes a second to load, in every process.
        own = (np.cumsum(counts) - 0.5 * (counts - 1.0))[places]
    scores[is_there] = own - own.mean()
    return scores


def _time(scores: FloatArray, z: float) -> float:
    """Give the autocorrelation time of one column; 1 unless it is above 1 by ``z`` errors."""
    n = scores.size
    correlations = _autocorrelations(scores)
    if correlations is None:
        return 1.0
    sums = 2.0 * np.cumsum(correlations) - 1.0
    lags = np.arange(sums.size)
    enough = np.flatnonzero(lags >= _TIMES_SUMMED * sums)
    last = int(enough[0]) if enough.size else sums.size - 1
    error = np.sqrt(2.0 * (2.0 * last + 1.0) / n)
    found = float(sums[last])
    return found if found > 1.0 + z * error else 1.0


def _autocorrelations(scores: FloatArray) -> NDArray[np.float64] | None:
    """Give the autocorrelations of all lags up to a quarter of the rows; None for a constant."""
    n = scores.size
    size = 1 << (2 * n - 1).bit_length()
    transformed = np.fft.rfft(scores, size)
    sums = np.fft.irfft(transformed * transformed.conj(), size)[: n // 4]
    # A constant has no correlation; ranks are whole numbers, or halves.
    return None if sums[0] < 0.25 else sums / sums[0]
