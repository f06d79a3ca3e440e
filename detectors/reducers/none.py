"""The reducer that hands features through as they are."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_rows, fitted, state_array
from detectors.errors import InvalidStateError


class NoReduction:
    """Hands rows through unchanged, missing values included.

    Examples
    --------
    >>> NoReduction().fit([[0.0, 1.0]]).transform([[2.0, 3.0]])
    array([[2., 3.]])
    """

    kind: ClassVar[str] = "none"
    min_rows: ClassVar[int] = 1
    allows_missing: ClassVar[bool] = True

    def __init__(self) -> None:
        self._n_features: int | None = None

    def fit(self, x_ref: FloatArray) -> Self:
        """Remember the number of columns of ``x_ref``, shape (n_ref, n_features).

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least one row without infinity.
        """
        self._n_features = self._checked(x_ref, "x_ref", None).shape[1]
        return self

    def transform(self, x: FloatArray) -> FloatArray:
        """Return ``x``, shape (n, n_features), itself where it already is float64 in C order.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of at least one row without infinity, as wide as the reference.
        """
        return self._checked(x, "x", fitted(self._n_features, self))

    def _checked(self, x: FloatArray, name: str, n_columns: int | None) -> FloatArray:
        return as_rows(
            x,
            name,
            min_rows=self.min_rows,
            n_columns=n_columns,
            allow_missing=self.allows_missing,
        )

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The number of features, the only thing that is fitted."""
        return {"n_features": np.array(fitted(self._n_features, self))}

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a reducer whose ``transform`` gives equal results.

        Raises
        ------
        InvalidStateError
            If the number of features is missing or not positive.
        """
        reducer = cls()
        reducer._n_features = int(state_array(arrays, "n_features", ndim=0, kind="i").item())
        if reducer._n_features < 1:
            raise InvalidStateError("stored array 'n_features' is not positive")
        return reducer
