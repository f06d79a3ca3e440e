"""Columns of different units, with categories and missing values, in front of a reducer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.arrays_io import arrays_below
from detectors.base import FloatArray, Reducer, StateArrays
from detectors.checks import as_rows, fitted
from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    ShapeError,
)
from detectors.reducers.kinds import ONNX_REDUCERS, complete_reducer_of_kind
from detectors.reducers.prepared_columns import PreparedColumns

KIND = "reducer_kind"
PREFIX = "reducer/"

_PROJECTIONS = frozenset({"pca", "sparse_random_projection"})
_DISTANCES = frozenset({"mmd", "energy", "mmd_features", "binomial"})
# Sequential detectors that take rows of finite numbers.
_OF_ROWS = frozenset({"kernel_e_detector", "conformal_e_detector", "classifier_e_detector"})
_OWN_UNITS = frozenset({"softmax_outputs", "hard_predictions", *ONNX_REDUCERS})


def needs_preparation(reducer_kind: str, test_kind: str) -> bool:
    """Tell whether a detector of these kinds sees columns through :class:`Prepared`.

    Projections do, whatever tests them, and distances between whole rows do: both add columns up,
    so that the one with the largest unit decides and the others are not seen. Sequential detectors
    of rows do, since they take neither categories nor missing values. Tests of one column after the
    other see columns as they are. So does a model of the user's own, which learned from them, and a
    reducer that hands on the outputs of a classifier sees shares, which have a unit already.

    Parameters
    ----------
    reducer_kind, test_kind : str
        As the registries of reducers and tests name them.

    Examples
    --------
    >>> needs_preparation("pca", "ks"), needs_preparation("none", "mmd")
    (True, True)
    >>> needs_preparation("none", "ks"), needs_preparation("softmax_outputs", "mmd")
    (False, False)
    """
    return reducer_kind in _PROJECTIONS or (
        reducer_kind == "none" and test_kind in _DISTANCES | _OF_ROWS
    )


class Prepared:
    """Brings the columns of a row to one scale and completes them, in front of a reducer.

    - A number is centred at the reference's median, divided by a robust scale and clipped at 5
      scales; a constant that is left is 5 away. For other columns see
      :class:`~detectors.reducers.robust_scale.RobustScale`. A missing number becomes 0, the centre.
      A column that misses at least 10 values in the reference has an indicator of missingness
      next to it, which weighs like a number.
    - A category becomes indicators, at most 16 of a column and one for all the rest, that weigh
      together like a number: see :class:`~detectors.reducers.indicators.Indicators`.
    - The last dimension goes past the reducer: how many of the row's columns are missing or hold
      what the reference never held (a value other than a constant, a category where the rest is
      new), scaled like a number. A projection that gives such a column no weight cannot hide it.

    Parameters
    ----------
    reducer : Reducer
        Sees prepared rows only; fitted together with this one.
    categorical_columns : iterable of int
        The indices, from 0, of columns that hold codes of categories; their order does not matter.
    scale : bool
        False leaves numbers as they are: missing ones become the median without an indicator,
        indicators of categories are 1, and the last dimension is the share of the row's columns.

    Raises
    ------
    InvalidParameterError
        If ``reducer`` is prepared already, or it reads outputs of a classifier or is one, whose
        input has units of its own, and ``scale`` is not False; or if ``categorical_columns`` names
        a column twice or holds something other than indices.

    References
    ----------
    Rousseeuw, Croux: Alternatives to the Median Absolute Deviation, JASA 88, 1993,
    doi:10.1080/01621459.1993.10476408

    Examples
    --------
    >>> from detectors.reducers import NoReduction
    >>> x_ref = [[100.0, 0.0], [200.0, 0.0], [300.0, 1.0], [400.0, 1.0]] * 5
    >>> reducer = Prepared(NoReduction(), categorical_columns=[1]).fit(x_ref)
    >>> reducer.transform([[250.0, 0.0], [np.nan, 2.0]]).round(2)
    array([[0.  , 1.41, 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 1.41, 5.  ]])
    """

    kind: ClassVar[str] = "prepared"

    def __init__(
        self, reducer: Reducer, *, categorical_columns: Iterable[int] = (), scale: bool = True
    ) -> None:
        if isinstance(reducer, Prepared):
            raise InvalidParameterError("the reducer to wrap already prepares")
        if scale and reducer.kind in _OWN_UNITS:
            raise InvalidParameterError(f"{reducer.kind} reads columns as they are: scale is False")
        self._reducer = reducer
        self._categorical = np.array(_indices(categorical_columns), dtype=np.int64)
        self._scale = bool(scale)
        self._columns: PreparedColumns | None = None

    @property
    def reducer(self) -> Reducer:
        """The reducer behind the preparation."""
        return self._reducer

    @property
    def sources(self) -> NDArray[np.int64]:
        """The raw column of each number that the reducer sees, shape (n_prepared,)."""
        return fitted(self._columns, self).sources()

    def fit(self, x_ref: FloatArray) -> Self:
        """Learn the columns of ``x_ref``, shape (n_ref, n_features), and fit the reducer.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` holds infinity, or the reducer cannot use its prepared rows.
        InvalidParameterError
            If a categorical column lies outside ``x_ref``, or a parameter of the reducer does not
            suit it.
        """
        self._columns = None
        rows = as_rows(x_ref, "x_ref", allow_missing=True)
        if self._categorical.size and self._categorical[-1] >= rows.shape[1]:
            raise InvalidParameterError(
                f"categorical column {self._categorical[-1]} is not one of the {rows.shape[1]} "
                "columns, counted from 0"
            )
        columns = PreparedColumns.of(rows, self._categorical, self._scale)
        self._reducer.fit(columns.prepare(rows))
        self._columns = columns
        return self

    def transform(self, x: FloatArray) -> FloatArray:
        """Prepare and reduce ``x``, shape (n, n_features), to shape (n, n_dimensions + 1).

        A row gives the same numbers whatever rows come with it.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` holds infinity or has another width than the reference, or the reducer cannot
            use its prepared rows.
        """
        columns = fitted(self._columns, self)
        rows = as_rows(x, "x", n_columns=columns.n_columns, allow_missing=True)
        reduced = self._reducer.transform(columns.prepare(rows))
        return np.column_stack([reduced, columns.irregular(rows)])

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return what was learned of columns, the kind of the reducer, and its ``reducer/...``."""
        return {
            **fitted(self._columns, self).to_arrays(),
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
        columns = PreparedColumns.from_arrays(arrays)
        kind = arrays.get(KIND)
        if kind is None or kind.dtype.kind != "S" or kind.ndim != 0:
            raise InvalidStateError(f"stored array {KIND!r} is missing or has another form")
        reducer = complete_reducer_of_kind(kind.item().decode(errors="replace")).from_arrays(
            arrays_below(PREFIX, arrays)
        )
        try:
            prepared = cls(reducer, categorical_columns=columns.categorical, scale=columns.scale)
            reducer.transform(np.zeros((1, columns.sources().size)))
        except (InvalidParameterError, ShapeError) as error:
            raise InvalidStateError("stored columns do not fit the stored reducer") from error
        except InvalidSampleError:
            # A reducer that checks what its rows are refuses zeros, but not for their number.
            pass
        prepared._columns = columns
        return prepared


def _indices(columns: Iterable[int]) -> list[int]:
    """The columns in ascending order; InvalidParameterError unless they are different indices."""
    indices = list(columns)
    are_indices = all(
        isinstance(column, int | np.integer) and not isinstance(column, bool) and column >= 0
        for column in indices
    )
    if not are_indices or len(set(indices)) < len(indices):
        raise InvalidParameterError(
            f"categorical_columns must be different indices from 0, not {indices}"
        )
    return sorted(int(column) for column in indices)
