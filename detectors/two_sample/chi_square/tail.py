"""An upper bound of the chi-square test's p-value that has no floor."""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import next_fast_len
from scipy.special import gammaln

from detectors.base import FloatArray, IntArray
from detectors.two_sample.chi_square.tables import Margins

_MOST_STEPS = 60
_NEGLIGIBLE = 1e-9


def tail_bound(small: IntArray, margins: Margins) -> float:
    """Bound from above the probability of a sum of ``t² / m`` as large as observed.

    Chernoff's: a table counts ``exp(theta * (sum - observed))`` times, which is 1 or more where its
    sum reaches the observed one. The bound holds for every theta, and that of the saddle point is
    near the least: 10 to 200 times the probability where that lies between 1e-4 and 1e-6, and the
    probability itself where the samples share no category.

    Parameters
    ----------
    small : ndarray of int64, shape (n_entries,)
        Rows of the smaller sample in each entry.
    margins : Margins

    References
    ----------
    Butler: Saddlepoint Approximations with Applications, Cambridge 2007,
    doi:10.1017/CBO9780511619083
    """
    tables = _Tilted(margins)
    observed = float((small * np.where(margins.is_single, 1.0, small / margins.totals)).sum())
    tilt, theta = tables.saddle_point(observed)
    if theta <= 0.0:
        return 1.0
    n_small, n_rows = margins.n_small, margins.n_small + margins.n_large
    log_all = float(_log_choose(np.array(n_rows), np.array(n_small)))
    log_bound = tables.log_weight(tilt, theta) - tilt * n_small - theta * observed - log_all
    return math.exp(min(0.0, log_bound))


def _log_choose(n: IntArray, k: IntArray) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


class _Tilted:
    """All tables with given totals, each weighted by ``exp(tilt * rows used + theta * sum)``.

    Entries are independent until the number of rows used is fixed. The arrays hold one entry's
    possible counts after the other's.
    """

    def __init__(self, margins: Margins) -> None:
        self._n_small = margins.n_small
        most = np.minimum(margins.totals, margins.n_small)
        self._starts = np.concatenate([[0], np.cumsum(most + 1)[:-1]])
        self._sizes = most + 1
        self._taken = np.arange(self._sizes.sum()) - np.repeat(self._starts, self._sizes)
        totals = np.repeat(margins.totals, self._sizes)
        divisors = np.where(np.repeat(margins.is_single, self._sizes), self._taken, totals)
        self._sums = self._taken**2 / np.maximum(divisors, 1)
        self._log_ways = _log_choose(totals, self._taken)

    def saddle_point(self, observed: float) -> tuple[float, float]:
        """Find the tilt and the theta that expect the smaller sample's rows and ``observed``.

        They minimise a convex function, by Newton's steps, halved while it would rise; where the
        minimum lies at infinity the search ends on the way.
        """
        target = np.array([self._n_small, observed])
        n_large = self._taken[self._starts + self._sizes - 1].sum() - self._n_small
        at = np.array([math.log(self._n_small / max(n_large, 1)), 0.0])
        value, slope, curvature = self._cumulants(at, target)
        for _ in range(_MOST_STEPS):
            step = np.linalg.lstsq(curvature, -slope, rcond=None)[0]
            size = 1.0
            while size > _NEGLIGIBLE and self._cumulants(at + size * step, target)[0] > value:
                size /= 2
            at = at + size * step
            before = value
            value, slope, curvature = self._cumulants(at, target)
            if before - value < _NEGLIGIBLE:
                break
        return float(at[0]), float(at[1])

    def log_weight(self, tilt: float, theta: float) -> float:
        """Compute the log weight of all tables that use exactly the smaller sample's rows."""
        shares, log_total = self._shares(np.array([tilt, theta]))
        # The rows used of all entries together, as the inverse of the product of their transforms.
        length = next_fast_len(int(self._sizes.sum()), real=True)
        spectrum = np.ones(length // 2 + 1, dtype=np.complex128)
        for start, size in zip(self._starts.tolist(), self._sizes.tolist(), strict=True):
            spectrum *= np.fft.rfft(shares[start : start + size], length)
        used = np.fft.irfft(spectrum, length)
        # A transform is off by some 1e-16, which would matter to a share that is as small.
        return log_total + math.log(max(0.0, float(used[self._n_small])) + _NEGLIGIBLE)

    def _shares(self, at: FloatArray) -> tuple[FloatArray, float]:
        """Give each count its share of its entry's weight, and the log of the whole weight."""
        log_weights = self._log_ways + at[0] * self._taken + at[1] * self._sums
        largest = np.maximum.reduceat(log_weights, self._starts)
        weights = np.exp(log_weights - np.repeat(largest, self._sizes))
        totals = np.add.reduceat(weights, self._starts)
        return weights / np.repeat(totals, self._sizes), float((largest + np.log(totals)).sum())

    def _cumulants(
        self, at: FloatArray, target: FloatArray
    ) -> tuple[float, FloatArray, FloatArray]:
        """Compute the log weight relative to ``target``, its gradient and its curvature."""
        shares, log_total = self._shares(at)
        values = np.stack([self._taken, self._sums])
        means = np.add.reduceat(shares * values, self._starts, axis=1)
        offsets = values - np.repeat(means, self._sizes, axis=1)
        curvature = (shares * offsets) @ offsets.T
        return float(log_total - at @ target), means.sum(axis=1) - target, curvature
