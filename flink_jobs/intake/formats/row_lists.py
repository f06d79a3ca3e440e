"""Rows in lists, as servers take and give them: objects, lists of values, or single values.

The columns of an object are found by their paths. A list holds the columns of a role in their
order, or those whose paths are places in it (``[2]``); where the only column is a vector, the list
is the vector. A single value is the only column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column, Role
from flink_jobs.intake.formats.base import HAS_FEATURES, HAS_OUTPUTS, PART_OF, WHOLE, Unusable
from flink_jobs.intake.formats.json import is_one_vector
from flink_jobs.intake.formats.message_rows import RowBlock, missing_values
from flink_jobs.intake.formats.trees import ColumnValues, TreeReader
from flink_jobs.intake.unusable import wrong_length

_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


class TextRow(list[str]):
    """A row of which all values are texts, as a line of CSV."""


class RowLists(NamedTuple):
    """The rows of a message; None for a part that it does not have."""

    message: int
    inputs: Sequence[Any] | None
    outputs: Sequence[Any] | None


@dataclass(frozen=True, eq=False)
class _Read:
    values: ColumnValues
    unusable: Unusable


class RowListReader:
    """Reads the columns of rows.

    Parameters
    ----------
    columns : sequence of Column
        All columns of the events.
    are_parted : bool
        Whether a message may lack the rows of its inputs or of its outputs.
    """

    def __init__(self, columns: Sequence[Column], *, are_parted: bool) -> None:
        self._columns = columns
        self._are_parted = are_parted
        others = [column for column in columns if column.role not in PART_OF]
        self._inputs = _PartReader("feature", _of(columns, "feature"), others)
        self._outputs = _PartReader("output", _of(columns, "output"), others)
        self._outputs_alone = _PartReader("output", _of(columns, "output"), [])

    def needed(self, rows: RowLists) -> RowLists:
        """Leave out the part of a whole message in which no column lies."""
        if rows.inputs is None or rows.outputs is None:
            return rows
        roles = {column.role for column in self._columns}
        if "output" not in roles:
            return rows._replace(outputs=None)
        return rows._replace(inputs=None) if roles == {"output"} else rows

    def blocks(self, rows: Sequence[RowLists]) -> list[RowBlock]:
        """Read the rows of messages, those with the same parts together."""
        groups: dict[tuple[bool, bool], list[RowLists]] = {}
        for each in rows:
            has = (each.inputs is not None, each.outputs is not None)
            groups.setdefault(has, []).append(each)
        return [self._block(own, has) for has, own in groups.items()]

    def _block(self, rows: Sequence[RowLists], has: tuple[bool, bool]) -> RowBlock:
        n_rows = [
            len((each.outputs if each.inputs is None else each.inputs) or ()) for each in rows
        ]
        parts = HAS_FEATURES * has[0] | HAS_OUTPUTS * has[1] if self._are_parted else WHOLE
        values: ColumnValues = {}
        unusable: Unusable = {}
        if has[0]:
            read = self._inputs.read([row for each in rows for row in each.inputs or ()])
            values, unusable = dict(read.values), dict(read.unusable)
        if has[1]:
            reader = self._outputs_alone if has[0] else self._outputs
            read = reader.read([row for each in rows for row in each.outputs or ()])
            values |= read.values
            unusable = read.unusable | unusable
        self._refuse_missing(values, unusable, parts, sum(n_rows))
        return RowBlock([each.message for each in rows], n_rows, values, unusable, parts)

    def _refuse_missing(self, values: ColumnValues, unusable: Unusable, parts: int, n: int) -> None:
        """Look at columns of parts that whole events should have, and that nobody read."""
        absent = [
            column
            for column in self._columns
            if column not in values and PART_OF.get(column.role, 0) & parts
        ]
        if absent:
            read, wrong = TreeReader(absent).read([None] * n, [None] * n)
            values.update(read)
            for row, error in wrong.items():
                unusable.setdefault(row, error)


class _PartReader:
    """Reads the columns of one part, and those that may lie in either."""

    def __init__(self, role: Role, own: Sequence[Column], others: Sequence[Column]) -> None:
        self._role = role
        self._own = own
        self._columns = [*own, *others]
        self._by_path = TreeReader(self._columns)
        by_place = [replace(column, paths=((place,),)) for place, column in enumerate(own)]
        self._of_place = dict(zip(by_place, own, strict=True))
        self._by_place = TreeReader(by_place)
        self._has_places = any(
            isinstance(step, int)
            for column in self._columns
            for path in column.paths
            for step in path[:1]
        )
        self._is_vector = is_one_vector(own)
        whole = [replace(column, paths=((),)) for column in own[:1]]
        self._whole_of = dict(zip(whole, own, strict=False))
        self._whole = TreeReader(whole)

    def read(self, rows: Sequence[Any]) -> _Read:
        """Read rows of any kind."""
        kinds = set(map(type, rows))
        if len(kinds) == 1:
            return self._of_kind(kinds.pop(), rows)
        n = len(rows)
        read = _Read({column: _empty(column, n) for column in self._columns}, {})
        for kind in kinds:
            places = [place for place, row in enumerate(rows) if type(row) is kind]
            part = self._of_kind(kind, [rows[place] for place in places])
            for column, values in part.values.items():
                read.values[column] = _put(read.values[column], places, values)
            read.unusable.update({places[row]: error for row, error in part.unusable.items()})
        return read

    def _of_kind(self, kind: type, rows: Sequence[Any]) -> _Read:
        if kind is dict:
            return _Read(*self._by_path.read(rows, [None] * len(rows)))
        if kind is TextRow:
            return self._texts(rows)
        if kind is list:
            return self._lists(rows)
        return self._wholes(rows)

    def _lists(self, rows: Sequence[list[Any]]) -> _Read:
        if not self._own and not self._has_places:
            return _Read({}, {})
        if self._has_places:
            return _Read(*self._by_path.read(rows, [None] * len(rows)))
        if self._is_vector:
            return self._vectors(rows)
        return self._listed(rows)

    def _vectors(self, rows: Sequence[list[Any]]) -> _Read:
        """Read rows that are the only column, a vector, or lists that hold it.

        Each row is looked at for itself: ``[1, 2]`` means the same next to ``[[1, 2]]``.
        """
        holds = [bool(row) and isinstance(row[0], list) for row in rows]
        if not any(holds):
            return self._wholes(rows)
        bare = [row if held else [row] for row, held in zip(rows, holds, strict=True)]
        return self._listed(bare)

    def _listed(self, rows: Sequence[list[Any]]) -> _Read:
        """Read rows that list the columns in their order."""
        read = self._renamed(self._by_place, self._of_place, rows)
        if set(map(len, rows)) != {len(self._own)}:
            for place, row in enumerate(rows):
                if len(row) != len(self._own):
                    error = wrong_length(f"{self._role}s", len(row), len(self._own), None)
                    read.unusable[place] = error
        return read

    def _texts(self, rows: Sequence[TextRow]) -> _Read:
        """Read rows of texts, in which numbers and booleans are texts too."""
        if self._is_vector and not self._has_places:
            return self._lists([_numbers(row) for row in rows])
        typed: list[list[Any]] = [list(row) for row in rows]
        for place, kind in self._kinds_by_place():
            for row in typed:
                if place < len(row):
                    row[place] = _typed(kind, row[place])
        return self._lists(typed)

    def _kinds_by_place(self) -> list[tuple[int, str]]:
        if not self._has_places:
            return [(place, column.type) for place, column in enumerate(self._own)]
        return [
            (path[0], "number" if column.type == "vector" else column.type)
            for column in self._columns
            for path in column.paths
            if path and isinstance(path[0], int)
        ]

    def _wholes(self, rows: Sequence[Any]) -> _Read:
        """Read rows that are the only column."""
        if len(self._own) == 1:
            return self._renamed(self._whole, self._whole_of, rows)
        errors = {
            place: wrong_length(f"{self._role}s", 1, len(self._own), None)
            for place in range(len(rows))
            if self._own
        }
        values = {column: _empty(column, len(rows)) for column in self._columns}
        return _Read(dict(values), errors)

    def _renamed(self, reader: TreeReader, of: dict[Column, Column], rows: Sequence[Any]) -> _Read:
        values, unusable = reader.read(rows, [None] * len(rows))
        renamed: ColumnValues = {of[column]: own for column, own in values.items()}
        return _Read(renamed, unusable)


def _of(columns: Sequence[Column], role: Role) -> list[Column]:
    return [column for column in columns if column.role == role]


def _empty(column: Column, n: int) -> Sequence[Any] | NDArray[np.float64]:
    return missing_values(column, n)


def _put(
    values: Sequence[Any] | NDArray[np.float64], places: list[int], own: Any
) -> Sequence[Any] | NDArray[np.float64]:
    if isinstance(values, np.ndarray):
        values[places] = own
        return values
    listed = list(values)
    for place, value in zip(places, own, strict=True):
        listed[place] = value
    return listed


def _numbers(row: Sequence[str]) -> list[Any]:
    try:
        return list(map(float, row))
    except ValueError:
        return [_typed("number", text) for text in row]


def _typed(kind: str, text: str) -> Any:
    """Return what a text of CSV stands for; itself where that is nothing else."""
    if kind == "category":
        return text or None
    text = text.strip()
    if kind == "boolean":
        return _BOOLEANS.get(text.lower(), text or None)
    try:
        return float(text)
    except ValueError:
        return text or None
