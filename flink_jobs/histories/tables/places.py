"""Places of values in a table: a column, or what lies inside a nested one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flink_jobs.config.paths import Path, path_text

WRITTEN = {b"loudly.written": b"yes"}
"""Metadata of a field whose values of any kind are written as text, as all are in CSV."""


class Place(NamedTuple):
    """A value of each row.

    Attributes
    ----------
    column : str
        Of the table.
    path : Path
        Into it; empty for the column itself.
    is_written : bool
        Whether numbers are written as text there.
    """

    column: str
    path: Path = ()
    is_written: bool = False

    @property
    def name(self) -> str:
        """Name for people."""
        inside = path_text(self.path)
        return f"{self.column}{'' if inside[:1] in ('', '[') else '.'}{inside}"


def find_place(schema: pa.Schema, path: Path) -> Place | None:
    """Find the value at a path; None where the table has none.

    A column that is called as the whole path is comes before one that holds it.

    Examples
    --------
    >>> inner = pa.struct([("plan", pa.string())])
    >>> find_place(pa.schema([("request", inner)]), ("request", "plan"))
    Place(column='request', path=('plan',), is_written=False)
    >>> find_place(pa.schema([("request", inner), ("request.plan", pa.string())]),
    ...            ("request", "plan")).column
    'request.plan'
    """
    for n_steps in range(len(path), 0, -1):
        for name in _names(path[:n_steps]):
            if not (found := schema.get_all_field_indices(name)):
                continue
            field = schema.field(found[0])
            if type_at(field.type, path[n_steps:]) is not None:
                is_written = WRITTEN.items() <= (field.metadata or {}).items()
                return Place(name, path[n_steps:], is_written)
    return None


def _names(path: Path) -> list[str]:
    """List what a column may be called that holds all of a path."""
    joined = [] if any(isinstance(step, int) for step in path) else [".".join(map(str, path))]
    return list(dict.fromkeys([*joined, path_text(path)]))


def type_at(kind: pa.DataType, path: Path) -> pa.DataType | None:
    """Return the type of what lies at a path into a column; None where nothing can lie there.

    Examples
    --------
    >>> type_at(pa.struct([("scores", pa.list_(pa.float32()))]), ("scores", 1))
    DataType(float)
    """
    for step in path:
        kind = _storage(kind)
        if pa.types.is_null(kind):
            # A column of which a file holds no value.
            return kind
        inner = _inner_type(kind, step)
        if inner is None:
            return None
        kind = inner
    return _storage(kind)


def _inner_type(kind: pa.DataType, step: str | int) -> pa.DataType | None:
    if isinstance(step, int):
        return kind.value_type if is_list_type(kind) else None
    if pa.types.is_struct(kind):
        number = kind.get_field_index(step)
        return kind.field(number).type if number >= 0 else None
    if pa.types.is_map(kind) and _is_text(kind.key_type):
        return kind.item_type
    return None


def values_at(columns: pa.RecordBatch, place: Place) -> pa.Array:
    """Return the values at a place, in the types that the rest of this room knows.

    Null where an outer value is null, a list too short, or a map without the key.

    Examples
    --------
    >>> rows = pa.RecordBatch.from_pydict({"inputs": [[0.5, 1.5], [2.5]]})
    >>> values_at(rows, Place("inputs", (1,))).to_pylist()
    [1.5, None]
    """
    values = _plain(columns.column(place.column))
    for step in place.path:
        values = _plain(_inner_values(values, step))
    return values


def _inner_values(values: pa.Array, step: str | int) -> pa.Array:
    kind = values.type
    if pa.types.is_null(kind):
        return values
    if isinstance(step, int):
        # A list that is too short is made long enough with nulls.
        cut = pc.list_slice(values, step, step + 1, return_fixed_size_list=True)
        return pc.list_element(cut, 0)
    if pa.types.is_map(kind):
        return pc.map_lookup(values, pa.scalar(step, kind.key_type), "first")
    return pc.struct_field(values, [kind.get_field_index(step)])


def is_list_type(kind: pa.DataType) -> bool:
    """Tell whether a column holds lists."""
    return _is_flat_list(kind) or _is_list_view(kind)


def _is_flat_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_list_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _storage(kind: pa.DataType) -> pa.DataType:
    """Return the type in which the values of an extended or packed type lie."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _plain(values: pa.Array) -> pa.Array:
    """Return values of extended, packed and viewed types as those of plain ones."""
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(values.storage)
    if pa.types.is_run_end_encoded(kind):
        return _plain(pc.run_end_decode(values))
    # Arrow 16 casts none of these.
    if pa.types.is_string_view(kind):
        return pa.array(values.to_pylist(), pa.string())
    if pa.types.is_binary_view(kind):
        return pa.array(values.to_pylist(), pa.binary())
    if _is_list_view(kind):
        return pa.array(values.to_pylist(), pa.large_list(kind.value_type))
    return values


def with_constants(batch: pa.RecordBatch, texts: Mapping[str, str | None]) -> pa.RecordBatch:
    """Add columns that have one text in all rows.

    Examples
    --------
    >>> with_constants(pa.RecordBatch.from_pydict({"x": [1, 2]}), {"day": "7"}).to_pydict()
    {'x': [1, 2], 'day': ['7', '7']}
    """
    if not texts:
        return batch
    columns: list[Any] = list(batch.columns)
    places = pa.array(np.zeros(batch.num_rows, dtype=np.int8))
    for text in texts.values():
        columns.append(pa.DictionaryArray.from_arrays(places, pa.array([text], pa.string())))
    return pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, *texts])


def constant_fields(texts: Sequence[str]) -> list[pa.Field]:
    """Return the fields of the columns that :func:`with_constants` adds."""
    kind = pa.dictionary(pa.int8(), pa.string())
    return [pa.field(name, kind, metadata=WRITTEN) for name in texts]
