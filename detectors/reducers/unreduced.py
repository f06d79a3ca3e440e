"""Reducers that hand rows through: features as they are, and softmax outputs."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_rows, fitted, state_array
from detectors.errors import InvalidSampleError, InvalidStateError

SOFTMAX_SUM_TOLERANCE = 1e-3
"""How far a row of softmax outputs may sum from 1: room for half precision and printed digits."""

SOFTMAX_VALUE_TOLERANCE = 1e-6
"""How far one softmax output may leave [0, 1]: room for the rounding of single precision."""


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


def is_distribution(x: FloatArray) -> NDArray[np.bool_]:
    """Which rows of ``x``, shape (n, n_classes), are softmax outputs, up to rounding; shape (n,).

    Examples
    --------
    >>> is_distribution(np.array([[0.25, 0.75], [0.5, 0.75], [-0.5, 1.5]]))
    array([ True, False, False])
    """
    lowest, highest = -SOFTMAX_VALUE_TOLERANCE, 1.0 + SOFTMAX_VALUE_TOLERANCE
    # A fifth of the time of ``x.sum(axis=1)``, which begins anew for each row.
    sums = np.einsum("ij->i", x)
    sums_to_one: NDArray[np.bool_] = np.abs(sums - 1.0) <= SOFTMAX_SUM_TOLERANCE
    # Of all values at once that takes a fifth of the time that it takes row by row.
    if x.size and lowest <= x.min() and x.max() <= highest:
        return sums_to_one
    return np.asarray(((x >= lowest) & (x <= highest)).all(axis=1) & sums_to_one, dtype=np.bool_)


class SoftmaxOutputs(NoReduction):
    """Black-box shift detection, soft: rows are already softmax outputs of the label classifier.

    The map itself is the monitored model; this class checks that rows are what they should be and
    hands them through.

    References
    ----------
    Lipton, Wang, Smola: Detecting and Correcting for Label Shift with Black Box Predictors, ICML
    2018, doi:10.48550/arXiv.1802.03916

    Examples
    --------
    >>> SoftmaxOutputs().fit([[0.25, 0.75]]).transform([[0.5, 0.5]])
    array([[0.5, 0.5]])
    """

    kind: ClassVar[str] = "softmax_outputs"
    allows_missing: ClassVar[bool] = False

    def _checked(self, x: FloatArray, name: str, n_columns: int | None) -> FloatArray:
        rows = super()._checked(x, name, n_columns)
        if rows.shape[1] < 2:
            raise InvalidSampleError(f"{name} must have an output for each of at least 2 classes")
        usable = is_distribution(rows)
        if not usable.all():
            row = int((~usable).argmax())
            raise InvalidSampleError(
                f"{name} must lie in [0, 1] and sum to 1 in each row as softmax outputs do, row "
                f"{row} lies in [{rows[row].min():.4g}, {rows[row].max():.4g}] and sums to "
                f"{rows[row].sum():.6g}"
            )
        return rows
