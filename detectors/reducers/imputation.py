"""Missing values in front of a reducer that needs complete rows."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.arrays_io import arrays_below
from detectors.base import FloatArray, Reducer, StateArrays
from detectors.checks import as_finite, as_rows, fitted, state_array
from detectors.errors import InvalidParameterError, InvalidSampleError, InvalidStateError
from detectors.reducers.kinds import complete_reducer_of_kind

KIND = "reducer_kind"
PREFIX = "reducer/"


class MissingImputation:
    """Lets any reducer accept missing values, NaN.

    A missing value becomes the mean of the feature's observed values in the reference, 0 where the
    reference never observed the feature. The mean hides the row's missingness, so that the share of
    features that a row misses, in [0, 1], is appended as one more dimension: the last.

    A reducer that checks what its rows are, as those on softmax outputs do, may refuse completed
    rows.

    Parameters
    ----------
    reducer : Reducer
        Sees complete rows only; fitted together with this one.

    Raises
    ------
    InvalidParameterError
        If ``reducer`` already imputes.

    Examples
    --------
    >>> from detectors.reducers import NoReduction
    >>> reducer = MissingImputation(NoReduction()).fit([[1.0, 5.0], [3.0, np.nan]])
    >>> reducer.transform([[np.nan, 6.0], [7.0, 8.0]])
    array([[2. , 6. , 0.5],
           [7. , 8. , 0. ]])
    """

    kind: ClassVar[str] = "missing_imputation"

    def __init__(self, reducer: Reducer) -> None:
        if isinstance(reducer, MissingImputation):
            raise InvalidParameterError("the reducer to wrap already imputes")
        self._reducer = reducer
        self._means: FloatArray | None = None

    def fit(self, x_ref: FloatArray) -> Self:
        """Learn the means of ``x_ref``, shape (n_ref, n_features), and fit the reducer.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` holds infinity, or the reducer cannot use its completed rows.
        InvalidParameterError
            If a parameter of the reducer does not suit ``x_ref``.
        """
        self._means = None
        rows = as_rows(x_ref, "x_ref", allow_missing=True)
        means = _observed_means(rows)
        self._reducer.fit(np.where(np.isnan(rows), means, rows))
        self._means = means
        return self

    def transform(self, x: FloatArray) -> FloatArray:
        """Complete and reduce ``x``, shape (n, n_features), to shape (n, n_dimensions + 1).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` holds infinity or has another width than the reference, or the reducer cannot
            use its completed rows.
        """
        means = fitted(self._means, self)
        rows = as_rows(x, "x", n_columns=means.size, allow_missing=True)
        missing = np.isnan(rows)
        reduced = self._reducer.transform(np.where(missing, means, rows))
        return np.column_stack([reduced, missing.mean(axis=1)])

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The means, the kind of the reducer, and its arrays as ``reducer/...``."""
        return {
            "means": fitted(self._means, self).copy(),
            KIND: np.array(self._reducer.kind.encode()),
            **{f"{PREFIX}{name}": array for name, array in self._reducer.to_arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a reducer whose ``transform`` gives equal results.

        Raises
        ------
        InvalidStateError
            If an array is missing, the kind is unknown, or the arrays do not fit each other.
        """
        means = state_array(arrays, "means", ndim=1).astype(np.float64)
        kind = arrays.get(KIND)
        if kind is None or kind.dtype.kind != "S" or kind.ndim != 0:
            raise InvalidStateError(f"stored array {KIND!r} is missing or has another form")
        reducer = complete_reducer_of_kind(kind.item().decode(errors="replace")).from_arrays(
            arrays_below(PREFIX, arrays)
        )
        try:
            reducer.transform(means[np.newaxis])
        except InvalidSampleError as error:
            raise InvalidStateError("stored means do not fit the stored reducer") from error
        imputation = cls(reducer)
        imputation._means = means
        return imputation


def _observed_means(rows: FloatArray) -> FloatArray:
    """The mean of what is observed in each column, 0 where nothing is, shape (n_features,)."""
    observed = ~np.isnan(rows)
    n_observed = np.maximum(observed.sum(axis=0), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.where(observed, rows, 0.0).sum(axis=0) / n_observed
    # The mean of n equal numbers may be off by a rounding error; imputed, it would be a new value.
    lowest = np.where(observed, rows, np.inf).min(axis=0)
    highest = np.where(observed, rows, -np.inf).max(axis=0)
    constant = lowest == highest
    return as_finite(np.where(constant, lowest, means), "mean of x_ref")
