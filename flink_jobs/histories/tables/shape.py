"""The columns of a file that are read, and the pieces in which its rows are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from flink_jobs.config.columns import Column, slots_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import matches, variants
from flink_jobs.config.tables.columns import ColumnsTable
from flink_jobs.config.views import columns_read
from flink_jobs.histories.errors import SourceError
from flink_jobs.intake.formats.json import ROLE_KEYS
from flink_jobs.records.wording import first_names

# With half as many a backtest takes 5 % longer.
_MOST_ROWS = 32_768
_FEWEST_ROWS = 256
# 32 MB, of which there are several copies.
_MOST_NUMBERS = 2**22
_DIGITS = re.compile(r"(\d+)")
_MOST_NAMED = 20


@dataclass(frozen=True)
class Field:
    """One column of events in a table: one column, or those of a vector's elements.

    ``name`` is for messages. A vector is one column of lists where ``is_list``.
    """

    name: str
    columns: tuple[str, ...]
    is_list: bool = False


@dataclass(frozen=True)
class TableShape:
    """The columns that are read; ``model``, ``event_id``, ``label`` may be empty: there is none.

    Attributes
    ----------
    fields : dict of str to Field
        By the name of each column of events.
    categories : frozenset of str
        The columns of the table of which each value is one of a few.
    """

    model: str
    time: str
    event_id: str
    label: str
    fields: dict[str, Field]
    categories: frozenset[str] = frozenset()

    @property
    def columns(self) -> list[str]:
        """The columns to read, each once."""
        own = [self.model, self.time, self.event_id, self.label]
        named = [*filter(None, own), *(c for f in self.fields.values() for c in f.columns)]
        return list(dict.fromkeys(named))


def shape_of(file: str, config: DriftJobConfig, schema: pa.Schema) -> TableShape:
    """Find the columns that the configuration names; ``file`` is for messages.

    Raises
    ------
    SourceError
        When columns are missing or have one name, or make another number of features or outputs.
    """
    shape = _found(file, config, _names(file, schema))
    fields = {
        name: replace(field, is_list=len(field.columns) == 1 and _is_list(field.columns[0], schema))
        for name, field in shape.fields.items()
    }
    for each in variants(config):
        for column in columns_read(each):
            _check_width(file, fields[column.name], column)
    return replace(shape, fields=fields)


def rows_per_batch(config: DriftJobConfig, n_beside: int = 1) -> int:
    """How many rows of a table to take at a time.

    So many that memory grows neither with their width nor, down to a few rows each, with the number
    of tables that are read beside each other.
    """
    widest = max(sum(column.size for column in columns_read(each)) for each in variants(config))
    n_rows = max(1, min(_MOST_ROWS, _MOST_NUMBERS // widest))
    return max(n_rows // n_beside, min(n_rows, _FEWEST_ROWS))


def columns_of(file: str, config: DriftJobConfig, names: Sequence[str]) -> list[str]:
    """The columns among ``names`` that are read.

    Raises
    ------
    SourceError
        When columns are missing, or several have the name of one that is read.
    """
    return _found(file, config, names).columns


def _names(file: str, schema: pa.Schema) -> list[str]:
    try:
        names: list[str] = schema.names
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is not UTF-8: the names of its columns are not") from error
    return names


def _found(file: str, config: DriftJobConfig, names: Sequence[str]) -> TableShape:
    table = config.columns
    model = "" if table.model_name else table.model or "model"
    read = dict.fromkeys(column for each in variants(config) for column in columns_read(each))
    fields = {column.name: _find(column, table, names) for column in read}
    shape = TableShape(
        model,
        table.time or "time_ms",
        "event_id" if table.event_id is None else table.event_id,
        table.label,
        fields,
        frozenset(column.name for column in read if column.is_category),
    )
    missing = [column for column in shape.columns if column not in names]
    patterns = [name for name, field in fields.items() if not field.columns]
    missing += [f"{getattr(table, name)} (columns.{name})" for name in patterns]
    if missing:
        raise SourceError(_missing_text(file, missing, names, table))
    counts = Counter(names)
    for name in shape.columns:
        if counts[name] > 1:
            raise SourceError(f"{file} has several columns that are called {name}: rename them")
    return shape


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts names by the numbers in them.

    Examples
    --------
    >>> sorted(["f10", "f9", "f1"], key=natural_order)
    ['f1', 'f9', 'f10']
    """
    parts = _DIGITS.split(name)
    return [(int(part) if part.isdecimal() else -1, part) for part in parts]


def _find(column: Column, table: ColumnsTable, names: Sequence[str]) -> Field:
    """Find a column; the elements of a vector may be columns that are called as its slots are."""
    if column.role in ("feature", "output"):
        spec = getattr(table, ROLE_KEYS[column.role])
        if not isinstance(spec, dict):
            return _find_vector(column.name, spec, names)
    if column.type == "vector" and column.name not in names:
        elements = tuple(slot.name for slot in slots_of([column]))
        if set(elements) <= set(names):
            return Field(column.name, elements)
    return Field(column.name, (column.name,))


def _find_vector(name: str, spec: str | list[str], names: Sequence[str]) -> Field:
    """Find the columns of a vector that has no names of its own."""
    if isinstance(spec, list):
        return Field(name, tuple(spec))
    if "*" in spec:
        found = sorted((c for c in names if matches(spec, c)), key=natural_order)
        return Field(name, tuple(found))
    return Field(name, (spec,))


def _is_list(name: str, schema: pa.Schema) -> bool:
    return name in schema.names and is_list_type(schema.field(name).type)


def is_list_type(kind: pa.DataType) -> bool:
    """Whether a column holds lists."""
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _missing_text(
    file: str, missing: Sequence[str], there: Sequence[str], table: ColumnsTable
) -> str:
    hint = ""
    if (table.event_id or "event_id") in missing:
        hint = '; where events have no id, set columns.event_id = ""'
    return (
        f"{file} lacks the columns {_named(missing)}; it has {_named(there)}. Name them in the "
        f"table [columns] of the configuration{hint}"
    )


def _named(names: Sequence[str]) -> str:
    return first_names(names, _MOST_NAMED) or "none"


def _check_width(file: str, field: Field, column: Column) -> None:
    if field.is_list or len(field.columns) == column.size:
        return
    n, named = len(field.columns), _named(field.columns)
    if column.name in ("features", "outputs"):
        what = f"input.n_{column.name} is {column.size}"
    else:
        what = f"its size is {column.size}: name a column of lists, or one for each element"
    raise SourceError(f"{file} has {n} columns of {field.name} ({named}), and {what}")


class Piece(NamedTuple):
    """Rows of a file.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
    offsets : ndarray of int64, shape (n,)
        Their numbers in the file, from 0.
    n_read : int
        Bytes of the file that have been read.
    ragged : list of (int, str)
        The rows before these that have no columns, and what is wrong with them.
    """

    batch: pa.RecordBatch
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    n_read: int
    ragged: list[tuple[int, str]]


def bytes_at_a_time(n_rows: int, *, per_row: int, least: int, most: int) -> int:
    """Return how much of a file to read at a time for batches of this many rows.

    Examples
    --------
    >>> [bytes_at_a_time(n, per_row=10, least=100, most=500) for n in (1, 20, 1000)]
    [100, 200, 500]
    """
    return max(least, min(n_rows * per_row, most))
