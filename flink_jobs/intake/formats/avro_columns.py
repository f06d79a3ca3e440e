"""Avro read column by column: a reader is made for a schema, and reads many records at once.

A record of Avro is its fields one after the other without any names, so that a reader has to pass
each field to find the next (specification 1.12, section "Data Serialization and Deserialization").
Fields that no column needs are passed over. What cannot be read from many records at once, such as
a list of several blocks, is refused here, and read by fastavro one record after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.cursors import MOST_UNCHECKED, Cursors
from flink_jobs.intake.formats.leaves import Leaf, merged
from flink_jobs.intake.schemas.errors import UnusableSchemaError

Leaves = dict[Path, Leaf]
Read = Callable[[Cursors, Leaves], None]
_Take = Callable[[Cursors], Leaf]
Wanted = Mapping[Path, int]
"""The paths that are looked up, each with the numbers of its vector; 1 where it is none."""

_MOST_DEPTH = 64
_MOST_BLOCKS = 64
_MOST_ITEMS = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH = datetime(1970, 1, 1)
_FIXED_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_PRIMITIVES = frozenset({*_FIXED_SIZES, "int", "long", "string", "bytes"})
_PER_SECOND = {"millis": 10**3, "micros": 10**6, "nanos": 10**9}


class OneByOneError(Exception):
    """A schema or a path that many records at once cannot be read by."""


def check_schema(schema: Any) -> None:
    """Refuse schemas by which a short record could exhaust memory or the stack.

    fastavro 1.13.1 reads records that hold themselves by recursion in C: 20 kB ended the process.
    A list of values without bytes may have any number of them.

    Parameters
    ----------
    schema : object
        As ``fastavro.parse_schema`` returns it.

    Raises
    ------
    UnusableSchemaError
    """
    _Least(_named(schema)).bytes_of(schema, ())


def most_bytes_unchecked(schema: Any) -> int:
    """Return a bound of the bytes that a record takes up to a place at which its end is looked at.

    Lists and maps look at it with each of their items.
    """
    named, known = _named(schema), dict[str, int]()

    def bound(part: Any) -> int:
        if isinstance(part, str):
            if part in named and part not in known:
                known[part] = bound(named[part])
            return known.get(part, MOST_UNCHECKED)
        if isinstance(part, list):
            return MOST_UNCHECKED + max(map(bound, part), default=0)
        if part["type"] in ("record", "error"):
            return sum(bound(each["type"]) for each in part["fields"])
        if part["type"] in ("array", "map"):
            return 2 * MOST_UNCHECKED + bound(part.get("items", part.get("values")))
        return max(MOST_UNCHECKED, int(part.get("size", 0)))

    return bound(schema)


def column_reader(schema: Any, wanted: Wanted) -> Read:
    r"""Make what reads the wanted values of many records.

    Parameters
    ----------
    schema : object
        As ``fastavro.parse_schema`` returns it, and :func:`check_schema` lets it pass.
    wanted : mapping of Path to int

    Raises
    ------
    OneByOneError
        When records of the schema have to be read one by one.

    Examples
    --------
    >>> schema = {"type": "record", "name": "Event", "fields": [
    ...     {"name": "age", "type": "int"}, {"name": "plan", "type": ["null", "string"]}]}
    >>> read, leaves = column_reader(schema, {("plan",): 1}), {}
    >>> read(Cursors.of([b"\x0e\x02\x06pro", b"\x0e\x00"], 1_000), leaves)
    >>> leaves[("plan",)].values
    ['pro', None]
    """
    return _Compiler(_named(schema), wanted).reader(schema, ())


class _Compiler:
    """Makes readers of the parts of a schema."""

    def __init__(self, named: Mapping[str, Any], wanted: Wanted) -> None:
        self._named = named
        self._wanted = wanted
        self._skippers: dict[str, Read] = {}
        self._inner = {path[:depth] for path in wanted for depth in range(len(path))}

    def reader(self, schema: Any, path: Path) -> Read:
        """Make what reads the values at and below a path."""
        if path not in self._wanted and path not in self._inner:
            return self._skipper(schema)
        schema = self._resolved(schema)
        if isinstance(schema, list):
            return _union([self.reader(branch, path) for branch in schema])
        kind = schema["type"]
        if kind == "record":
            if path in self._wanted:
                raise OneByOneError("a record")
            return _in_turn(
                [self.reader(field["type"], (*path, field["name"])) for field in schema["fields"]]
            )
        if kind in ("array", "map") and path in self._inner:
            raise OneByOneError("a path into a list or a map")
        if path not in self._wanted:
            return self._skipper(schema)
        if kind == "array":
            return _vector(path, self._resolved(schema["items"]), self._wanted[path])
        return _leaf(schema, path)

    def _resolved(self, schema: Any) -> Any:
        while not isinstance(schema, list):
            if isinstance(schema, str):
                schema = self._named.get(schema, {"type": schema})
            if not isinstance(schema["type"], dict | list) and schema["type"] not in self._named:
                return schema
            schema = schema["type"]
        return schema

    def _skipper(self, schema: Any) -> Read:
        """Make what passes a value over."""
        if isinstance(schema, str) and schema in self._named:
            if schema not in self._skippers:
                self._skippers[schema] = self._skipper(self._named[schema])
            return self._skippers[schema]
        schema = self._resolved(schema)
        if isinstance(schema, list):
            return _union([self._skipper(branch) for branch in schema])
        match schema["type"]:
            case "record":
                return _in_turn([self._skipper(field["type"]) for field in schema["fields"]])
            case "array":
                return _blocks(self._skipper(schema["items"]))
            case "map":
                return _blocks(_in_turn([_skip_bytes, self._skipper(schema["values"])]))
            case "string" | "bytes":
                return _skip_bytes
            case "int" | "long" | "enum":
                return lambda cursors, leaves: cursors.pass_varints()
            case "fixed":
                return _fixed_skipper(schema["size"])
            case kind:
                return _fixed_skipper(_FIXED_SIZES[kind])


def _fixed_skipper(n_bytes: int) -> Read:
    def skip(cursors: Cursors, leaves: Leaves) -> None:
        cursors.step(n_bytes)

    return skip


def _skip_bytes(cursors: Cursors, leaves: Leaves) -> None:
    cursors.sized(is_signed=True)


def _in_turn(reads: Sequence[Read]) -> Read:
    def read(cursors: Cursors, leaves: Leaves) -> None:
        for each in reads:
            each(cursors, leaves)

    return read


def _union(reads: Sequence[Read]) -> Read:
    def read(cursors: Cursors, leaves: Leaves) -> None:
        branches = cursors.signed()
        first = int(branches[0]) if len(branches) else 0
        if 0 <= first < len(reads) and (branches == first).all():
            reads[first](cursors, leaves)
            return
        cursors.refuse((branches < 0) | (branches >= len(reads)))
        found: dict[Path, list[tuple[NDArray[np.intp], Leaf]]] = {}
        for branch, each in enumerate(reads):
            rows = np.flatnonzero((branches == branch) & ~cursors.is_bad)
            if rows.size:
                taken, own = cursors.take(rows), Leaves()
                each(taken, own)
                cursors.put(rows, taken)
                for path, leaf in own.items():
                    found.setdefault(path, []).append((rows, leaf))
        for path, parts in found.items():
            leaves[path] = merged(parts, len(cursors))

    return read


def _blocks(item: Read) -> Read:
    """Make what passes the blocks of a list or a map over."""

    def skip(cursors: Cursors, leaves: Leaves) -> None:
        rows = np.arange(len(cursors))
        for _ in range(_MOST_BLOCKS):
            taken = cursors.take(rows)
            counts = taken.signed()
            _skip_sized(taken, counts)
            taken.stay_inside()
            taken.refuse(counts > _MOST_ITEMS)
            counts = np.where(taken.is_bad, 0, counts)
            for place in range(max(0, int(counts.max(initial=0)))):
                having = np.flatnonzero((counts > place) & ~taken.is_bad)
                items = taken.take(having)
                item(items, {})
                items.stay_inside()
                taken.put(having, items)
            cursors.put(rows, taken)
            rows = rows[(counts != 0) & ~taken.is_bad]
            if not rows.size:
                return
        is_left = np.zeros(len(cursors), dtype=np.bool_)
        is_left[rows] = True
        cursors.refuse(is_left)

    return skip


def _skip_sized(cursors: Cursors, counts: NDArray[np.int64]) -> None:
    """Pass the blocks over whose length in bytes is said: their counts are negative."""
    rows = np.flatnonzero(counts < 0)
    if rows.size:
        taken = cursors.take(rows)
        taken.skip(taken.signed())
        cursors.put(rows, taken)


def _vector(path: Path, items: Any, size: int) -> Read:
    """Make what reads lists of as many numbers as a column has, in one block."""
    if isinstance(items, list) or "logicalType" in items:
        raise OneByOneError("a list of these")
    kind = items["type"]
    if kind not in ("float", "double", "int", "long") or size == 1:
        raise OneByOneError("a list of these")

    def read(cursors: Cursors, leaves: Leaves) -> None:
        counts = cursors.signed()
        rows = np.flatnonzero(counts < 0)
        if rows.size:
            taken = cursors.take(rows)
            taken.pass_varints()
            cursors.put(rows, taken)
        cursors.refuse(np.abs(counts) != size)
        leaves[path] = Leaf("vector", _elements(cursors, kind, size))
        cursors.refuse(cursors.varints() != 0)

    return read


def _elements(cursors: Cursors, kind: str, size: int) -> NDArray[np.float64]:
    if kind in _FIXED_SIZES:
        return cursors.vectors(f"<f{_FIXED_SIZES[kind]}", size)
    columns = [cursors.signed().astype(np.float64) for _ in range(size)]
    return np.column_stack(columns)


def _leaf(schema: Mapping[str, Any], path: Path) -> Read:
    """Make what reads single values."""
    logical = schema.get("logicalType")
    take: _Take
    match schema["type"]:
        case "null":
            return lambda cursors, leaves: None
        case "boolean":
            take = lambda cursors: Leaf("boolean", cursors.single_bytes() != 0)  # noqa: E731
        case "float" | "double" as kind:
            dtype = f"<f{_FIXED_SIZES[kind]}"
            take = lambda cursors: Leaf("number", cursors.numbers(dtype))  # noqa: E731
        case "int" | "long":
            take = _whole_numbers(logical)
        case "string":
            take = lambda cursors: Leaf("text", cursors.texts(is_signed=True))  # noqa: E731
        case "enum":
            take = _symbols(schema["symbols"])
        case "bytes" | "fixed" if logical == "decimal":
            take = _decimals(schema)
        case _:
            raise OneByOneError("bytes")

    def read(cursors: Cursors, leaves: Leaves) -> None:
        leaves[path] = take(cursors)

    return read


def _symbols(symbols: Sequence[str]) -> _Take:
    def take(cursors: Cursors) -> Leaf:
        places = cursors.signed()
        is_wrong = (places < 0) | (places >= len(symbols))
        cursors.refuse(is_wrong)
        return Leaf("text", [symbols[place] for place in np.where(is_wrong, 0, places).tolist()])

    return take


def _whole_numbers(logical: str | None) -> _Take:
    convert = _moments(logical or "")
    if convert is None:
        return lambda cursors: Leaf("number", cursors.signed())

    def take(cursors: Cursors) -> Leaf:
        values: list[Any] = []
        for row, value in enumerate(cursors.signed().tolist()):
            try:
                values.append(convert(value))
            except (OverflowError, ValueError):
                values.append(None)
                cursors.is_bad[row] = True
        return Leaf("any", values)

    return take


def _moments(logical: str) -> Callable[[int], date | time] | None:
    """Return what makes a date or a time of a number; None for a number."""
    if logical == "date":
        return lambda days: date(1970, 1, 1) + timedelta(days=days)
    name, _, unit = logical.rpartition("-")
    if unit not in _PER_SECOND or name not in ("timestamp", "local-timestamp", "time"):
        return None
    per_second = _PER_SECOND[unit]
    epoch = _LOCAL_EPOCH if name == "local-timestamp" else _EPOCH

    def convert(value: int) -> date | time:
        moment: datetime
        if name == "time" and not 0 <= value < 86_400 * per_second:
            raise ValueError(value)
        moment = epoch + timedelta(microseconds=value * 10**6 // per_second)
        return moment.time() if name == "time" else moment

    return convert


def _decimals(schema: Mapping[str, Any]) -> _Take:
    divisor = 10 ** int(schema.get("scale", 0))
    size = schema.get("size")

    def take(cursors: Cursors) -> Leaf:
        n = len(cursors)
        lengths = cursors.signed() if size is None else np.full(n, size, dtype=np.int64)
        values = np.full(n, np.nan)
        for row, piece in enumerate(cursors.pieces(lengths)):
            try:
                # The division of whole numbers is rounded once, as that of a decimal is.
                values[row] = int.from_bytes(piece, "big", signed=True) / divisor
            except OverflowError:
                cursors.is_bad[row] = True
        return Leaf("number", values)

    return take


def _named(schema: Any) -> dict[str, Any]:
    return dict(_definitions(schema))


def _definitions(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _definitions(branch)
    elif isinstance(schema, dict):
        if "name" in schema and schema["type"] in ("record", "enum", "fixed", "error"):
            yield schema["name"], schema
        for field in schema.get("fields", ()):
            yield from _definitions(field["type"])
        for key in ("items", "values", "type"):
            yield from _definitions(schema.get(key))


class _Least:
    """Counts the bytes that values have at least."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, int] = {}

    def bytes_of(self, schema: Any, inside: tuple[str, ...]) -> int:
        """Return the bytes of a value inside some records, lists and maps."""
        if isinstance(schema, str):
            return self._of_name(schema, inside)
        if isinstance(schema, list):
            return 1 + min((self.bytes_of(each, inside) for each in schema), default=0)
        if len(inside) > _MOST_DEPTH:
            raise UnusableSchemaError(f"the schema is nested more than {_MOST_DEPTH} deep")
        match schema["type"]:
            case "record" | "error":
                return self._of_record(schema, inside)
            case "array":
                if not self.bytes_of(schema["items"], (*inside, "[]")):
                    wrong = "the schema has a list of values without bytes"
                    raise UnusableSchemaError(f"{wrong}: a list may then be of any length")
                return 1
            case "map":
                self.bytes_of(schema["values"], (*inside, "{}"))
                return 1
            case "fixed":
                return int(schema["size"])
            case "enum":
                return 1
            case inner:
                return self.bytes_of(inner, (*inside, ""))

    def _of_name(self, name: str, inside: tuple[str, ...]) -> int:
        if name in _PRIMITIVES:
            return _FIXED_SIZES.get(name, 1)
        # A type that is used in many places is looked at once.
        if name not in self._known:
            self._known[name] = self.bytes_of(self._named[name], inside)
        return self._known[name]

    def _of_record(self, schema: Any, inside: tuple[str, ...]) -> int:
        if schema["name"] in inside:
            wrong = f"the schema's record {schema['name']} holds itself"
            raise UnusableSchemaError(f"{wrong}: a record may then be of any depth")
        inside = (*inside, schema["name"])
        return sum(self.bytes_of(each["type"], inside) for each in schema["fields"])
