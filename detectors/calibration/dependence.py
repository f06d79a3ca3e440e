"""Rows that depend on the rows before them: how many independent ones a window of them stands for.

The share of a window's rows at or below some value varies around its truth. For independent rows
the variance is that of a coin. For dependent ones it is larger by a factor, the *autocorrelation
time* of the window: so many rows say as much as one independent row. It grows with the length of
the window up to a limit, one plus twice the sum of all autocorrelations.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from detectors.base import FloatArray, StateArrays

ENOUGH_ROWS = 200
"""Independent rows for which a reference has to stand, so that its dependence is known: with an
error of the root of two over them."""
_FEWEST_ROWS = 40
_SHORTEST = 8.0
# Windows within a reference; with fewer their spread says nothing.
_FEWEST_WINDOWS = 4
# In the middle of a distribution, where the largest distance of an empirical one lies.
_QUANTILES = np.array([0.25, 0.375, 0.5, 0.625, 0.75])
_ALL_QUANTILES = np.arange(1, 32) / 32.0
_MOST_CATEGORIES = 8
# Windows of a length that are looked at, from all over the reference.
_MOST_WINDOWS = 256
# How often windows of independent rows may seem to vary more; and those of rows of which it is
# known that they depend on each other, more than those of the fitted process.
_BY_CHANCE, _AGAIN_BY_CHANCE = 1e-3, 0.05
_LEAST_ERROR = 1e-9


class Dependence(NamedTuple):
    """How much the rows of a column depend on each other, in a reference and in a window.

    Attributes
    ----------
    ref, test : float
        Rows that say as much as one independent row, at least 1.
    furthest : float
        How far a window of the reference was from all of it, at most: D; of categories, half the
        root of chi-square for each row.
    """

    ref: float = 1.0
    test: float = 1.0
    furthest: float = 0.0


INDEPENDENT = Dependence()


@dataclass(frozen=True, eq=False)
class StreamDependence:
    """How much the rows of a stream depend on those before them, column by column.

    Attributes
    ----------
    lengths : ndarray of int64, shape (n_lengths,)
        Rows of a window, in order; the last are those of the whole reference.
    times : ndarray of float64, shape (n_lengths, n_columns)
        Rows of such a window that say as much as one independent row, at least 1.
    furthest : ndarray of float64, shape (n_lengths, n_columns)
        How far such a window of the reference was from all of it, at most.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> steps = rng.normal(size=(5_000, 1))
    >>> StreamDependence.of(steps).is_independent
    True
    >>> walk = np.convolve(steps[:, 0], 0.9 ** np.arange(100), mode="valid")[:, np.newaxis]
    >>> (found,) = StreamDependence.of(walk).at(1_000)
    >>> 10 < found.test < 17  # 13.3 in the limit
    True
    """

    lengths: NDArray[np.int64]
    times: FloatArray
    furthest: FloatArray

    @classmethod
    def of(cls, x: FloatArray, categorical_columns: Collection[int] = ()) -> Self:
        """Estimate it from a reference.

        What is followed is whether a value lies at or below five quantiles, or which category it
        is: so heavy tails do no harm, and it is the very thing that makes D of a window vary. An
        autoregressive process is fitted to the mean autocorrelation of these indicators by the
        equations of Yule and Walker, of the order that Akaike's criterion chooses; where that of
        Schwarz finds none, rows are independent. Where windows of the reference vary clearly more
        than that, they are believed instead: rows in the order of something, or a slow drift. What
        lasts as long as a tenth of the reference is seen in part. The estimate is raised by its
        error, the root of two over the independent rows of the reference, so that few windows seem
        further than they are.

        Parameters
        ----------
        x : ndarray of float64, shape (n_rows, n_columns)
            In the order of the stream; NaN where a value is missing.
        categorical_columns : collection of int
            Columns that hold codes of categories.

        Returns
        -------
        StreamDependence
            Independent for fewer than 40 rows, and in columns that are constant.

        References
        ----------
        den Haan, Levin: A Practitioner's Guide to Robust Covariance Matrix Estimation, Handbook of
        Statistics 1997, doi:10.1016/S0169-7161(97)15014-3

        Rao, Scott: On Chi-Squared Tests for Multiway Contingency Tables with Cell Proportions
        Estimated from Survey Data, Annals of Statistics 1984, doi:10.1214/aos/1176346391
        """
        n_rows, n_columns = x.shape
        lengths = np.array([*_within(n_rows), max(1, n_rows)], dtype=np.int64)
        times, furthest = np.ones((lengths.size, n_columns)), np.zeros((lengths.size, n_columns))
        if n_rows < _FEWEST_ROWS or not n_columns:
            return cls(lengths, times, furthest)
        are_categories = [j in categorical_columns for j in range(n_columns)]
        indicators = [
            _indicators(column, _QUANTILES, is_category=is_category)
            for column, is_category in zip(x.T, are_categories, strict=True)
        ]
        # Columns at once: one by one the orders of a process take 1 ms a column.
        fitted = _fitted_times(np.array([_correlations(each) for each in indicators]), lengths)
        for j, each in enumerate(indicators):
            times[:, j] = _times(each, fitted[:, j], lengths)
            if times[-1, j] > 1.0:
                furthest[:, j] = _furthest(x[:, j], lengths, is_category=are_categories[j])
        return cls(lengths, times, furthest)

    @property
    def is_independent(self) -> bool:
        """Tell whether no column depends on the rows before it."""
        return bool((self.times <= 1.0).all())

    def at(self, n_test: int, of_ref: float = 1.0, of_test: float = 1.0) -> list[Dependence]:
        """Give the dependence of each column for windows of ``n_test`` rows.

        ``of_ref`` and ``of_test`` are the shares of the rows that a test sees, in (0, 1]: samples
        of which the rows lie further apart.
        """
        place, logs = math.log(max(1, n_test)), np.log(self.lengths)
        found = []
        for times, furthest in zip(self.times.T, self.furthest.T, strict=True):
            more_ref, more_test = times[-1] - 1.0, np.interp(place, logs, times) - 1.0
            own = Dependence(
                1.0 + of_ref * float(more_ref),
                1.0 + of_test * float(more_test),
                float(np.interp(place, logs, furthest)),
            )
            found.append(own if more_ref > 0.0 else INDEPENDENT)
        return found

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to restore it, as named arrays."""
        return {"lengths": self.lengths, "times": self.times, "furthest": self.furthest}

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore what :meth:`to_arrays` gave."""
        numbers = (arrays[name].astype(np.float64) for name in ("times", "furthest"))
        return cls(arrays["lengths"].astype(np.int64), *numbers)


def _within(n_rows: int) -> Iterator[int]:
    """Lengths of windows of which a reference holds some."""
    length = _SHORTEST
    while length * _FEWEST_WINDOWS <= n_rows:
        yield round(length)
        length *= math.sqrt(2.0)


def _indicators(column: FloatArray, quantiles: FloatArray, *, is_category: bool) -> FloatArray:
    """Tell at or below which quantiles, or of which category, values are, less the mean.

    Shape (n_indicators, n_rows). A missing value is greater than every number, or a category.
    """
    values = np.where(np.isnan(column), np.inf, column)
    if is_category:
        categories, counts = np.unique(values, return_counts=True)
        kept = categories[np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]]
        found = values == kept[:, np.newaxis]
    else:
        places = (quantiles * values.size).astype(np.int64)
        found = values <= np.unique(np.sort(values)[places])[:, np.newaxis]
    return np.asarray(found - found.mean(axis=1, keepdims=True))


def _times(indicators: FloatArray, fitted: FloatArray, lengths: NDArray[np.int64]) -> FloatArray:
    """Give the autocorrelation time of one column for windows of each length."""
    n_rows = indicators.shape[1]
    variance = float(np.square(indicators).mean(axis=1).sum())
    if variance <= 0.0:
        return np.ones(lengths.size)
    sums = _running(indicators)
    own = (_deviations(sums, n) for n in lengths[:-1].tolist())
    squares = np.array([np.square(each).mean(axis=1).sum() for each in own])
    seen = squares * lengths[:-1] / (1.0 - lengths[:-1] / n_rows) / variance
    # As for the share of one category in windows that do not overlap, which differ most.
    freedom = np.minimum(n_rows / lengths[:-1], _MOST_WINDOWS)
    by_chance = _AGAIN_BY_CHANCE if fitted[-1] > 1.0 else _BY_CHANCE
    is_more = seen > fitted[:-1] * chdtri(freedom, by_chance) / freedom
    times = fitted.copy()
    times[:-1][is_more] = seen[is_more]
    times = np.maximum(np.maximum.accumulate(times), 1.0)
    if times[-1] > 1.0:
        times *= 1.0 + math.sqrt(2.0 * times[-1] / n_rows)
    return np.asarray(np.minimum(times, lengths))


def _correlations(indicators: FloatArray) -> FloatArray:
    """Give the mean autocorrelation of one column; of a constant that of independent rows."""
    n_rows = indicators.shape[1]
    most = min(n_rows // 10, int(10.0 * math.log10(n_rows)))
    size = 1 << (n_rows + most).bit_length()
    transformed = np.fft.rfft(indicators, size)
    power = (transformed.real**2 + transformed.imag**2).sum(axis=0)
    sums = np.fft.irfft(power, size)[: most + 1]
    if sums[0] <= 0.0:
        return np.asarray(np.eye(1, most + 1)[0])
    return np.asarray(sums / sums[0])


def _fitted_times(correlations: FloatArray, lengths: NDArray[np.int64]) -> FloatArray:
    """Give the times of autoregressive processes, shape (n_lengths, n_columns).

    They are 1 where rows are independent.
    """
    n_rows = int(lengths[-1])
    times = np.ones((lengths.size, len(correlations)))
    fits = _processes(correlations)
    orders = np.arange(len(fits))
    fit = n_rows * np.log(np.array([error for _, error in fits]).T)
    of_schwarz, of_akaike = fit + math.log(n_rows) * orders, fit + 2.0 * orders
    for j in np.flatnonzero(np.argmin(of_schwarz, axis=1)).tolist():
        order = max(1, int(np.argmin(of_akaike[j])))
        known = correlations[j, : order + 1]
        all_of_them = _continued(known, fits[order][0][j], n_rows)
        # A window of n rows has n - k pairs that are k apart.
        first, weighted = (
            np.concatenate([[0.0], np.cumsum(each)])
            for each in (all_of_them, all_of_them * np.arange(all_of_them.size))
        )
        times[:, j] = 2.0 * (first[lengths] - weighted[lengths] / lengths) - 1.0
    return times


def _processes(correlations: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Give coefficients and variances of errors, order by order (Levinson and Durbin).

    Their shapes are (n_columns, order) and (n_columns,). From where one is known to its last bit,
    errors of a column are infinite.
    """
    n_columns = len(correlations)
    coefficients, error = np.zeros((n_columns, 0)), np.ones(n_columns)
    found = [(coefficients, error)]
    for order in range(1, correlations.shape[1]):
        before = correlations[:, order - 1 : 0 : -1]
        partial = (correlations[:, order] - (coefficients * before).sum(axis=1)) / error
        turned = partial[:, np.newaxis]
        coefficients = np.hstack([coefficients - turned * coefficients[:, ::-1], turned])
        error = error * (1.0 - np.square(partial))
        error = np.where(error < _LEAST_ERROR, np.inf, error)
        found.append((coefficients, error))
    return found


def _continued(known: FloatArray, coefficients: FloatArray, n: int) -> FloatArray:
    """Continue autocorrelations as those of a process, shape (n,)."""
    order = coefficients.size
    backwards = coefficients[::-1].copy()
    found = np.zeros(max(n, known.size))
    found[: known.size] = known
    for k in range(known.size, n):
        found[k] = backwards @ found[k - order : k]
        # What comes later is nothing: it falls by powers.
        if not k % order and np.abs(found[k - order : k]).max() < _LEAST_ERROR:
            break
    return found[:n]


def _running(indicators: FloatArray) -> FloatArray:
    """Give sums over all rows before each, shape (n_indicators, n_rows + 1)."""
    sums = np.zeros((len(indicators), indicators.shape[1] + 1))
    np.cumsum(indicators, axis=1, out=sums[:, 1:])
    return sums


def _deviations(sums: FloatArray, length: int) -> FloatArray:
    """Give the means of windows from all over the reference, shape (n_indicators, n_windows)."""
    starts = _starts(sums.shape[1] - 1 - length)
    return np.asarray((sums[:, starts + length] - sums[:, starts]) / length)


@lru_cache(maxsize=64)
def _starts(last: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, last, min(_MOST_WINDOWS, last + 1)).astype(np.int64))


def _furthest(column: FloatArray, lengths: NDArray[np.int64], *, is_category: bool) -> FloatArray:
    """Give how far windows of each length are from the reference, at most."""
    indicators = _indicators(column, _ALL_QUANTILES, is_category=is_category)
    sums = _running(indicators)
    own = (_deviations(sums, n) for n in lengths[:-1].tolist())
    if is_category:
        # An indicator is the share of its category below 0 for all other rows.
        shares = -indicators.min(axis=1, keepdims=True)
        found = [0.5 * math.sqrt((np.square(each) / shares).sum(axis=0).max()) for each in own]
    else:
        found = [float(np.abs(each).max()) for each in own]
    return np.array([*found, found[-1]])
