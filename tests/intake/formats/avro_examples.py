"""Schemas of Avro and records of them, by fastavro."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import fastavro
from hypothesis import strategies as st

from flink_jobs.config.paths import Path

_NAMES = ("a", "b", "c", "d")
_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70),
    "float": st.floats(width=32),
    "double": st.floats(),
    "string": st.text(max_size=20) | st.text(min_size=60, max_size=70) | st.just("a\0"),
    "bytes": st.binary(max_size=9),
}


class _Names:
    """Gives every named type a name of its own."""

    def __init__(self) -> None:
        self.n = 0

    def next(self) -> str:
        self.n += 1
        return f"n{self.n}"


def _types(draw: st.DrawFn, names: _Names, depth: int) -> tuple[Any, st.SearchStrategy[Any]]:
    """A type, and the values that it has."""
    kinds = [*_PRIMITIVES, "enum", "fixed", "nullable", "union"]
    kind = draw(st.sampled_from(kinds if depth == 0 else [*kinds, "record", "array", "map"]))
    if kind in _PRIMITIVES:
        return kind, _PRIMITIVES[kind]
    match kind:
        case "enum":
            symbols = ["x", "y", "z"]
            return {"type": "enum", "name": names.next(), "symbols": symbols}, st.sampled_from(
                symbols
            )
        case "fixed":
            return {"type": "fixed", "name": names.next(), "size": 3}, st.binary(
                min_size=3, max_size=3
            )
        case "nullable":
            inner = draw(st.sampled_from(["string", "double", "long", "boolean"]))
            order = draw(st.permutations(["null", inner]))
            return order, st.none() | _PRIMITIVES[inner]
        case "union":
            return ["null", "string", "long"], st.none() | _PRIMITIVES["string"] | _PRIMITIVES[
                "long"
            ]
        case "record":
            return _record(draw, names, depth - 1)
        case "array":
            item, values = _types(draw, names, depth - 1)
            # An item without bytes is refused.
            item, values = ("double", _PRIMITIVES["double"]) if _is_empty(item) else (item, values)
            return {"type": "array", "items": item}, st.lists(values, max_size=4)
        case _:
            item, values = _types(draw, names, depth - 1)
            return {"type": "map", "values": item}, st.dictionaries(
                st.text(max_size=3), values, max_size=3
            )


def _is_empty(schema: Any) -> bool:
    if isinstance(schema, dict) and schema["type"] == "record":
        return all(_is_empty(field["type"]) for field in schema["fields"])
    return bool(schema == "null")


def _record(draw: st.DrawFn, names: _Names, depth: int) -> tuple[Any, st.SearchStrategy[Any]]:
    n = draw(st.integers(1, len(_NAMES)))
    fields, values = [], {}
    for name in _NAMES[:n]:
        kind, values[name] = _types(draw, names, depth)
        fields.append({"name": name, "type": kind})
    schema = {"type": "record", "name": names.next(), "fields": fields}
    return schema, st.fixed_dictionaries(values)


@st.composite
def schemas_and_records(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """A schema of a record, and some records of it."""
    schema, values = _record(draw, _Names(), 2)
    return schema, draw(st.lists(values, min_size=1, max_size=5))


def encoded(schema: Any, record: Any) -> bytes:
    """The bytes of a record."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


def leaf_paths(schema: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all single values and lists of a record."""
    if isinstance(schema, dict) and schema["type"] == "record":
        for field in schema["fields"]:
            yield from leaf_paths(field["type"], (*path, field["name"]))
    else:
        yield path
