"""Features turned into bounded components of unit variance that are nearly uncorrelated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import state_array
from detectors.errors import InvalidStateError

REACH = 4.0
"""Standard deviations at which a component is clipped."""

# Rows that each leading component is learned from at least.
_ROWS_PER_COMPONENT = 4
# The norm of a row is bounded by as many times its root mean square.
_RADIUS = 1.25
# A feature that varies less counts as one that varies as much: a constant has no unit.
_LEAST_DEVIATION = 0.1
# Variances below this share of the largest one are rounding.
_SMALLEST = 1e-9


@dataclass(frozen=True, eq=False)
class Whitening:
    """Turns rows of features into components that were uncorrelated where it learned them.

    Attributes
    ----------
    centre : ndarray of float64, shape (n_features,)
    matrix : ndarray of float64, shape (n_features, n_components)
    """

    centre: FloatArray
    matrix: FloatArray

    @classmethod
    def aligned(cls, features: FloatArray) -> Self:
        """Learn one component for each feature, as near to it as whitening allows.

        A shift of few features is then a shift of few components. Correlations are drawn to 0, the
        more the fewer rows there are, shape (n, n_features).
        """
        centre, away = _centred(features)
        deviations = np.maximum(np.sqrt((away * away).mean(axis=0)), _LEAST_DEVIATION)
        unit = away / deviations
        n, n_features = features.shape
        drawn = n_features / (n_features + n)
        correlations = (1.0 - drawn) * (unit.T @ unit / n) + drawn * np.eye(n_features)
        variances, axes = np.linalg.eigh(correlations)
        root = (axes / np.sqrt(variances)) @ axes.T
        return cls(centre, root / deviations[:, np.newaxis])

    @classmethod
    def leading(cls, features: FloatArray, n_components: int) -> Self:
        """Learn the leading principal components of rows, at most as many.

        Fewer are learned from few rows, one at least: a feature that never varied stays 0.
        """
        centre, away = _centred(features)
        variances, axes = np.linalg.eigh(away.T @ away / len(away))
        most = min(n_components, max(1, len(features) // _ROWS_PER_COMPONENT))
        order = np.argsort(variances, kind="stable")[::-1][:most]
        least = max(_SMALLEST * float(np.max(variances)), float(np.finfo(np.float64).eps))
        order = order[(variances[order] > least) | (np.arange(order.size) == 0)]
        scales = np.sqrt(np.maximum(variances[order], least))
        return cls(centre, np.ascontiguousarray(axes[:, order] / scales))

    @property
    def n_components(self) -> int:
        """The number of components."""
        return int(self.matrix.shape[1])

    def apply(self, features: FloatArray) -> FloatArray:
        """The components of rows, shape (n, n_components), from ``-REACH`` to ``REACH``."""
        return np.asarray(np.clip((features - self.centre) @ self.matrix, -REACH, REACH))

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Its arrays, named with ``prefix``."""
        return {f"{prefix}centre": self.centre.copy(), f"{prefix}matrix": self.matrix.copy()}

    @classmethod
    def from_arrays(cls, arrays: StateArrays, prefix: str) -> Self:
        """Restore it; InvalidStateError where the arrays do not fit."""
        centre = state_array(arrays, f"{prefix}centre", ndim=1).astype(np.float64)
        matrix = state_array(arrays, f"{prefix}matrix", ndim=2).astype(np.float64)
        if len(matrix) != centre.size:
            raise InvalidStateError(f"stored arrays {prefix!r} of components do not fit")
        return cls(centre, matrix)


def radius_of(n_components: int) -> float:
    """The largest norm of rows that :func:`within_radius` leaves."""
    return float(_RADIUS * np.sqrt(n_components))


def within_radius(components: FloatArray) -> FloatArray:
    """Draw rows that are too far out to the sphere of ``radius_of(n_components)``."""
    norms = np.sqrt(np.einsum("ij,ij->i", components, components))
    radius = radius_of(components.shape[1])
    return np.asarray(components * (radius / np.maximum(norms, radius))[:, np.newaxis])


def _centred(features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The mean, exact where all rows are equal, and the rows relative to it."""
    centre = features[0] + (features - features[0]).mean(axis=0)
    return np.asarray(centre), features - centre
