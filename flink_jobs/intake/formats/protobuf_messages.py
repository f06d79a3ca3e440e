"""Values of a few records of Protobuf, which the package protobuf reads one after the other.

What NumPy costs for each field does not depend on the number of records: below some hundred records
objects are cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.avro_columns import Leaves, Wanted
from flink_jobs.intake.formats.leaves import Leaf, spread

_F = FieldDescriptor
_NUMBERS = {
    _F.CPPTYPE_DOUBLE: np.float64,
    _F.CPPTYPE_FLOAT: np.float64,
    _F.CPPTYPE_INT32: np.int64,
    _F.CPPTYPE_INT64: np.int64,
    _F.CPPTYPE_UINT32: np.int64,
    _F.CPPTYPE_UINT64: np.uint64,
}
_Look = Callable[[Message, Path], Any]


class MessageValues:
    """Takes the values of wanted paths from messages.

    Parameters
    ----------
    descriptor : Descriptor
        Of the messages.
    wanted : mapping of Path to int
    look : callable
        Looks a path up that is not one plain field in another.

    Examples
    --------
    >>> from google.protobuf.wrappers_pb2 import DoubleValue
    >>> values = MessageValues(DoubleValue.DESCRIPTOR, {("value",): 1}, lambda message, path: None)
    >>> values.of([DoubleValue(value=0.5), DoubleValue()])[("value",)].values
    array([0.5, 0. ])
    """

    def __init__(self, descriptor: Descriptor, wanted: Wanted, look: _Look) -> None:
        self._look = look
        self._others: list[Path] = []
        self._held: dict[Path, list[FieldDescriptor]] = {}
        for path in wanted:
            field = _plain_field(descriptor, path)
            if field is None:
                self._others.append(path)
            else:
                self._held.setdefault(path[:-1], []).append(field)

    def of(self, messages: Sequence[Message]) -> Leaves:
        """Return the values of each wanted path."""
        leaves: Leaves = {}
        for path in self._others:
            leaves[path] = Leaf("any", [self._look(message, path) for message in messages])
        for path, fields in self._held.items():
            holders, rows = _holders(messages, path)
            if not holders:
                continue
            own = _fields(holders, path, fields)
            if len(holders) < len(messages):
                places = np.array(rows, dtype=np.intp)
                own = {key: spread(leaf, places, len(messages)) for key, leaf in own.items()}
            leaves |= own
        return leaves


def _plain_field(descriptor: Descriptor, path: Path) -> FieldDescriptor | None:
    """Return the field at a path, where it is a single value that is always there."""
    field = None
    for place, step in enumerate(path):
        field = descriptor.fields_by_name.get(step)
        if field is None or field.label == _F.LABEL_REPEATED:
            return None
        if place < len(path) - 1:
            if field.message_type is None:
                return None
            descriptor = field.message_type
            if descriptor.full_name.startswith("google.protobuf."):
                return None
    if field is None or field.has_presence or field.cpp_type == _F.CPPTYPE_ENUM:
        return None
    is_bytes = field.type == _F.TYPE_BYTES
    return None if is_bytes else field


def _holders(messages: Sequence[Message], path: Path) -> tuple[Sequence[Message], Sequence[int]]:
    """Return the messages at a path, and the rows that have one."""
    rows: Sequence[int] = range(len(messages))
    holders = messages
    for step in path:
        is_there = [holder.HasField(step) for holder in holders]
        if not all(is_there):
            holders, rows = list(compress(holders, is_there)), list(compress(rows, is_there))
        holders = [getattr(holder, step) for holder in holders]  # type: ignore[arg-type]
    return holders, rows


def _fields(holders: Sequence[Message], path: Path, fields: Sequence[FieldDescriptor]) -> Leaves:
    names = [field.name for field in fields]
    found = list(map(attrgetter(*names), holders))
    columns = [found] if len(names) == 1 else zip(*found, strict=True)
    return {
        (*path, field.name): _leaf(field, column)
        for field, column in zip(fields, columns, strict=True)
    }


def _leaf(field: FieldDescriptor, values: Sequence[Any]) -> Leaf:
    if field.cpp_type == _F.CPPTYPE_STRING:
        return Leaf("text", list(values))
    if field.cpp_type == _F.CPPTYPE_BOOL:
        return Leaf("boolean", np.array(values, dtype=np.bool_))
    return Leaf("number", np.array(values, dtype=_NUMBERS[field.cpp_type]))
