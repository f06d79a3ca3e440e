"""The kind of a move: by it those of one storm are told from all others."""

from __future__ import annotations

import re
from typing import NamedTuple

from flink_jobs.records.alerts import Alert, Cause, ColumnShift

MOST_BY_CHANCE = 0.001
"""A column moved when its p-value in the alert's sample is at most this.

Or when it has as much evidence as a sequential detector needs for an alarm: that counts all events
since the detector began, of which the sample is a small part.
"""
_OF_COLUMNS = (Cause.DRIFT, Cause.UNSTABLE_REFERENCE)
_ELEMENT = re.compile(r"\[\d+\]$")


class Trait(NamedTuple):
    """One thing that a move can have in common with others: the cause, and a column or none."""

    cause: Cause
    column: str


def traits_of(alert: Alert) -> frozenset[Trait]:
    """Return all that a move is told by; nothing where it cannot be told from others.

    Drift is told by the columns that moved, as the alert names them; the elements of a vector count
    as one column. Directions do not count: what breaks to one value goes up for one model and down
    for another. Silence is one kind of its own. Any other alert is of no kind, and so is drift in
    which no column moved by itself.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> alert = msgspec.json.decode(read_example("alert"), type=Alert)
    >>> sorted(trait.column for trait in traits_of(alert))
    ['plan', 'tenure']
    """
    if alert.cause is Cause.SILENCE:
        return frozenset({Trait(alert.cause, "")})
    if alert.cause not in _OF_COLUMNS:
        return frozenset()
    enough = alert.threshold.statistic if alert.threshold is not None else None
    moved = (each for each in alert.top_columns if _has_moved(each, enough))
    return frozenset(Trait(alert.cause, _name(each)) for each in moved)


def segments_of(alert: Alert) -> frozenset[str]:
    """Return the segments to which a move is confined, as a storm names them.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> alert = msgspec.json.decode(read_example("alert"), type=Alert)
    >>> sorted(segments_of(alert))
    ['region: EU']
    """
    return frozenset(f"{each.segment}: {each.category}" for each in alert.segments)


def _has_moved(column: ColumnShift, enough: float | None) -> bool:
    if column.evidence is not None and enough is not None and column.evidence >= enough:
        return True
    return column.p_value <= MOST_BY_CHANCE


def _name(column: ColumnShift) -> str:
    return _ELEMENT.sub("", column.column)
