"""Finds the columns of events among those of a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from flink_jobs.config.columns import Column, slots_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import Location, locations_of
from flink_jobs.config.overrides import matches, variants
from flink_jobs.config.paths import Path, parse_path, path_text
from flink_jobs.config.tables.columns import ColumnsTable
from flink_jobs.config.views import columns_read
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.tables.places import (
    Place,
    constant_fields,
    find_place,
    is_list_type,
    type_at,
)
from flink_jobs.histories.tables.shape import Field, TableShape
from flink_jobs.intake.formats.json import ROLE_KEYS
from flink_jobs.records.wording import count, first_names

_DIGITS = re.compile(r"(\d+)")
_MOST_NAMED = 20
_FEW_NAMED = 3


def shape_of(
    file: str,
    config: DriftJobConfig,
    schema: pa.Schema,
    keys: Mapping[str, str | None] | None = None,
) -> TableShape:
    """Find the columns that the configuration names; ``file`` is for messages.

    What may be missing may be absent.

    Raises
    ------
    SourceError
        When others are absent or have one name, or make another number of features or outputs.
    """
    own = {name: text for name, text in (keys or {}).items() if name not in _names(file, schema)}
    whole = pa.schema([*schema, *constant_fields([*own])])
    shape = replace(_found(file, config, whole, n_own=len(schema)), keys=own)
    for column, field in shape.fields.items():
        if field.places:
            _check_width(file, field, column)
    return shape


def columns_of(file: str, config: DriftJobConfig, schema: pa.Schema) -> list[str]:
    """List the columns of a table that are read.

    Raises
    ------
    SourceError
        When columns are missing, or several have the name of one that is read.
    """
    return _found(file, config, schema, n_own=len(schema)).columns


def _names(file: str, schema: pa.Schema) -> list[str]:
    try:
        names: list[str] = schema.names
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{file} is not UTF-8: the names of its columns are not. Save it in UTF-8"
        ) from error
    return names


def _found(file: str, config: DriftJobConfig, schema: pa.Schema, n_own: int) -> TableShape:
    """Find everything; the first ``n_own`` fields are columns of the file itself."""
    table, names = config.columns, _names(file, schema)
    search = _Search(file, table, schema, names[:n_own])
    locations = locations_of(config, "table")
    read = dict.fromkeys(column for each in variants(config) for column in columns_read(each))
    time = search.located("time", locations.time)
    shape = TableShape(
        time or Place(""),
        search.located("model", locations.model),
        search.located("event_id", locations.event_id),
        search.label(table.label) if table.label else None,
        {column: search.field(column) for column in read},
        absent=tuple(dict.fromkeys(search.absent)),
        there=tuple(names),
    )
    if search.missing:
        raise SourceError(missing_text(file, search.missing, names, table))
    counts = Counter(names)
    for name in shape.columns:
        if counts[name] > 1:
            raise SourceError(f"{file} has several columns that are called {name}: rename them")
    return shape


class _Search:
    """Looks for columns of events in one table, and notes what is missing."""

    def __init__(
        self, file: str, table: ColumnsTable, schema: pa.Schema, own: Sequence[str]
    ) -> None:
        self._file = file
        self._table = table
        self._schema = schema
        self._own = own
        self.missing: list[str] = []
        self.absent: list[str] = []

    def label(self, text: str) -> Place | None:
        """Return the place of the true class, which a file may lack."""
        path = _label_path(text)
        found = find_place(self._schema, path)
        if found is None:
            self.absent.append(_path_name(path))
        return found

    def located(self, key: str, location: Location) -> Place | None:
        """Return the place of model, time or name."""
        if location.kind == "nowhere":
            return None
        if location.kind != "payload":
            raise SourceError(
                f"columns.{key} is {getattr(self._table, key)!r}, which records of a topic have: "
                f"name a column of {self._file}"
            )
        found = find_place(self._schema, location.path)
        if found is None and not location.is_optional:
            self.missing.append(_path_name(location.path))
        return found

    def field(self, column: Column) -> Field:
        """Return where a column is found."""
        places = self._places(column)
        if not all(places) or not places:
            unfound = self._unfound(column, places)
            if column.may_be_missing:
                self.absent += unfound
            else:
                self.missing += unfound
            places = []
        found = tuple(place for place in places if place is not None)
        is_list = column.type == "vector" and len(found) == 1 and self._is_list(found[0])
        return Field(column.name, found, is_list)

    def _places(self, column: Column) -> list[Place | None]:
        if not column.paths:
            pattern = getattr(self._table, ROLE_KEYS[column.role])
            at = getattr(self._table, f"{ROLE_KEYS[column.role]}_at")
            return self._matching(parse_path(at) if at else (), pattern)
        places = [find_place(self._schema, path) for path in column.paths]
        if places == [None] and column.type == "vector":
            # Its elements may be columns of their own, which are called as its slots are.
            elements = [
                find_place(self._schema, (*column.paths[0][:-1], slot.name))
                for slot in slots_of([column])
            ]
            return elements if all(elements) else places
        return places

    def _matching(self, at: Path, pattern: str) -> list[Place | None]:
        """Return the columns, or what lies in one, whose names match, in order of numbers."""
        names: Sequence[str] = self._own
        if at:
            outer = find_place(self._schema, at)
            kind = outer and type_at(self._type(outer.column), outer.path)
            fields = range(kind.num_fields) if kind and pa.types.is_struct(kind) else ()
            # Where objects were flattened, the names of columns begin with those of the objects.
            start = f"{path_text(at)}."
            flat = [name.removeprefix(start) for name in self._own if name.startswith(start)]
            names = [*(kind.field(number).name for number in fields if kind), *flat]
        found = sorted((name for name in names if matches(pattern, name)), key=natural_order)
        return [find_place(self._schema, (*at, name)) for name in dict.fromkeys(found)]

    def _unfound(self, column: Column, places: Sequence[Place | None]) -> list[str]:
        if not column.paths:
            key = ROLE_KEYS[column.role]
            return [f"{getattr(self._table, key)} (columns.{key})"]
        pairs = zip(column.paths, places, strict=False)
        return [_path_name(path) for path, place in pairs if place is None]

    def _is_list(self, place: Place) -> bool:
        kind = type_at(self._type(place.column), place.path)
        return kind is not None and (is_list_type(kind) or pa.types.is_null(kind))

    def _type(self, name: str) -> pa.DataType:
        return self._schema.field(self._schema.get_all_field_indices(name)[0]).type


def _label_path(text: str) -> Path:
    # A history of which no pane carries the label may call it anything.
    try:
        return parse_path(text)
    except ValueError:
        return (text,)


def _path_name(path: Path) -> str:
    return str(path[0]) if len(path) == 1 else path_text(path)


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts names by the numbers in them.

    Examples
    --------
    >>> sorted(["f10", "f9", "f1"], key=natural_order)
    ['f1', 'f9', 'f10']
    """
    parts = _DIGITS.split(name)
    return [(int(part) if part.isdecimal() else -1, part) for part in parts]


def check_absent(shapes: Mapping[str, TableShape], table: ColumnsTable) -> list[str]:
    """Say which columns some files lack; ``shapes`` are by the names of the files.

    Raises
    ------
    SourceError
        When all of them lack one.
    """
    lacking: dict[str, list[str]] = {}
    for file, shape in shapes.items():
        for name in shape.absent:
            lacking.setdefault(name, []).append(file)
    if never := [name for name, files in lacking.items() if len(files) == len(shapes)]:
        file, shape = next(iter(shapes.items()))
        raise SourceError(missing_text(file, never, shape.there, table))
    return [
        f"{count(len(files), 'file')} of {len(shapes):,} without {name}, which is missing in all "
        f"rows there: {first_names(files, _FEW_NAMED)}"
        for name, files in lacking.items()
    ]


def missing_text(
    file: str, missing: Sequence[str], there: Sequence[str], table: ColumnsTable
) -> str:
    """Say which columns a file lacks, and what it has."""
    if len(there) == 1 and (wrong := other_separator(there[0])):
        return f"{file} {wrong}"
    hint = ""
    if table.event_id and table.event_id in missing:
        hint = '; where events have no id, set columns.event_id = ""'
    return (
        f"{file} lacks the columns {_named(missing)}; it has {_named(there)}. Name them in the "
        f"table [columns] of the configuration{hint}"
    )


def other_separator(header: str) -> str:
    """Say what separates the cells of a CSV file that has no commas; empty where nothing does.

    Examples
    --------
    >>> other_separator("age;plan")[:34], other_separator("age")
    ('separates its cells by semicolons:', '')
    """
    for mark, what in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if mark in header:
            return (
                f"separates its cells by {what}: CSV files are read with commas. Write it again "
                "with commas and with points in decimal numbers, or as Parquet"
            )
    return ""


def _named(names: Sequence[str]) -> str:
    return first_names(names, _MOST_NAMED) or "none"


def _check_width(file: str, field: Field, column: Column) -> None:
    if field.is_list or len(field.places) == column.size:
        return
    n, named = len(field.places), _named([place.name for place in field.places])
    if column.name in ("features", "outputs"):
        what = f"input.n_{column.name} is {column.size}"
    else:
        what = f"its size is {column.size}: name a column of lists, or one for each element"
    raise SourceError(f"{file} has {n} columns of {field.name} ({named}), and {what}")
