"""Values that were read from many records at once, and the columns that they become.

Formats with a schema know the type of a value before they read it: numbers stay arrays, and only
what a column does not expect is looked at value by value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import Unusable
from flink_jobs.intake.formats.trees import ColumnValues, checked

Kind = Literal["number", "boolean", "text", "vector", "any"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, eq=False)
class Leaf:
    """The values at one path, one for each record.

    Attributes
    ----------
    kind : str
        ``number``, ``boolean`` and ``vector`` are arrays, of which a vector's has two dimensions;
        ``text`` and ``any`` are lists, in which None is missing.
    values : ndarray or list
    is_missing : ndarray of bool, shape (n,), optional
        Of an array: the records that have no value; None where all have one.
    """

    kind: Kind
    values: Any
    is_missing: NDArray[np.bool_] | None = None

    def as_objects(self) -> list[Any]:
        """The values as Python has them; None where one is missing."""
        if isinstance(self.values, list):
            return self.values
        objects: list[Any] = self.values.tolist()
        if self.is_missing is not None:
            for row in np.flatnonzero(self.is_missing).tolist():
                objects[row] = None
        return objects


def spread(leaf: Leaf, rows: NDArray[np.intp], n: int) -> Leaf:
    """Put the values of some of ``n`` records in their places; the others have none.

    Examples
    --------
    >>> spread(Leaf("text", ["a"]), np.array([1]), 3).values
    [None, 'a', None]
    """
    if isinstance(leaf.values, list):
        values = [None] * n
        for row, value in zip(rows.tolist(), leaf.values, strict=True):
            values[row] = value
        return Leaf(leaf.kind, values)
    array = np.zeros((n, *leaf.values.shape[1:]), dtype=leaf.values.dtype)
    array[rows] = leaf.values
    is_missing = np.ones(n, dtype=np.bool_)
    is_missing[rows] = False if leaf.is_missing is None else leaf.is_missing
    return Leaf(leaf.kind, array, is_missing)


def taken(leaf: Leaf, rows: NDArray[np.intp]) -> Leaf:
    """Leave the values of some records.

    Examples
    --------
    >>> taken(Leaf("text", ["a", "b"]), np.array([1])).values
    ['b']
    """
    if isinstance(leaf.values, list):
        return Leaf(leaf.kind, [leaf.values[row] for row in rows.tolist()])
    is_missing = None if leaf.is_missing is None else leaf.is_missing[rows]
    return Leaf(leaf.kind, leaf.values[rows], is_missing)


def merged(parts: Sequence[tuple[NDArray[np.intp], Leaf]], n: int) -> Leaf:
    """Join the values of records that hold several types at one path.

    Examples
    --------
    >>> number, text = Leaf("number", np.array([1])), Leaf("text", ["a"])
    >>> merged([(np.array([0]), number), (np.array([2]), text)], 3).values
    [1, None, 'a']
    """
    if len(parts) == 1:
        return spread(parts[0][1], parts[0][0], n)
    values: list[Any] = [None] * n
    for rows, leaf in parts:
        for row, value in zip(rows.tolist(), leaf.as_objects(), strict=True):
            values[row] = value
    return Leaf("any", values)


def column_values(
    columns: Sequence[Column],
    leaves: Mapping[Path, Leaf],
    event_ids: Sequence[str | None],
) -> tuple[ColumnValues, Unusable]:
    """Return the values of each column, and by record why it cannot be used.

    Parameters
    ----------
    columns : sequence of Column
        Each is checked.
    leaves : mapping of Path to Leaf
        A path that is not there is missing in all records.
    event_ids : sequence of str or None
        For the errors, one of each record.

    Examples
    --------
    >>> age = Column("age", "number", "feature", paths=(("age",),))
    >>> values, unusable = column_values([age], {("age",): Leaf("number", np.array([7]))}, ["a"])
    >>> values[age], unusable
    (array([7.]), {})
    """
    unusable: Unusable = {}
    values = {
        column: _values_of(column, [leaves.get(path) for path in column.paths], event_ids, unusable)
        for column in columns
    }
    return values, unusable


def _values_of(
    column: Column,
    leaves: Sequence[Leaf | None],
    event_ids: Sequence[str | None],
    unusable: Unusable,
) -> Any:
    if all(leaf is not None and leaf.kind == "number" for leaf in leaves):
        numbers = _numbers(column, leaves)  # type: ignore[arg-type]
        if numbers is not None:
            return numbers
    if len(leaves) == 1 and leaves[0] is not None and not column.is_elementwise:
        expected = _as_expected(column, leaves[0])
        if expected is not None:
            return expected
    n = len(event_ids)
    found = [
        [None] * n if leaf is None else [plain(each, column) for each in leaf.as_objects()]
        for leaf in leaves
    ]
    raw = found[0]
    if column.is_elementwise:
        raw = [list(row) for row in zip(*found, strict=True)]
    return checked(column, raw, event_ids, unusable)


def _as_expected(column: Column, leaf: Leaf) -> Any:
    """Return the values of a column of the leaf's own type; None where one has to be looked at."""
    is_whole = leaf.is_missing is None
    match leaf.kind, column.type:
        case "vector", "vector" if is_whole and leaf.values.shape[1] == column.size:
            return leaf.values
        case "boolean", "boolean" if is_whole:
            return leaf.values.tolist()
        # What was decoded from UTF-8 can be encoded again.
        case "text", "category" if column.may_be_missing or None not in leaf.values:
            return leaf.values
        case _:
            return None


def _numbers(column: Column, leaves: Sequence[Leaf]) -> NDArray[np.float64] | None:
    """Return the floats of a number, or of a vector whose elements lie in places of their own."""
    if column.type != "number" and not (column.type == "vector" and column.is_elementwise):
        return None
    parts = []
    for leaf in leaves:
        numbers: NDArray[np.float64] = leaf.values.astype(np.float64)
        if leaf.is_missing is not None and leaf.is_missing.any():
            if not column.may_be_missing:
                return None
            numbers[leaf.is_missing] = np.nan
        parts.append(numbers)
    if column.type == "number":
        return parts[0]
    return np.column_stack(parts) if len(parts) == column.size else None


def plain(value: Any, column: Column) -> Any:
    """Return a value as JSON would have it, for a column of a type.

    A moment is a text in ISO 8601, and for a number its milliseconds since 1970, UTC; that of a
    time of day those since midnight. A decimal is a number. A UUID is a text.

    Examples
    --------
    >>> plan, age = Column("plan", "category", "feature"), Column("age", "number", "feature")
    >>> plain(datetime(1970, 1, 2, tzinfo=UTC), plan), plain(date(1970, 1, 2), age)
    ('1970-01-02T00:00:00Z', 86400000.0)
    """
    kind = type(value)
    if kind in (str, int, float, bool, type(None)):
        return value
    if kind is list:
        return [plain(each, column) for each in value]
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date | time):
        return _moment(value, is_number=column.type in ("number", "vector"))
    return value


def _moment(value: date | time, *, is_number: bool) -> Any:
    if not is_number:
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, time):
        value = datetime.combine(_EPOCH, value)
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
    return since / _MILLISECOND
