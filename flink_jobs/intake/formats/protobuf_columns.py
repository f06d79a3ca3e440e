"""Protobuf read column by column: a reader is made for a message, and reads many records at once.

Each field has a tag before it, a record may lack fields, and writers put them in the order of their
numbers, which is what is tried here (Protocol Buffers, "Encoding"). Records that have them
in another order, or one of them twice, are refused here and read by the package protobuf.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from numpy.typing import NDArray

from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.avro_columns import Leaves, OneByOneError, Read, Wanted
from flink_jobs.intake.formats.cursors import Cursors
from flink_jobs.intake.formats.leaves import Leaf, spread

WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String")
)
TIMESTAMP = "google.protobuf.Timestamp"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_REPEATED = 64
_MOST_UNKNOWN = 64
_MOST_DEPTH = 32
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_F = FieldDescriptor
_FIXED = {
    _F.TYPE_DOUBLE: "<f8",
    _F.TYPE_FLOAT: "<f4",
    _F.TYPE_FIXED64: "<u8",
    _F.TYPE_SFIXED64: "<i8",
    _F.TYPE_FIXED32: "<u4",
    _F.TYPE_SFIXED32: "<i4",
}
# What a number of seven bits in each byte is cut to.
_WHOLE = {
    _F.TYPE_INT64: np.int64,
    _F.TYPE_UINT64: np.uint64,
    _F.TYPE_INT32: np.int32,
    _F.TYPE_UINT32: np.uint32,
    _F.TYPE_SINT64: np.int64,
    _F.TYPE_SINT32: np.int32,
}
_SIGNED = (_F.TYPE_SINT64, _F.TYPE_SINT32)
_Take = Callable[[Cursors], Leaf]


def message_reader(descriptor: Descriptor, wanted: Wanted) -> Read:
    """Make what reads the wanted values of many records.

    Parameters
    ----------
    descriptor : Descriptor
        Of the message.
    wanted : mapping of Path to int
        The paths that are looked up, each with the numbers of its vector; 1 where it is none.

    Raises
    ------
    OneByOneError
        When records of the message have to be read one by one.
    """
    inner = {path[:depth] for path in wanted for depth in range(len(path))}
    return _Compiler(wanted, inner).message(descriptor, ())


class _Compiler:
    """Makes readers of messages and of their fields."""

    def __init__(self, wanted: Wanted, inner: set[Path]) -> None:
        self._wanted = wanted
        self._inner = inner

    def message(self, descriptor: Descriptor, path: Path) -> Read:
        """Make what reads the fields of a message up to its end."""
        if len(path) > _MOST_DEPTH:
            raise OneByOneError("a path that is too long")
        if path and path in self._wanted:
            raise OneByOneError("a message")
        fields = sorted(descriptor.fields, key=lambda field: field.number)
        readers = [self._field(field, (*path, field.name)) for field in fields]
        known = np.array([field.number for field in fields], dtype=np.int64)

        def read(cursors: Cursors, leaves: Leaves) -> None:
            for each in readers:
                each(cursors, leaves)
            if (cursors.at != cursors.end).any():
                _pass_unknown(cursors, known)
            cursors.finish()

        return read

    def _field(self, field: FieldDescriptor, path: Path) -> Read:
        is_repeated = field.label == _F.LABEL_REPEATED
        if field.type == _F.TYPE_GROUP:
            raise OneByOneError("a group")
        if path not in self._wanted and path not in self._inner:
            return _skipper(field, is_repeated=is_repeated)
        if is_repeated:
            if path not in self._wanted:
                raise OneByOneError("a path into a list or a map")
            return _vector(field, path, self._wanted[path])
        if field.type == _F.TYPE_MESSAGE:
            return _embedded(_tag(field, _LENGTH), self._embedded(field.message_type, path))
        if path not in self._wanted:
            return _skipper(field, is_repeated=False)
        take, wire_type = _single(field)
        return _leaf(
            _tag(field, wire_type), take, path, None if _may_lack(field) else _default(field)
        )

    def _embedded(self, descriptor: Descriptor, path: Path) -> Read:
        if path not in self._wanted:
            return self.message(descriptor, path)
        if descriptor.full_name == TIMESTAMP:
            return _timestamps(path)
        if descriptor.full_name not in WRAPPERS:
            raise OneByOneError("a message")
        own = (*path, "value")
        inside = _Compiler({own: 1}, set()).message(descriptor, path)

        def read(cursors: Cursors, leaves: Leaves) -> None:
            found: Leaves = {}
            inside(cursors, found)
            leaves[path] = found[own]

        return read


def _may_lack(field: FieldDescriptor) -> bool:
    return bool(field.has_presence and not field.has_default_value)


def _default(field: FieldDescriptor) -> Any:
    value = field.default_value
    if field.type == _F.TYPE_ENUM:
        return field.enum_type.values_by_number[value].name
    return value


def _tag(field: FieldDescriptor, wire_type: int) -> bytes:
    """Return the bytes before a field."""
    code = field.number << 3 | wire_type
    if code >= 1 << 14:
        raise OneByOneError("a number above 2,047")
    return bytes([code]) if code < 0x80 else bytes([code & 0x7F | 0x80, code >> 7])


def _single(field: FieldDescriptor) -> tuple[_Take, int]:
    """Return what reads the values of a field, and how they are encoded."""
    kind = field.type
    if dtype := _FIXED.get(kind):
        wire_type = _FIXED64 if dtype.endswith("8") else _FIXED32
        return lambda cursors: Leaf("number", cursors.numbers(dtype)), wire_type
    if kind in _WHOLE:
        return lambda cursors: Leaf("number", _whole(cursors, kind)), _VARINT
    if kind == _F.TYPE_BOOL:
        return lambda cursors: Leaf("boolean", cursors.varints() != 0), _VARINT
    if kind == _F.TYPE_STRING:
        return lambda cursors: Leaf("text", cursors.texts(is_signed=False)), _LENGTH
    if kind == _F.TYPE_ENUM and not field.enum_type.is_closed:
        names = {number: each.name for number, each in field.enum_type.values_by_number.items()}
        return lambda cursors: _named(cursors, names), _VARINT
    raise OneByOneError("bytes, or a closed enumeration")


def _whole(cursors: Cursors, kind: int) -> NDArray[Any]:
    values = cursors.signed() if kind in _SIGNED else cursors.varints()
    return values.astype(_WHOLE[kind], copy=False)


def _named(cursors: Cursors, names: Mapping[int, str]) -> Leaf:
    numbers = cursors.varints().astype(np.int32).tolist()
    return Leaf("text", [names.get(number) or str(number) for number in numbers])


def _leaf(tag: bytes, take: _Take, path: Path, default: Any) -> Read:
    """Make what reads single values, for which ``default`` stands where they are not written."""

    def read(cursors: Cursors, leaves: Leaves) -> None:
        is_there = cursors.ahead(tag)
        if is_there.all():
            cursors.step(len(tag))
            leaves[path] = take(cursors)
            return
        rows = np.flatnonzero(is_there)
        taken = cursors.take(rows)
        taken.step(len(tag))
        leaf = spread(take(taken), rows, len(cursors))
        cursors.put(rows, taken)
        leaves[path] = leaf if default is None else _completed(leaf, rows, default)

    return read


def _completed(leaf: Leaf, rows: NDArray[np.intp], default: Any) -> Leaf:
    if isinstance(leaf.values, list):
        return Leaf(leaf.kind, [default if value is None else value for value in leaf.values])
    is_lacking = np.ones(len(leaf.values), dtype=np.bool_)
    is_lacking[rows] = False
    leaf.values[is_lacking] = default
    return Leaf(leaf.kind, leaf.values)


def _embedded(tag: bytes, inside: Read) -> Read:
    """Make what reads the messages in a field; what one holds is missing where there is none."""

    def read(cursors: Cursors, leaves: Leaves) -> None:
        is_there = cursors.ahead(tag)
        if is_there.all():
            leaves |= _inside(cursors, tag, inside)
            return
        rows = np.flatnonzero(is_there)
        if rows.size:
            taken = cursors.take(rows)
            found = _inside(taken, tag, inside)
            cursors.put(rows, taken)
            leaves |= {path: spread(leaf, rows, len(cursors)) for path, leaf in found.items()}

    return read


def _inside(cursors: Cursors, tag: bytes, inside: Read) -> Leaves:
    cursors.step(len(tag))
    inner, found = cursors.inside(), Leaves()
    inside(inner, found)
    cursors.refuse(inner.is_bad)
    return found


def _vector(field: FieldDescriptor, path: Path, size: int) -> Read:
    """Make what reads packed lists of as many numbers as a column has."""
    tag, dtype = _tag(field, _LENGTH), _FIXED.get(field.type)
    if size == 1 or (dtype is None and field.type not in _WHOLE):
        raise OneByOneError("a list of these")

    def read(cursors: Cursors, leaves: Leaves) -> None:
        # Lists without elements, and those that are not packed, are left to the other reader.
        cursors.refuse(~cursors.ahead(tag))
        cursors.step(len(tag))
        inner = cursors.inside()
        if dtype is not None:
            inner.refuse(inner.end - inner.at != np.dtype(dtype).itemsize * size)
            values = inner.vectors(dtype, size)
        else:
            columns = [_whole(inner, field.type).astype(np.float64) for _ in range(size)]
            values = np.column_stack(columns)
        inner.finish()
        cursors.refuse(inner.is_bad)
        leaves[path] = Leaf("vector", values)

    return read


def _timestamps(path: Path) -> Read:
    """Make what reads moments: seconds since 1970, and nanoseconds."""
    from google.protobuf.timestamp_pb2 import Timestamp

    parts = (*path, "seconds"), (*path, "nanos")
    inside = _Compiler(dict.fromkeys(parts, 1), set()).message(Timestamp.DESCRIPTOR, path)

    def read(cursors: Cursors, leaves: Leaves) -> None:
        found: Leaves = {}
        inside(cursors, found)
        moments: list[datetime | None] = []
        pairs = zip(*(found[part].values.tolist() for part in parts), strict=True)
        for row, (seconds, nanos) in enumerate(pairs):
            try:
                moments.append(moment(seconds, nanos))
            except OverflowError:
                moments.append(None)
                cursors.is_bad[row] = True
        leaves[path] = Leaf("any", moments)

    return read


def moment(seconds: int, nanos: int) -> datetime:
    """Return the moment of a timestamp.

    Raises
    ------
    OverflowError
        When it lies beyond the years 1 to 9999.

    Examples
    --------
    >>> moment(1, 500_000).isoformat()
    '1970-01-01T00:00:01.000500+00:00'
    """
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1_000)


def _skipper(field: FieldDescriptor, *, is_repeated: bool) -> Read:
    """Make what passes a field over, as often as it comes where it may be repeated."""
    if field.type in (_F.TYPE_STRING, _F.TYPE_BYTES, _F.TYPE_MESSAGE):
        wire_types: Sequence[int] = [_LENGTH]
    elif dtype := _FIXED.get(field.type):
        wire_types = [_FIXED64 if dtype.endswith("8") else _FIXED32]
    else:
        wire_types = [_VARINT]
    if is_repeated and _LENGTH not in wire_types:
        wire_types = [_LENGTH, *wire_types]
    tags = [(_tag(field, wire_type), wire_type) for wire_type in wire_types]
    is_required = field.label == _F.LABEL_REQUIRED

    def skip(cursors: Cursors, leaves: Leaves) -> None:
        for tag, wire_type in tags:
            for _ in range(_MOST_REPEATED if is_repeated else 1):
                is_there = cursors.ahead(tag)
                if not is_there.any():
                    break
                _pass(cursors, tag, wire_type, is_there)
        if is_required:
            cursors.refuse(~is_there)

    return skip


def _pass(cursors: Cursors, tag: bytes, wire_type: int, is_there: NDArray[np.bool_]) -> None:
    if is_there.all():
        cursors.step(len(tag))
        _pass_value(cursors, wire_type)
        return
    rows = np.flatnonzero(is_there)
    taken = cursors.take(rows)
    taken.step(len(tag))
    _pass_value(taken, wire_type)
    taken.stay_inside()
    cursors.put(rows, taken)


def _pass_value(cursors: Cursors, wire_type: int) -> None:
    match wire_type:
        case 0:
            cursors.pass_varints()
        case 1:
            cursors.step(8)
        case 2:
            cursors.sized(is_signed=False)
        case 5:
            cursors.step(4)
        case _:
            cursors.refuse(np.ones(len(cursors), dtype=np.bool_))


def _pass_unknown(cursors: Cursors, known: NDArray[np.int64]) -> None:
    """Pass fields over that the schema lacks; a known one is not where it should be."""
    for _ in range(_MOST_UNKNOWN):
        rows = np.flatnonzero(cursors.at < cursors.end)
        if not rows.size:
            return
        taken = cursors.take(rows)
        tags = taken.varints()
        taken.refuse(np.isin(tags >> 3, known) | (tags >> 3 <= 0))
        for wire_type in np.unique(tags & 7).tolist():
            own = np.flatnonzero((tags & 7 == wire_type) & ~taken.is_bad)
            part = taken.take(own)
            _pass_value(part, wire_type)
            part.stay_inside()
            taken.put(own, part)
        taken.stay_inside()
        cursors.put(rows, taken)
