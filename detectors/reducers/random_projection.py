"""Random projection with a sparse matrix of signs: a reducer that learns nothing."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_finite, as_rows, fitted, state_array
from detectors.errors import InvalidParameterError, InvalidStateError

Density = float | Literal["auto"]


class SparseRandomProjection:
    """Projects rows onto random directions that use few features each.

    An entry of the matrix is ``+s`` or ``-s`` with probability ``density / 2`` each and 0
    otherwise, where ``s = sqrt(1 / (density * n_components))``: squared distances between rows are
    kept on average. A direction without any entry would be a dimension that never moves, so it is
    drawn again; with few features that lengthens distances a little, by
    ``1 / (1 - (1 - density) ** n_features)`` squared: 7 % at 4 features, nothing from 50 on.

    A single feature may be in no direction: with 784 features and 32 components 31 % of them.

    Parameters
    ----------
    n_components : int
        At least 1. It may exceed the number of features.
    density : float or "auto"
        Share of entries that are not 0, in (0, 1]; "auto" is ``1 / sqrt(n_features)``.
    seed : int
        From 0 to 2**63 - 1. Equal seeds and widths give equal matrices.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Achlioptas: Database-friendly Random Projections, JCSS 2003,
    doi:10.1016/S0022-0000(03)00025-4

    Li, Hastie, Church: Very Sparse Random Projections, KDD 2006, doi:10.1145/1150402.1150436

    Examples
    --------
    >>> x_ref = np.eye(4)
    >>> SparseRandomProjection(n_components=2, density=1.0).fit(x_ref).transform(x_ref).round(3)
    array([[ 0.707,  0.707],
           [-0.707,  0.707],
           [-0.707,  0.707],
           [-0.707,  0.707]])
    """

    kind: ClassVar[str] = "sparse_random_projection"
    min_rows: ClassVar[int] = 1

    def __init__(self, n_components: int = 32, density: Density = "auto", seed: int = 0) -> None:
        _check_int("n_components", n_components, 1)
        _check_int("seed", seed, 0)
        is_share = isinstance(density, int | float) and 0.0 < density <= 1.0
        if density != "auto" and not is_share:
            raise InvalidParameterError(f"density must be 'auto' or in (0, 1], not {density}")
        self._n_components = n_components
        self._density: Density = density
        self._seed = seed
        self._components: FloatArray | None = None
        self._signs: NDArray[np.int8] | None = None

    def fit(self, x_ref: FloatArray) -> Self:
        """Draw the matrix for the width of ``x_ref``, shape (n_ref, n_features).

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least one finite row.
        """
        n_features = as_rows(x_ref, "x_ref", min_rows=self.min_rows).shape[1]
        return self._use(self._draw(n_features))

    def _draw(self, n_features: int) -> NDArray[np.int8]:
        rng = np.random.default_rng(self._seed)
        signs = np.zeros((self._n_components, n_features), dtype=np.int8)
        empty = np.arange(self._n_components)
        while empty.size:
            uniform = rng.random((empty.size, n_features))
            used = rng.random((empty.size, n_features)) < self._density_for(n_features)
            signs[empty] = np.where(uniform < 0.5, -1, 1) * used
            empty = np.flatnonzero(~signs.any(axis=1))
        return signs

    def _density_for(self, n_features: int) -> float:
        return 1.0 / math.sqrt(n_features) if self._density == "auto" else float(self._density)

    def _use(self, signs: NDArray[np.int8]) -> Self:
        density = self._density_for(signs.shape[1])
        self._signs = signs
        self._components = signs * math.sqrt(1.0 / (density * self._n_components))
        return self

    def transform(self, x: FloatArray) -> FloatArray:
        """Project ``x``, shape (n, n_features), to shape (n, n_components).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of at least one finite row as wide as the reference.
        """
        components = fitted(self._components, self)
        rows = as_rows(x, "x", n_columns=components.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            # Not `@`, for the reason that PCA.transform gives: rows must not depend on each other.
            reduced = np.einsum("nf,cf->nc", rows, components)
        return as_finite(reduced, "projected x")

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The signs of the matrix, and the parameters, with NaN for the density "auto"."""
        density = math.nan if self._density == "auto" else self._density
        return {
            "signs": fitted(self._signs, self).copy(),
            "density": np.array(density, dtype=np.float64),
            "seed": np.array(self._seed, dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a reducer whose ``transform`` gives equal results.

        Raises
        ------
        InvalidStateError
            If an array is missing or holds no signs.
        """
        signs = state_array(arrays, "signs", ndim=2, kind="i")
        density = state_array(arrays, "density", ndim=0, allow_missing=True).item()
        seed = state_array(arrays, "seed", ndim=0, kind="i").item()
        if not np.isin(signs, [-1, 0, 1]).all():
            raise InvalidStateError("stored array 'signs' holds something else")
        try:
            reducer = cls(len(signs), "auto" if math.isnan(density) else density, seed)
        except InvalidParameterError as error:
            raise InvalidStateError(f"stored arrays are not of a {cls.kind} reducer") from error
        return reducer._use(signs.astype(np.int8))


def _check_int(name: str, value: int, least: int) -> None:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if not (is_int and least <= value < 2**63):
        raise InvalidParameterError(f"{name} must be an int of at least {least}, not {value}")
