"""Decoders made for messages whose tensors are like those of an earlier message.

All that makes a message like another is said to the decoder: names, datatypes, widths of rows and
types of values. It passes over tensors that hold no column, and fails at every other message.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.intake.formats.tensor_plans import Signatures, Used, Values
from flink_jobs.intake.formats.tensors import FLOATS, INTEGERS

# Beyond it the decoder takes longer to make than it saves, and a stranger could ask for many.
_WIDEST, _MOST_TENSORS = 4_096, 256
_data = attrgetter("data")
Sides = tuple[Signatures | None, Signatures | None]


class _Parameters(msgspec.Struct, gc=False):
    # In base64 a text is another one.
    content_type: Literal["str", "np", "pd", "hg_str", "hg_json", "datetime"] | None = None


class Like(NamedTuple):
    """Properties of the tensors of one side of a message.

    Attributes
    ----------
    signatures : tuple of Signature
    used : tuple of Used
    are_nested : tuple of bool
        Of each tensor that is used: whether its data are a list of rows.
    is_one_row : bool
        Whether the message had one row.
    """

    signatures: Signatures
    used: tuple[Used, ...]
    are_nested: tuple[bool, ...]
    is_one_row: bool


def like(side: int, body: Any, used: Sequence[Used], signatures: Signatures, n: int) -> Like | None:
    """Say what a side of a message is like; None where no decoder can be made for it."""
    tensors = (body.inputs, body.outputs)[side]
    if len(tensors) > _MOST_TENSORS:
        return None
    own = tuple(each for each in used if each.side == side)
    nested = []
    for each in own:
        tensor = tensors[each.place]
        data = tensor.data
        is_nested = isinstance(data, list) and bool(data) and isinstance(data[0], list)
        is_flat = isinstance(data, list) and not is_nested
        is_coded = tensor.datatype == "BYTES" and tensor.content_type == "base64"
        if is_coded or not tensor.shape or _kind(each) is None or each.width > _WIDEST:
            return None
        if not is_flat and len(each.signature.trailing) != 1:
            return None
        nested.append(is_nested)
    return Like(signatures, own, tuple(nested), n == 1)


class Alike(NamedTuple):
    """The values of messages that are alike.

    Attributes
    ----------
    wrong : set of int
        The places of messages whose shapes and data disagree: what is wrong is for others to say.
    n_rows : list of int
        Of each message.
    values : Values or None
        None where a message is wrong.
    """

    wrong: set[int]
    n_rows: list[int]
    values: Values | None


class LikeDecoder:
    """Decodes messages of which each side is like another message's.

    Parameters
    ----------
    sides : (Like or None, Like or None)
        None for a side that no message had so far.
    """

    def __init__(self, sides: tuple[Like | None, Like | None]) -> None:
        self._sides = sides
        fields: list[Any] = [("id", str | int | None, None), ("parameters", Any, None)]
        for name, side in zip(("inputs", "outputs"), sides, strict=True):
            kind: Any = None if side is None else _side_kind(side) | None
            fields.append((name, kind, None))
        message = msgspec.defstruct("AlikeMessage", fields, kw_only=True, gc=False)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(message).decode

    def sides_of(self, body: Any) -> Sides:
        """Return the signatures of the sides that a decoded message has."""
        inputs, outputs = self._sides
        return (
            None if body.inputs is None or inputs is None else inputs.signatures,
            None if body.outputs is None or outputs is None else outputs.signatures,
        )

    def alike(self, bodies: Sequence[Any], used: Sequence[Used]) -> Alike:
        """Return the values of decoded messages that have the same sides."""
        of_side = [
            list(zip(*sides, strict=True)) if sides[0] is not None else []
            for sides in ([body.inputs for body in bodies], [body.outputs for body in bodies])
        ]
        counts: list[list[int]] = []
        flats: list[list[Any]] = []
        for each in used:
            side = self._sides[each.side]
            assert side is not None  # noqa: S101 - the messages have it
            tensors = of_side[each.side][each.place]
            data: Iterable[Any] = map(_data, tensors)
            if side.are_nested[side.used.index(each)]:
                data = [list(chain.from_iterable(rows)) for rows in data]
            if not side.is_one_row:
                data = list(data)
                counts.append(_counts(tensors, data, each))
            flats.append(list(chain.from_iterable(data)))
        n_rows = counts[0] if counts else [1] * len(bodies)
        wrong = {place for place, n in enumerate(n_rows) if n < 1}
        for other in counts[1:]:
            if other != n_rows:
                wrong |= {place for place, n in enumerate(other) if n != n_rows[place]}
        if wrong:
            return Alike(wrong, n_rows, None)
        arrays = [_array(each, flat) for each, flat in zip(used, flats, strict=True)]
        are_checked = frozenset(k for k, each in enumerate(used) if _has_checked(each))
        return Alike(wrong, n_rows, Values(flats, arrays, are_checked))


def _array(used: Used, flat: list[Any]) -> NDArray[np.float64] | None:
    if all(column.is_category for column in used.columns):
        return None
    if all(column.may_be_missing for column in used.columns):
        return np.array(flat, dtype=np.float64).reshape(-1, used.width)
    # A quarter of the time of making an array of them.
    return np.frombuffer(struct.pack(f"{len(flat)}d", *flat)).reshape(-1, used.width)


def _has_checked(used: Used) -> bool:
    kind = _kind(used)
    kinds = {"category": (str, int, bool), "boolean": (bool,)}
    return all(
        kind in {each for one in kinds.get(column.type, ()) for each in (one, one | None)}
        for column in used.columns
    )


def _counts(tensors: Sequence[Any], data: Sequence[Sequence[Any]], used: Used) -> list[int]:
    """Return the rows of each message, -1 where its tensor has another number of values."""
    rows = [1 if used.one_row_of else tensor.shape[0] for tensor in tensors]
    width = used.width
    return [n if n * width == len(values) else -1 for n, values in zip(rows, data, strict=True)]


def _side_kind(side: Like) -> Any:
    of = {used.place: k for k, used in enumerate(side.used)}
    kinds = [
        _tensor_kind(side, of[place]) if place in of else _passed_over(signature.name)
        for place, signature in enumerate(side.signatures)
    ]
    return tuple.__class_getitem__(tuple(kinds))


def _passed_over(name: str) -> Any:
    return msgspec.defstruct("OtherTensor", [("name", Literal.__getitem__(name))], gc=False)


def _tensor_kind(side: Like, k: int) -> Any:
    used = side.used[k]
    signature = used.signature
    value = _kind(used)
    row = tuple.__class_getitem__((value,) * used.width)
    if side.is_one_row:
        data = tuple.__class_getitem__((row,)) if side.are_nested[k] else row
    else:
        data = list.__class_getitem__(row if side.are_nested[k] else value)
    first: Any = Literal.__getitem__(1) if side.is_one_row else int
    if used.one_row_of:
        first = Literal.__getitem__(used.one_row_of)
    trailing = tuple(Literal.__getitem__(size) for size in signature.trailing)
    fields: list[Any] = [
        ("name", Literal.__getitem__(signature.name)),
        ("datatype", Literal.__getitem__(signature.datatype)),
        ("shape", tuple.__class_getitem__((first, *trailing))),
        ("data", data),
    ]
    if signature.datatype == "BYTES":
        fields.append(("parameters", _Parameters | None, None))
    return msgspec.defstruct("AlikeTensor", fields, gc=False)


def _kind(used: Used) -> Any:
    """Return the type of a tensor's values; None where one type is not enough."""
    columns, datatype = used.columns, used.signature.datatype
    kind: Any = None
    if datatype in FLOATS:
        kind = float
    elif datatype in INTEGERS:
        kind = int if any(column.is_category for column in columns) else float
    elif all(column.is_category for column in columns):
        kind = str if datatype == "BYTES" else bool
    if kind is None:
        return None
    return kind | None if all(column.may_be_missing for column in columns) else kind
