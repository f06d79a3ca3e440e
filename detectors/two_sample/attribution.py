"""Attribution of a move to dimensions, with size and direction: shared by all two-sample tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from detectors.base import FloatArray, IntArray, MissingShares
from detectors.two_sample.ks.distance import largest_gaps
from detectors.two_sample.ks.distribution import ks_p_values
from detectors.two_sample.missing import compare_missing

LARGEST_OFFSET = 1e290
"""Offsets, in units of the reference's largest value, end here: 1e18 of them can be added up."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """One value per dimension for each of three questions.

    Attributes
    ----------
    statistics : ndarray of float64, shape (n_dimensions,)
        How far the dimension moved: the two-sample Kolmogorov–Smirnov D in [0, 1], or what the
        test has of its own.
    p_values : ndarray of float64, shape (n_dimensions,)
        The uncorrected p-value of the statistic: how surprising that is.
    shifts : ndarray of float64, shape (n_dimensions,)
        Difference of the means in standard deviations of the reference: which way it moved.
    missing : MissingShares or None
        How the shares of missing values compare; None where no value is missing.
    """

    statistics: FloatArray
    p_values: FloatArray
    shifts: FloatArray
    missing: MissingShares | None


class SortedReference:
    """The columns of a reference, sorted once and compared with many test samples.

    A missing value, NaN, counts as greater than every number: where the share of missing values
    changes, the distribution function changes with it, and equal shares change nothing.

    Parameters
    ----------
    x_ref : ndarray of float64, shape (n_ref, n_dimensions)
        Checked rows, finite or missing; copied.

    Attributes
    ----------
    columns : ndarray of float64, shape (n_dimensions, n_ref)
        Each column of the reference as one sorted, contiguous row; infinity stands for missing.

    Examples
    --------
    >>> reference = SortedReference(np.array([[1.0], [2.0], [3.0]]))
    >>> reference.attribute(np.array([[2.0], [9.0], [9.0]])).statistics.round(3)
    array([0.667])
    """

    def __init__(self, x_ref: FloatArray) -> None:
        self.columns: FloatArray = _sorted_columns(x_ref)
        self._moments = _Moments(self.columns)
        self._misses_values = bool(np.isinf(self.columns[:, -1]).any())

    @property
    def n_dimensions(self) -> int:
        """Columns of the reference."""
        return len(self.columns)

    @property
    def n_ref(self) -> int:
        """Rows of the reference."""
        return int(self.columns.shape[1])

    def attribute(
        self, x_test: FloatArray, own: tuple[FloatArray, FloatArray] | None = None
    ) -> Attribution:
        """Compare each column of ``x_test``, shape (n_test, n_dimensions), with the reference.

        A test with statistics and p-values of its own for the dimensions hands them in as ``own``:
        they take the place of D and its p-value, which are then not computed.
        """
        columns = _sorted_columns(x_test)
        statistics, p_values = own or self._distances(columns)
        return Attribution(
            statistics, p_values, self._moments.shifts(columns), self._missing(columns)
        )

    def _distances(self, columns: FloatArray) -> tuple[FloatArray, FloatArray]:
        n_test = columns.shape[1]
        gaps = largest_gaps(self.columns, columns)
        return gaps / (self.n_ref * n_test), ks_p_values(gaps, self.n_ref, n_test)

    def shifts(self, x_test: FloatArray) -> FloatArray:
        """Differences of the means in standard deviations of the reference."""
        return self._moments.shifts(_sorted_columns(x_test))

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How far each row of ``x_test`` lies in the direction in which the sample moved.

        The score is the sum over the dimensions of ``D * direction * (2 * F(x) - 1)``. ``F`` is the
        empirical distribution of the reference with ties counted half, and the direction of a
        dimension is +1 where test rows lie above reference rows more often than below, -1 where
        less often, 0 where equally often.
        """
        columns = _missing_last(x_test.T)
        # n_ref * (2 F - 1) as integers, so that the direction does not depend on the row order
        ranks = self._counts(columns, "left") + self._counts(columns, "right") - self.n_ref
        gaps = largest_gaps(self.columns, np.sort(columns, axis=1))
        weights = gaps * np.sign(ranks.sum(axis=1)) / (self.n_ref**2 * x_test.shape[0])
        return np.asarray(np.einsum("d,dn->n", weights, ranks))

    def _missing(self, columns: FloatArray) -> MissingShares | None:
        # Missing values are last, so that one comparison tells whether there is anything to count.
        if not (self._misses_values or np.isinf(columns[:, -1]).any()):
            return None
        n_missing_ref, n_missing_test = (
            np.isinf(sample).sum(axis=1) for sample in (self.columns, columns)
        )
        return compare_missing(n_missing_ref, n_missing_test, self.n_ref, columns.shape[1])

    def _counts(self, columns: FloatArray, side: Literal["left", "right"]) -> IntArray:
        """Rows of the reference below (left), or at or below (right), each value of ``columns``."""
        counts = np.empty(columns.shape, dtype=np.int64)
        for dimension, column in enumerate(columns):
            counts[dimension] = self.columns[dimension].searchsorted(column, side)
        return counts


def _missing_last(x: FloatArray) -> FloatArray:
    """``x`` with infinity where a value is missing: unlike NaN it ties with itself."""
    return np.where(np.isnan(x), np.inf, x) if np.isnan(x).any() else x


def _sorted_columns(x: FloatArray) -> FloatArray:
    return np.asarray(_missing_last(np.sort(x.T, axis=1)))


class _Moments:
    """Mean and spread of a reference's observed values, for the direction of a move.

    Values are scaled to [-1, 1], so that sums near the largest float64 do not overflow, and taken
    relative to the lowest one, so that a constant leaves no rounding error behind.
    """

    def __init__(self, columns: FloatArray) -> None:
        observed = np.isfinite(columns)
        self._lowest = np.where(observed[:, :1], columns[:, :1], 0.0)
        largest = np.abs(np.where(observed, columns, self._lowest)).max(axis=1, keepdims=True)
        self._scale = np.where(largest > 0.0, largest, 1.0)
        offsets, n_observed = self._offsets(columns)
        self._mean = offsets.sum(axis=1) / n_observed
        # The zeros that stand for missing values are counted out again.
        deviations = np.where(observed, offsets - self._mean[:, np.newaxis], 0.0)
        self._spread = np.sqrt((deviations**2).sum(axis=1) / n_observed)

    def shifts(self, columns: FloatArray) -> FloatArray:
        """Mean of sorted ``columns`` minus mean of the reference, in spreads of the reference.

        Missing values are left out; a sample in which all are missing has not moved.
        """
        offsets, n_observed = self._offsets(columns)
        difference = offsets.sum(axis=1) / n_observed - self._mean
        varies = self._spread > 0.0
        moved = np.zeros(len(columns))
        with np.errstate(over="ignore"):
            np.divide(difference, self._spread, out=moved, where=varies)
        if not varies.all():
            # A constant that spreads evenly to both sides has no direction: it moved upwards.
            left = ~varies & (offsets != 0.0).any(axis=1)
            moved[left] = np.where(difference[left] < 0.0, -np.inf, np.inf)
        moved[np.isinf(columns[:, 0])] = 0.0
        return moved

    def _offsets(self, columns: FloatArray) -> tuple[FloatArray, IntArray]:
        """Offsets from the lowest value of the reference, 0 where missing, and how many are not."""
        with np.errstate(over="ignore"):
            offsets = np.asarray(columns / self._scale)
        offsets -= self._lowest / self._scale
        np.clip(offsets, -LARGEST_OFFSET, LARGEST_OFFSET, out=offsets)
        missing = np.isinf(columns[:, -1])
        n_observed = np.full(len(columns), columns.shape[1])
        if missing.any():
            absent = np.isinf(columns[missing])
            offsets[missing] = np.where(absent, 0.0, offsets[missing])
            n_observed[missing] -= absent.sum(axis=1)
        return offsets, np.maximum(n_observed, 1)
