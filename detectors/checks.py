"""Checks shared by every reducer and every two-sample test. None of them modifies its input."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray, StateArrays
from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
    TooFewRowsError,
)

T = TypeVar("T")


def as_rows(
    x: ArrayLike,
    name: str = "x",
    *,
    min_rows: int = 1,
    n_columns: int | None = None,
    allow_missing: bool = False,
) -> FloatArray:
    """Return ``x`` as rows of float64 in C order, finite or, where allowed, missing.

    Parameters
    ----------
    x : array_like of numbers, shape (n, n_columns)
        Floats of any width, integers or booleans.
    name : str
        What the error messages call ``x``.
    min_rows : int
        The fewest rows that are enough.
    n_columns : int, optional
        The number of columns that ``x`` must have; at least one where not given.
    allow_missing : bool
        Whether NaN may stand for a missing value.

    Returns
    -------
    ndarray of float64, shape (n, n_columns)
        ``x`` itself where it already has this form, a copy otherwise: callers that keep it copy it.

    Raises
    ------
    ShapeError
        If ``x`` is not two-dimensional or has the wrong number of columns.
    InvalidSampleError
        If ``x`` does not hold numbers.
    TooFewRowsError
        If ``x`` has fewer than ``min_rows`` rows.
    NonFiniteError
        If ``x`` holds infinity, or NaN that is not allowed; the message names the first such row.

    Examples
    --------
    >>> as_rows([[1, 2], [3, 4]])
    array([[1., 2.],
           [3., 4.]])
    """
    array = _as_numbers(x, name)
    if array.ndim != 2:
        raise ShapeError(f"{name} must have 2 dimensions, rows and columns, not {array.ndim}")
    if array.shape[1] == 0 or n_columns not in (None, array.shape[1]):
        expected = "at least 1" if n_columns is None else str(n_columns)
        raise ShapeError(f"{name} must have {expected} columns, not {array.shape[1]}")
    if array.shape[0] < min_rows:
        raise TooFewRowsError(f"{name} must have at least {min_rows} rows, not {array.shape[0]}")
    rows = np.asarray(array, dtype=np.float64, order="C")
    return as_finite(rows, name, allow_missing=allow_missing)


def _as_numbers(x: ArrayLike, name: str) -> NDArray[np.generic]:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ShapeError(f"{name} has rows of different lengths") from error
    if array.dtype.kind not in "fiub":
        raise InvalidSampleError(f"{name} must hold real numbers, not {array.dtype}")
    return array


def as_finite(array: FloatArray, name: str, *, allow_missing: bool = False) -> FloatArray:
    """Return ``array``, rows first, or raise NonFiniteError with the first row that is not finite.

    Where missing values are allowed, NaN passes and only infinity does not.
    """
    bad = np.isinf(array) if allow_missing else ~np.isfinite(array)
    if bad.any():
        row = int(np.argwhere(bad)[0, 0])
        what = "infinity" if allow_missing else "NaN, infinity"
        advice = "; missing values go through Prepared" if np.isnan(array).any() else ""
        raise NonFiniteError(f"{name} holds {what} or an overflow, first in row {row}{advice}")
    return array


def check_level(level: float, name: str = "level") -> float:
    """Return ``level`` or raise InvalidParameterError unless it lies in (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InvalidParameterError(f"{name} must lie between 0 and 1, both excluded, not {level}")
    return float(level)


def share_of(share: float, n: int) -> int:
    """The number of rows that ``share`` of ``n`` rows stands for, rounded up.

    Raises
    ------
    InvalidParameterError
        If ``share`` lies outside [0, 1].

    Examples
    --------
    >>> share_of(0.1, 30), share_of(0.01, 30)
    (3, 1)
    """
    if not 0.0 <= share <= 1.0:
        raise InvalidParameterError(f"share must lie in [0, 1], not {share}")
    # 0.07 * 100 is 7.000000000000001: without the rounding it would stand for 8 rows.
    return math.ceil(round(share * n, 9))


def fitted(value: T | None, owner: object) -> T:
    """Return what ``fit`` has set, or raise NotFittedError where it has not run."""
    if value is None:
        raise NotFittedError(f"{type(owner).__name__} needs fit before this call")
    return value


def state_array(
    arrays: StateArrays, name: str, *, ndim: int, kind: str = "f", allow_missing: bool = False
) -> NDArray[np.generic]:
    """A copy of one stored array.

    Raises
    ------
    InvalidStateError
        If the array is missing, empty, not finite (NaN may be allowed), or has another rank or
        dtype kind.
    """
    array = arrays.get(name)
    if array is None:
        raise InvalidStateError(f"stored array {name!r} is missing")
    if array.ndim != ndim or array.dtype.kind not in kind or array.size == 0:
        raise InvalidStateError(f"stored array {name!r} has dtype {array.dtype}, {array.shape}")
    usable = np.isfinite(array) | (np.isnan(array) & allow_missing)
    if not usable.all():
        raise InvalidStateError(f"stored array {name!r} is not finite")
    return np.array(array, order="C")


def whole_number(value: int, name: str, *, at_least: int) -> int:
    """Return ``value`` or raise InvalidParameterError unless it is an int of ``at_least``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidParameterError(f"{name} must be a whole number")
    if value < at_least:
        raise InvalidParameterError(f"{name} must be at least {at_least}, not {value}")
    return value


def stored_number(arrays: StateArrays, name: str) -> int:
    """The only element of a stored array of integers; ValueError where it has another form."""
    (value,) = state_array(arrays, name, ndim=1, kind="i").tolist()
    return int(value)
