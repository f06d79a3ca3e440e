"""The columns of one view among those of a pane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column
from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.formats.base import PART_OF


def columns_at(events: EventColumns, places: Sequence[int]) -> EventColumns:
    """Return events with the floats at some places, in that order."""
    if len(places) == events.x.shape[1] and all(p == n for n, p in enumerate(places)):
        return events
    texts = {new: events.texts[old] for new, old in enumerate(places) if old in events.texts}
    return replace(events, x=events.x[:, list(places)], texts=texts)


def parts_needed(columns: Sequence[Column]) -> int:
    """Return the parts that an event must have for a view of some columns, as bits.

    Examples
    --------
    >>> parts_needed([Column("age", "number", "feature"), Column("eu", "category", "segment")])
    1
    """
    needed = 0
    for column in columns:
        needed |= PART_OF.get(column.role, 0)
    return needed


def rows_with_parts(events: EventColumns, needed: int) -> NDArray[np.intp] | None:
    """Return the rows of the events that have some parts; None where all of them have.

    Where requests and responses are events of their own, a view takes those that have its columns.
    """
    if events.parts is None:
        return None
    has_all = (events.parts & needed) == needed
    return None if has_all.all() else np.flatnonzero(has_all)
