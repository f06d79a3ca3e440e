"""Bets that are linear in features whose means under the reference lie between known bounds."""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import state_array
from detectors.errors import InvalidStateError

# Rows without a shift that the recent past starts with.
_PRIOR_ROWS = 8.0
# Means within this many deviations of their noise are not bet on.
_LEAST_DEVIATIONS = 2.0
# The share of the evidence that one row can lose at most.
_MOST_LOSS = 0.8


class LinearBets:
    """Bets on the means of features, decided by the past alone.

    A bet ``b`` wins ``sum(b * (z - m))`` with a row of features ``z``. ``m`` is the mean between
    the bounds that is worst for the bet, so that no mean between them gives a win above 0. A row
    multiplies the evidence by 1 plus the win, which is at least ``1 - 0.8``.

    With features of unit variance that do not depend on each other, ``b = mean of z`` makes
    evidence grow fastest. Here it is the mean of recent rows, less what the bounds explain, less
    what the noise of so many rows explains (as James and Stein shrink), and as much smaller as the
    largest loss demands.

    Parameters
    ----------
    lower, upper : ndarray of float64, shape (n_dimensions, n_features)
        Bounds of the means. Bets of a dimension are on its own features.
    reach : ndarray of float64, shape (n_dimensions, n_features)
        The largest absolute value of each feature.
    radius : float
        The largest norm of the features of one dimension.
    memories : ndarray of float64, shape (n_memories,)
        Rows that the recent past reaches back.
    """

    def __init__(
        self,
        lower: FloatArray,
        upper: FloatArray,
        reach: FloatArray,
        radius: float,
        memories: FloatArray,
    ) -> None:
        self.lower, self.upper, self._reach, self._radius = lower, upper, reach, radius
        self._memories = memories
        self.recent: FloatArray = np.zeros((memories.size, *lower.shape))
        self.rows: FloatArray = np.zeros(memories.size)

    def log_factors(self, features: FloatArray) -> FloatArray:
        """Bet on rows of features, and tell what they are worth.

        Parameters
        ----------
        features : ndarray of float64, shape (n, n_dimensions, n_features)

        Returns
        -------
        ndarray of float64, shape (n_memories, n_dimensions)
        """
        bets, costs = self.bets()
        wins = np.matmul(bets.transpose(1, 0, 2), features.transpose(1, 2, 0))
        return np.asarray(np.log1p(wins - costs.T[:, :, np.newaxis]).sum(axis=2).T)

    def bets(self) -> tuple[FloatArray, FloatArray]:
        """The bets, shape (n_memories, n_dimensions, n_features), and what each costs."""
        means = self.recent / (self.rows + _PRIOR_ROWS)[:, np.newaxis, np.newaxis]
        beyond = means - np.clip(means, self.lower, self.upper)
        bets = without_noise(means, beyond, self.rows[:, np.newaxis])
        costs = np.maximum(bets * self.lower, bets * self.upper).sum(axis=2)
        sums = (np.abs(bets) * self._reach).sum(axis=2)
        norms = np.sqrt((bets * bets).sum(axis=2)) * self._radius
        losses = np.minimum(sums, norms) + costs
        sizes = np.divide(_MOST_LOSS, losses, out=np.ones_like(losses), where=losses > _MOST_LOSS)
        return bets * sizes[:, :, np.newaxis], costs * sizes

    def learn(self, features: FloatArray) -> None:
        """Let rows of features join the recent past, in which older ones fade."""
        kept = np.exp(-len(features) / self._memories)
        self.recent *= kept[:, np.newaxis, np.newaxis]
        self.recent += features.sum(axis=0)
        self.rows *= kept
        self.rows += len(features)

    def resumed(self, recent: FloatArray, rows: FloatArray) -> Self:
        """Bets between the same bounds that go on from another past, which they keep."""
        other = copy(self)
        other.recent, other.rows = recent, rows
        return other

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The recent past."""
        return {"recent": self.recent.copy(), "recent_rows": self.rows.copy()}

    def restore(self, arrays: StateArrays) -> None:
        """Take a stored past; InvalidStateError where it does not fit."""
        recent = state_array(arrays, "recent", ndim=3).astype(np.float64)
        rows = state_array(arrays, "recent_rows", ndim=1).astype(np.float64)
        if recent.shape != self.recent.shape or rows.shape != self.rows.shape or (rows < 0.0).any():
            raise InvalidStateError("stored arrays of an e-detector do not agree")
        self.recent, self.rows = recent, rows


def without_noise(means: FloatArray, beyond: FloatArray, rows: FloatArray) -> FloatArray:
    """Leave out what the noise of means explains.

    Means within two deviations of their noise count as 0, and the others are shrunk together, as
    James and Stein do: by the share of noise in their squared norm.

    Parameters
    ----------
    means : ndarray of float64, shape (..., n_features)
        Of features of unit variance.
    beyond : ndarray of float64, shape (..., n_features)
        The part of the means that is to be kept at most.
    rows : ndarray of float64, broadcast with shape (...)
        The number of rows that the means are of.

    Returns
    -------
    ndarray of float64, shape (..., n_features)
    """
    variances = 1.0 / np.maximum(rows, 1.0)[..., np.newaxis]
    left = np.where(np.abs(means) > _LEAST_DEVIATIONS * np.sqrt(variances), beyond, 0.0)
    squared = (left * left).sum(axis=-1, keepdims=True)
    noise = (left != 0.0).sum(axis=-1, keepdims=True) * variances
    lost = np.divide(noise, squared, out=np.ones_like(squared), where=squared > noise)
    return np.asarray((1.0 - lost) * left)
