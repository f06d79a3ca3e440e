"""The inputs and outputs of a model, and what each input takes of a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray
from detectors.checks import as_finite
from detectors.errors import InvalidParameterError, InvalidSampleError, ShapeError

_INPUT_DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
# Eigen adds up what lies before an aligned address apart, so that sums may depend on it.
_ALIGNMENT = 64
_LARGEST_INT = 2.0**53


class Tensor(NamedTuple):
    """An input or output of a model.

    Attributes
    ----------
    name, type : str
        The type as ONNX Runtime says it: ``tensor(float)``.
    shape : tuple of int or None
        None for a dimension of any size.
    """

    name: str
    type: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("n" if size is None else str(size) for size in self.shape)
        return f"{self.name!r}, {self.type} ({sizes})"


class Feed(NamedTuple):
    """One input: the floats of a row that it takes, and the form in which it takes them."""

    name: str
    places: slice
    shape: tuple[int, ...]
    dtype: type[np.generic]


def feeds_of(inputs: Sequence[Tensor], columns: Mapping[str, int]) -> list[Feed]:
    """Tie the floats of a row to inputs: the whole row to the only one, or by names of columns.

    Raises
    ------
    InvalidParameterError
        If the names differ, an input takes no numbers or several rows at a time.
    ShapeError
        If an input takes another number of floats.

    Examples
    --------
    >>> feeds_of([Tensor("x", "tensor(float)", (None, 2, None))], {"pixels": 6})[0].shape
    (2, 3)
    """
    widths = dict(columns)
    if len(inputs) == 1:
        widths = {inputs[0].name: sum(columns.values())}
    by_name = {each.name: each for each in inputs}
    if by_name.keys() != widths.keys():
        raise InvalidParameterError(
            f"the model has the inputs {', '.join(by_name) or 'none'}, and the columns are "
            f"{', '.join(widths)}: it takes all columns by one input, or each by one of its name"
        )
    feeds, start = [], 0
    for name, width in widths.items():
        feeds.append(_feed(by_name[name], width, start))
        start += width
    return feeds


def _feed(tensor: Tensor, width: int, start: int) -> Feed:
    if tensor.type not in _INPUT_DTYPES:
        raise InvalidParameterError(
            f"the input {tensor} must take {', '.join(_INPUT_DTYPES)}: export it with float inputs"
        )
    if tensor.shape and tensor.shape[0] not in (None, 1):
        raise InvalidParameterError(
            f"the input {tensor} takes {tensor.shape[0]} rows at a time: export it for one row, or "
            "with a dynamic first dimension"
        )
    sizes = tensor.shape[1:]
    known = math.prod(size for size in sizes if size is not None)
    # One size that is left open is what the others leave of the row.
    shape = tuple(width // max(known, 1) if size is None else size for size in sizes)
    if not tensor.shape or sizes.count(None) > 1 or math.prod(shape) != width:
        raise ShapeError(f"the input {tensor} does not take the {width} numbers of a row")
    return Feed(tensor.name, slice(start, start + width), shape, _INPUT_DTYPES[tensor.type])


def converted(values: FloatArray, feed: Feed, name: str) -> NDArray[np.generic]:
    """Return what an input takes of some rows, shape (n, *feed.shape).

    Raises
    ------
    InvalidSampleError
        If the type of the input cannot hold a number.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        given = values.astype(feed.dtype)
    if np.issubdtype(feed.dtype, np.floating):
        as_finite(given.astype(np.float64), f"{name} in {np.dtype(feed.dtype)}")
    else:
        _check_whole(values, given, feed, name)
    return given.reshape(len(values), *feed.shape)


def _check_whole(values: FloatArray, given: NDArray[np.generic], feed: Feed, name: str) -> None:
    is_other = (given != values) | (np.abs(values) > _LARGEST_INT)
    if is_other.any():
        row = int(np.argwhere(is_other)[0, 0])
        takes = "0 and 1" if feed.dtype is np.bool_ else "whole numbers"
        raise InvalidSampleError(
            f"the input {feed.name!r} takes {takes}, and {name} holds {values[row]} in row {row}"
        )


def aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[np.generic]:
    """Return an array whose numbers begin at the same place of a cache line each time."""
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + _ALIGNMENT, dtype=np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)
