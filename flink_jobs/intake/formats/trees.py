"""From decoded objects to the values of columns, column by column.

Formats whose messages become objects share it: JSON of any shape, Avro, Protobuf. Values of a
column are looked at together, in C where their types are as they should be. A column in which one
is not is read value by value, so that the error says what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column
from flink_jobs.config.paths import Path, path_text
from flink_jobs.intake.formats.base import Unusable
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.intake.values import read_value

ColumnValues = dict[Column, Sequence[Any] | NDArray[np.float64]]
"""By column one value of each row: numbers as floats, NaN where one is missing or unusable; vectors
of shape (n, size); categories as texts, whole numbers and booleans, or None."""

_NUMBERS = frozenset({float, int})
_OR_NONE = _NUMBERS | {type(None)}


def at_path(trees: Sequence[Any], path: Path) -> list[Any]:
    """Look up the value at a path of each tree; None where there is none.

    Examples
    --------
    >>> at_path([{"a": [1, 2]}, {"a": 7}, {}], ("a", 1))
    [2, None, None]
    """
    found = list(trees)
    for step in path:
        if isinstance(step, int):
            found = [
                each[step] if isinstance(each, list) and step < len(each) else None
                for each in found
            ]
        else:
            found = [each.get(step) if isinstance(each, dict) else None for each in found]
    return found


class TreeReader:
    """Reads columns from decoded objects.

    Parameters
    ----------
    columns : sequence of Column
        All columns of an event; each is checked.

    Examples
    --------
    >>> plan = Column("plan", "category", "feature", paths=(("request", "plan"),))
    >>> values, unusable = TreeReader([plan]).read([{"request": {"plan": "pro"}}, {}], ["a", "b"])
    >>> values[plan], str(unusable[1])
    (['pro', None], 'invalid_event: request.plan is missing')
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        # The objects that hold columns are looked up once for all that they hold.
        self._holders = {path[:-1] for column in columns for path in column.paths if path}

    def read(
        self, trees: Sequence[Any], event_ids: Sequence[str | None]
    ) -> tuple[ColumnValues, Unusable]:
        """Return the values of each column, and by row why it cannot be used.

        Parameters
        ----------
        trees : sequence of object
            Dictionaries and lists of single values.
        event_ids : sequence of str or None
            For the errors.
        """
        held = {path: at_path(trees, path) for path in self._holders}
        unusable: Unusable = {}
        values: ColumnValues = {}
        for column in self._columns:
            found = [self._found(held, trees, path) for path in column.paths]
            raw = found[0]
            if column.is_elementwise:
                raw = [list(row) for row in zip(*found, strict=True)]
            values[column] = checked(column, raw, event_ids, unusable)
        return values, unusable

    @staticmethod
    def _found(held: dict[Path, list[Any]], trees: Sequence[Any], path: Path) -> list[Any]:
        if not path:
            return list(trees)
        holders, key = held[path[:-1]], path[-1]
        if isinstance(key, str):
            try:
                return [each.get(key) for each in holders]
            except AttributeError:
                pass
        return at_path(holders, (key,))


def checked(
    column: Column, raw: list[Any], event_ids: Sequence[str | None], unusable: Unusable
) -> Sequence[Any] | NDArray[np.float64]:
    """Return the values of a column; what is wrong with one is put into ``unusable``.

    Parameters
    ----------
    column : Column
    raw : list
        One value for each row, as a decoder of JSON gives it.
    event_ids : sequence of str or None
        For the errors.
    unusable : dict of int to UnusableEventError
        By row; the first error of a row stays.
    """
    types = set(map(type, raw))
    if column.type == "number" and types <= (_OR_NONE if column.may_be_missing else _NUMBERS):
        numbers = _numbers(column, raw)
        if numbers is not None:
            return numbers
    elif column.type == "category" and (types <= {int} or types <= {bool}):
        return raw
    elif column.type == "category" and types <= {str}:
        # Unpaired surrogates have no bytes, and no text can be made of them: they are rare enough.
        if all(map(str.isascii, raw)):
            return raw
    elif column.type == "boolean" and types <= {bool}:
        return raw
    elif column.type == "vector" and types <= {list} and raw:
        lengths = set(map(len, raw))
        kinds = {kind for row in raw for kind in set(map(type, row))}
        if lengths == {column.size} and kinds <= _NUMBERS:
            numbers = _numbers(column, raw)
            if numbers is not None:
                return numbers
    return _one_by_one(column, raw, event_ids, unusable)


def _numbers(column: Column, raw: list[Any]) -> NDArray[np.float64] | None:
    """Return values as floats; None where one cannot be used.

    What is not finite is looked at one by one. Otherwise the reason of an event of which two
    values are wrong would depend on the events that it is read with.
    """
    try:
        numbers = np.array(raw, dtype=np.float64)
    except OverflowError:
        return None
    is_wrong = np.isinf(numbers) if column.may_be_missing else ~np.isfinite(numbers)
    return None if is_wrong.any() else numbers


def _one_by_one(
    column: Column, raw: list[Any], event_ids: Sequence[str | None], unusable: Unusable
) -> Sequence[Any] | NDArray[np.float64]:
    named = _named_by_path(column)
    read: list[Any] = []
    for row, value in enumerate(raw):
        try:
            read.append(read_value(named, value, event_ids[row]))
        except UnusableEventError as error:
            unusable.setdefault(row, error)
            read.append((None,) * column.size if column.type == "vector" else None)
    if column.is_category:
        return read
    shape = (len(read), column.size) if column.type == "vector" else (len(read),)
    return np.array(read, dtype=np.float64).reshape(shape)


def _named_by_path(column: Column) -> Column:
    """Return the column under the name that an error says: where it should have been."""
    (path, *more) = column.paths or ((),)
    # A place in a list says less than the column's own name.
    is_named = not more and any(isinstance(step, str) for step in path)
    return replace(column, name=path_text(path)) if is_named else column
