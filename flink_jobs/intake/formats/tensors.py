"""Tensors of the Open Inference Protocol: their rows, and the columns that lie in them.

A tensor of shape ``[n]`` or ``[n, 1]`` holds one value of each of n rows, one of shape ``[n, k]``
holds k of each. Its data lie in one list or in lists of lists, as its shape says.

References
----------
Open Inference Protocol, version 2: https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

from msgspec import Struct

from flink_jobs.config.columns import Column, Role
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.json import is_plain_vector
from flink_jobs.intake.unusable import UnusableEventError, encodable
from flink_jobs.records.dead_letters import Reason

INTEGERS = frozenset(f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64))
FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})
DATATYPES = INTEGERS | FLOATS | {"BOOL", "BYTES"}
_MOST_DIMENSIONS = 16
_SHOWN_CHARACTERS = 60


class Tensor(Struct, gc=False):
    """A tensor as JSON has it."""

    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: dict[str, Any] | None = None

    @property
    def content_type(self) -> Any:
        """Content type by MLServer's clients: ``base64`` alone changes how data are read."""
        return (self.parameters or {}).get("content_type")


@dataclass(frozen=True)
class Signature:
    """Properties that tensors of several messages share, so that they can be read together.

    Attributes
    ----------
    name, datatype : str
    trailing : tuple of int
        The shape of one row.
    is_list : bool
        Whether there is no dimension but that of the rows.
    """

    name: str
    datatype: str
    trailing: tuple[int, ...]
    is_list: bool

    @property
    def width(self) -> int:
        """The values of a row."""
        return prod(self.trailing)


@dataclass(frozen=True)
class Source:
    """Place of a column among the tensors of a message.

    Attributes
    ----------
    tensors : tuple of int
        The places of the tensors; none where the column is not there.
    element : int or None
        The value of each row that it is; None for all.
    is_one_row : bool
        Whether a list of values is one row of a vector rather than a value of each row.
    """

    tensors: tuple[int, ...] = ()
    element: int | None = None
    is_one_row: bool = False


def signature_of(tensor: Tensor) -> Signature:
    """Return what a tensor has in common with others."""
    shape = tensor.shape
    return Signature(tensor.name, tensor.datatype, tuple(shape[1:]), len(shape) < 2)


def check_signature(tensor: Signature) -> None:
    """Refuse a datatype or a shape that no data can have.

    Raises
    ------
    UnusableEventError
    """
    if tensor.datatype not in DATATYPES:
        raise wrong(tensor.name, f"has the unknown datatype {shown(tensor.datatype)}")
    trailing = tensor.trailing
    if len(trailing) >= _MOST_DIMENSIONS or min(trailing, default=1) < 1:
        raise wrong(tensor.name, f"has rows of the shape {shown(list(trailing))}")


def sources_of(
    columns: Sequence[Column], role: Role, tensors: Sequence[Signature]
) -> dict[Column, Source]:
    """Find the columns of a role among the tensors of a message.

    Parameters
    ----------
    columns : sequence of Column
        Those of the role.
    role : str
    tensors : sequence of Signature

    Raises
    ------
    UnusableEventError
        When a tensor has not as many values as its column.

    Examples
    --------
    >>> tensors = [Signature("x", "FP64", (2,), False), Signature("plan", "BYTES", (), True)]
    >>> plan = Column("plan", "category", "feature", paths=(("plan",),))
    >>> second = Column("b", "number", "feature", paths=(("x", 1),))
    >>> found = sources_of([plan, second], "feature", tensors)
    >>> found[plan].tensors, found[second].element
    ((1,), 1)
    """
    key = f"{role}s"
    if is_plain_vector(key, columns) and columns[0].paths in ((), ((key,),)):
        return {columns[0]: _side_by_side(columns[0], tensors)}
    by_name = {tensor.name: place for place, tensor in enumerate(tensors)}
    return {column: _source(column, by_name, tensors) for column in columns}


def _source(column: Column, by_name: Mapping[str, int], tensors: Sequence[Signature]) -> Source:
    found = [_found(path, by_name) for path in column.paths]
    if any(place is None for place, _ in found):
        return Source()
    places = tuple(place for place, _ in found if place is not None)
    if len(found) > 1:
        for (_, element), place in zip(found, places, strict=True):
            if element is not None or tensors[place].width != 1:
                detail = f"is not one of the {column.size} numbers of {column.name}"
                raise wrong(tensors[place].name, detail)
        return Source(places)
    tensor, element = tensors[places[0]], found[0][1]
    if element is not None:
        if element >= tensor.width:
            detail = f"has {tensor.width} values in a row, and none at [{element}]"
            raise wrong(tensor.name, detail)
        return Source(places, element)
    return _whole(column, tensor, places)


def _whole(column: Column, tensor: Signature, places: tuple[int, ...]) -> Source:
    if column.type == "vector" and tensor.is_list and column.size > 1:
        return Source(places, is_one_row=True)
    if tensor.width != column.size:
        detail = f"has {tensor.width} values in a row, expected {column.size}"
        raise wrong(tensor.name, detail, Reason.WRONG_LENGTH)
    return Source(places)


def _side_by_side(column: Column, tensors: Sequence[Signature]) -> Source:
    """Return the tensors that make a vector without a name: the one called so, or all of them."""
    for place, tensor in enumerate(tensors):
        if column.paths and column.paths[0] == (tensor.name,):
            return _whole(column, tensor, (place,))
    places = tuple(range(len(tensors)))
    if len(tensors) == 1:
        return _whole(column, tensors[0], places)
    width = sum(tensor.width for tensor in tensors)
    if width != column.size:
        detail = f"the tensors have {width} values in a row, expected {column.size}"
        raise UnusableEventError(Reason.WRONG_LENGTH, detail)
    return Source(places)


def _found(path: Path, by_name: Mapping[str, int]) -> tuple[int | None, int | None]:
    """Return the place of a tensor, and of an element in its rows."""
    for first in ("inputs", "outputs"):
        if path[:1] == (first,) and len(path) > 1 and first not in by_name:
            path = path[1:]
    if not path:
        return None, None
    key, rest = path[0], path[1:]
    place = by_name.get(key) if isinstance(key, str) else key
    if place is None or place >= len(by_name) or len(rest) > 1:
        return None, None
    if not rest:
        return place, None
    return (place, rest[0]) if isinstance(rest[0], int) else (None, None)


def flat_data(tensor: Tensor, n_values: int) -> list[Any]:
    """Return the values of a tensor in one list.

    Parameters
    ----------
    tensor : Tensor
    n_values : int
        The values that its shape has.

    Raises
    ------
    UnusableEventError
        When there are more or fewer, or lists in it that its shape does not have.

    Examples
    --------
    >>> flat_data(Tensor("x", [2, 1], "FP64", [[0.5], [1.0]]), 2)
    [0.5, 1.0]
    >>> flat_data(Tensor("x", [2], "FP64", [0.5]), 2)
    Traceback (most recent call last):
        ...
    flink_jobs.intake.unusable.UnusableEventError: wrong_length: tensor x has the shape [2] and 1
    values
    """
    data = tensor.data
    if not isinstance(data, list):
        data = _not_listed(tensor)
    if data and isinstance(data[0], list):
        data = _unnested(tensor, data)
    if len(data) != n_values:
        detail = f"has the shape {shown(tensor.shape)} and {len(data):,} values"
        raise wrong(tensor.name, detail, Reason.WRONG_LENGTH)
    if tensor.datatype == "BYTES" and tensor.content_type == "base64":
        return [_text(tensor, value) for value in data]
    return data


def _not_listed(tensor: Tensor) -> list[Any]:
    if tensor.data is None:
        raise wrong(tensor.name, "has no data")
    if isinstance(tensor.data, str):
        return [tensor.data]
    raise wrong(tensor.name, f"has {shown(tensor.data)} for data, expected a list")


def _unnested(tensor: Tensor, data: list[Any]) -> list[Any]:
    has_shape = len(data) == tensor.shape[0] if tensor.shape else False
    for dimension in tensor.shape[1:]:
        has_shape &= all(type(each) is list and len(each) == dimension for each in data)
        if not has_shape:
            break
        data = list(chain.from_iterable(data))
    if has_shape:
        return data
    detail = f"has the shape {shown(tensor.shape)}, and lists of other lengths"
    raise wrong(tensor.name, detail, Reason.WRONG_LENGTH)


def _text(tensor: Tensor, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        detail = f"holds {shown(value)}, which is not the base64 of a text"
        raise wrong(tensor.name, detail) from None


def wrong(name: str, detail: str, reason: Reason = Reason.INVALID_EVENT) -> UnusableEventError:
    """Describe a message in which something is wrong with a tensor."""
    return UnusableEventError(reason, f"{titled(name)} {detail}")


def titled(name: str) -> str:
    """Say which tensor is meant.

    Examples
    --------
    >>> titled("age")
    'tensor age'
    """
    return f"tensor {encodable(name)[:_SHOWN_CHARACTERS]}"


def shown(value: Any) -> str:
    """Return what is shown of a value in a detail."""
    text = encodable(repr(value)) if not isinstance(value, list) else _shown_list(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def _shown_list(value: list[Any]) -> str:
    return encodable(repr(value[:_MOST_DIMENSIONS]))
