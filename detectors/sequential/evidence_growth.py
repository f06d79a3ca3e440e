"""How fast evidence grows after a shift of one column, and what follows for when it is found."""

from __future__ import annotations

import math

import numpy as np

from detectors.base import FloatArray
from detectors.sequential.linear_bets import LinearBets

NORMAL_PLACES: FloatArray
"""Places and weights by which the mean of a function of a normal number is taken."""
NORMAL_PLACES, _weights = np.polynomial.hermite_e.hermegauss(61)
NORMAL_WEIGHTS: FloatArray = _weights / _weights.sum()

# A past so long that its noise is nothing.
_LONG = 1e9
# A row loses at most so much: bets are bounded, and the integral reaches further out.
_MOST_LOST = 0.95


def rows_until(run_time: float, n_processes: int, growth: float) -> float:
    """Rows until evidence that grows by ``growth`` a row, in logarithms, reaches ``run_time``.

    One of ``n_processes`` grows, and their mean is what counts. Infinite where none grows.
    """
    return math.log(max(run_time * n_processes, 1.0)) / growth if growth > 0.0 else math.inf


def growth_of_bets(
    features: FloatArray, lower: FloatArray, upper: FloatArray, reach: FloatArray, radius: float
) -> float:
    """The growth where the leading features of a row are these, and the others stay as they were.

    Parameters
    ----------
    features : ndarray of float64, shape (61, k)
        At :data:`NORMAL_PLACES`.
    lower, upper, reach : ndarray of float64, shape (n_features,)
    radius : float
    """
    means = np.zeros(lower.size)
    means[: features.shape[1]] = NORMAL_WEIGHTS @ features
    bets = LinearBets(lower[None], upper[None], reach[None], radius, np.array([_LONG]))
    long = bets.resumed((means * _LONG)[None, None], np.array([_LONG]))
    [[bet]], [[cost]] = long.bets()
    wins = features @ bet[: features.shape[1]] - cost
    return float(NORMAL_WEIGHTS @ np.log1p(np.maximum(wins, -_MOST_LOST)))
