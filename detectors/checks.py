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
    x: ArrayLike, name: str = "x", *, min_rows: int = 1, n_columns: int | None = None
) -> FloatArray:
    """Return ``x`` as finite rows of float64 in C order.

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
        If ``x`` holds NaN or infinity; the message names the first such row.

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
    return as_finite(np.asarray(array, dtype=np.float64, order="C"), name)


def _as_numbers(x: ArrayLike, name: str) -> NDArray[np.generic]:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ShapeError(f"{name} has rows of different lengths") from error
    if array.dtype.kind not in "fiub":
        raise InvalidSampleError(f"{name} must hold real numbers, not {array.dtype}")
    return array


def as_finite(array: FloatArray, name: str) -> FloatArray:
    """Return ``array``, rows first, or raise NonFiniteError with the first row that is not."""
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argwhere(~finite)[0, 0])
        raise NonFiniteError(f"{name} holds NaN, infinity or an overflow, first in row {row}")
    return array


def check_level(level: float) -> float:
    """Return ``level`` or raise InvalidParameterError unless it lies in (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InvalidParameterError(f"level must lie between 0 and 1, both excluded, not {level}")
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
    arrays: StateArrays, name: str, *, ndim: int, kind: str = "f"
) -> NDArray[np.generic]:
    """A copy of one stored array.

    Raises
    ------
    InvalidStateError
        If the array is missing, empty, not finite, or has another rank or dtype kind.
    """
    array = arrays.get(name)
    if array is None:
        raise InvalidStateError(f"stored array {name!r} is missing")
    if array.ndim != ndim or array.dtype.kind not in kind or array.size == 0:
        raise InvalidStateError(f"stored array {name!r} has dtype {array.dtype}, {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidStateError(f"stored array {name!r} is not finite")
    return np.array(array, order="C")
