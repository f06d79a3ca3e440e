"""Which dimensions moved, how far and which way: the part that all two-sample tests share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray
from detectors.ks_distribution import ks_p_values

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Attribution:
    """One value per dimension for each of three questions.

    Attributes
    ----------
    statistics : ndarray of float64, shape (n_dimensions,)
        The two-sample Kolmogorov–Smirnov D in [0, 1]: how far the dimension moved.
    p_values : ndarray of float64, shape (n_dimensions,)
        The uncorrected p-value of D: how surprising that is.
    shifts : ndarray of float64, shape (n_dimensions,)
        Difference of the means in standard deviations of the reference: which way it moved.
    """

    statistics: FloatArray
    p_values: FloatArray
    shifts: FloatArray


class SortedReference:
    """The columns of a reference, sorted once and compared with many test samples.

    Parameters
    ----------
    x_ref : ndarray of float64, shape (n_ref, n_dimensions)
        Checked rows; copied.

    Attributes
    ----------
    columns : ndarray of float64, shape (n_dimensions, n_ref)
        Each column of the reference as one sorted, contiguous row.

    Examples
    --------
    >>> reference = SortedReference(np.array([[1.0], [2.0], [3.0]]))
    >>> reference.attribute(np.array([[2.0], [9.0], [9.0]])).statistics.round(3)
    array([0.667])
    """

    def __init__(self, x_ref: FloatArray) -> None:
        self.columns: FloatArray = np.sort(x_ref.T, axis=1)

    @property
    def n_dimensions(self) -> int:
        """Columns of the reference."""
        return len(self.columns)

    @property
    def n_ref(self) -> int:
        """Rows of the reference."""
        return int(self.columns.shape[1])

    def attribute(self, x_test: FloatArray) -> Attribution:
        """Compare each column of ``x_test``, shape (n_test, n_dimensions), with the reference."""
        n_test = x_test.shape[0]
        columns = np.sort(x_test.T, axis=1)
        gaps = self._gaps(columns)
        return Attribution(
            statistics=gaps / (self.n_ref * n_test),
            p_values=ks_p_values(gaps, self.n_ref, n_test),
            shifts=_shifts(self.columns, columns),
        )

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How far each row of ``x_test`` lies in the direction in which the sample moved.

        The score is the sum over the dimensions of ``D * direction * (2 * F(x) - 1)``. ``F`` is the
        empirical distribution of the reference with ties counted half, and the direction of a
        dimension is +1 where test rows lie above reference rows more often than below, -1 where
        less often, 0 where equally often.
        """
        # n_ref * (2 F - 1) as integers, so that the direction does not depend on the row order
        ranks = self._counts(x_test.T, "left") + self._counts(x_test.T, "right") - self.n_ref
        gaps = self._gaps(np.sort(x_test.T, axis=1))
        weights = gaps * np.sign(ranks.sum(axis=1)) / (self.n_ref**2 * x_test.shape[0])
        return np.asarray(np.einsum("d,dn->n", weights, ranks))

    def _counts(self, columns: FloatArray, side: Literal["left", "right"]) -> IntArray:
        """Rows of the reference below (left), or at or below (right), each value of ``columns``."""
        counts = np.empty(columns.shape, dtype=np.int64)
        for dimension, column in enumerate(columns):
            counts[dimension] = self.columns[dimension].searchsorted(column, side)
        return counts

    def _gaps(self, columns: FloatArray) -> IntArray:
        """``D * n_ref * n_test`` of each dimension, exact with any ties.

        Between two neighbouring test values only the reference's distribution function moves, and
        it only rises, so D is reached either at a test value or just below one.
        """
        n_test = columns.shape[1]
        first = np.ones(columns.shape, dtype=np.bool_)
        first[:, 1:] = columns[:, 1:] != columns[:, :-1]
        last = np.ones(columns.shape, dtype=np.bool_)
        last[:, :-1] = first[:, 1:]
        below = np.arange(n_test) * self.n_ref
        at = below + self.n_ref
        gaps_at = np.abs(self._counts(columns, "right") * n_test - at) * last
        gaps_below = np.abs(self._counts(columns, "left") * n_test - below) * first
        return np.asarray(np.maximum(gaps_at, gaps_below).max(axis=1))


def _shifts(ref: FloatArray, test: FloatArray) -> FloatArray:
    """Mean of ``test`` minus mean of ``ref`` in standard deviations of ``ref``, for sorted rows.

    Values are scaled to [-1, 1], so that sums near the largest float64 do not overflow, and taken
    relative to one value of the reference, so that a constant leaves no rounding error behind.
    """
    ends = np.abs(np.stack([ref[:, 0], ref[:, -1], test[:, 0], test[:, -1]])).max(axis=0)
    scale = np.where(ends > 0.0, ends, 1.0)[:, np.newaxis]
    origin = ref[:, :1] / scale
    offsets = ref / scale - origin
    spread = offsets.std(axis=1)
    difference = (test / scale - origin).mean(axis=1) - offsets.mean(axis=1)
    moved = (test[:, 0] != ref[:, 0]) | (test[:, -1] != ref[:, 0])
    # A constant that spreads evenly to both sides has no direction; it counts as a move upwards.
    left_constant = np.where(moved, np.where(difference < 0.0, -np.inf, np.inf), 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(spread > 0.0, difference / spread, left_constant)
