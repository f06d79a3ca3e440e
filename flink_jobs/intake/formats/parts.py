"""Requests and responses as events of their own: which parts an event has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column
from flink_jobs.config.paths import path_text
from flink_jobs.intake.formats.base import HAS_FEATURES, HAS_OUTPUTS, PART_OF, ReadEvents, Unusable
from flink_jobs.intake.formats.trees import ColumnValues
from flink_jobs.intake.unusable import UnusableEventError, without_value
from flink_jobs.records.dead_letters import Reason

_NAMES = {HAS_FEATURES: "features", HAS_OUTPUTS: "outputs"}


def as_optional(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return columns as they are read where an event may lack the whole part."""
    return tuple(
        replace(column, may_be_missing=True) if column.role in PART_OF else column
        for column in columns
    )


def parts_found(columns: Sequence[Column], values: ColumnValues, n: int) -> NDArray[np.int8]:
    """Return the parts that events have, as bits: those with at least one value.

    Parameters
    ----------
    columns : sequence of Column
        Keys of ``values``.
    values : mapping of Column to values
        As :class:`~flink_jobs.intake.formats.trees.TreeReader` gives them.
    n : int
        Events.

    Examples
    --------
    >>> age, p = Column("age", "number", "feature"), Column("p", "number", "output")
    >>> parts_found([age, p], {age: np.array([3.0, np.nan]), p: np.array([np.nan, 0.5])}, 2)
    array([1, 2], dtype=int8)
    """
    parts = np.zeros(n, dtype=np.int8)
    for part in _NAMES:
        is_there = np.zeros(n, dtype=np.bool_)
        own = [column for column in columns if PART_OF.get(column.role) == part]
        # Numbers first: most often they say it, and texts are looked at one by one.
        for column in sorted(own, key=lambda column: column.is_category):
            is_there |= _is_there(column, values[column])
            if is_there.all():
                break
        parts |= (is_there * part).astype(np.int8)
    return parts


def refuse_incomplete(
    columns: Sequence[Column],
    values: ColumnValues,
    parts: NDArray[np.int8],
    event_ids: Sequence[str | None],
    unusable: Unusable,
) -> None:
    """Put errors into ``unusable``: for events without any part, and for parts that lack a value.

    Parameters
    ----------
    columns : sequence of Column
        As the configuration has them; those of ``values`` may all be missing.
    values : mapping of Column to values
    parts : ndarray of int8, shape (n,)
    event_ids : sequence of str or None
    unusable : dict of int to UnusableEventError
    """
    for row in np.flatnonzero(parts == 0).tolist():
        unusable.setdefault(row, _no_part(columns, event_ids[row]))
    for column, optional in zip(columns, as_optional(columns), strict=True):
        part = PART_OF.get(column.role)
        if part is None or column.may_be_missing:
            continue
        has_part = (parts & part) > 0
        is_missing = has_part & ~_is_whole(column, values[optional])
        name = path_text(column.paths[0]) if len(column.paths) == 1 else column.name
        for row in np.flatnonzero(is_missing).tolist():
            unusable.setdefault(row, without_value(name, event_ids[row]))


def without_parts(
    columns: Sequence[Column], read: ReadEvents, parts: NDArray[np.int8]
) -> ReadEvents:
    """Return events with the parts that they have, and refuse those without any.

    Parameters
    ----------
    columns : sequence of Column
    read : ReadEvents
    parts : ndarray of int8, shape (n,)
    """
    unusable = dict(read.unusable)
    for row in np.flatnonzero(parts == 0).tolist():
        error = _no_part(columns, read.event_ids[row])
        unusable.setdefault(int(read.places[row]), error)
    return replace(read, unusable=unusable, parts=parts)


def _no_part(columns: Sequence[Column], event_id: str | None) -> UnusableEventError:
    wanted = [_NAMES[part] for part in _NAMES if any(PART_OF.get(c.role) == part for c in columns)]
    detail = f"the event has no {' and no '.join(wanted)}: none of their columns is there"
    return UnusableEventError(Reason.INVALID_EVENT, detail, event_id)


def _is_there(column: Column, values: object) -> NDArray[np.bool_]:
    """Tell of each row whether it has any value of a column."""
    if column.is_category:
        if None not in values:  # type: ignore[operator]
            return np.ones(len(values), dtype=np.bool_)  # type: ignore[arg-type]
        return np.array([value is not None for value in values], dtype=np.bool_)  # type: ignore[attr-defined]
    is_number = ~np.isnan(_floats(column, values))
    return np.asarray(is_number.any(axis=1) if column.type == "vector" else is_number)


def _is_whole(column: Column, values: object) -> NDArray[np.bool_]:
    if column.type == "vector":
        return np.asarray(~np.isnan(_floats(column, values)).any(axis=1))
    return _is_there(column, values)


def _floats(column: Column, values: Any) -> NDArray[np.float64]:
    """Return numbers, or vectors of which a whole one may be None, as floats."""
    if column.type != "vector" or isinstance(values, np.ndarray):
        return np.asarray(values, dtype=np.float64)
    missing = (None,) * column.size
    filled = [missing if vector is None else vector for vector in values]
    return np.array(filled, dtype=np.float64).reshape(len(filled), column.size)
