"""Schema numbers before records, as Confluent's clients write them.

A zero byte, the number of the schema in four bytes, the highest first; for Protobuf the place of
the message in its file: how many numbers follow, then these, where a single 0 stands for the first
message (docs of Confluent Platform 7.9, "Wire format").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.intake.formats.cursors import Cursors

NO_NUMBER = -1
"""Stands for the schema of records that name none."""
_MOST_INDEXES = 32


class Frame(NamedTuple):
    """Schema of a record, as the record names it.

    Attributes
    ----------
    schema : int
        Its number; :data:`NO_NUMBER` where they say none.
    indexes : tuple of int
        The place of a Protobuf message in its file, and in each message that holds it.
    """

    schema: int = NO_NUMBER
    indexes: tuple[int, ...] = ()


PLAIN = Frame()


def framed(cursors: Cursors, *, have_indexes: bool) -> Iterator[tuple[Frame, NDArray[np.intp]]]:
    r"""Read the numbers of schemas, and yield the rows of each; the cursors go on behind them.

    Rows that begin otherwise are marked as bad.

    Examples
    --------
    >>> cursors = Cursors.of([b"\0\0\0\0\7abc", b"{}"])
    >>> [(frame.schema, rows.tolist()) for frame, rows in framed(cursors, have_indexes=False)]
    [(7, [0])]
    >>> cursors.is_bad.tolist()
    [False, True]
    """
    is_short = cursors.end - cursors.at < 5
    cursors.refuse(is_short)
    cursors.refuse((cursors.single_bytes() != 0) & ~is_short)
    numbers = cursors.numbers(">i4").astype(np.int64)
    rows = np.flatnonzero(~cursors.is_bad)
    if not rows.size:
        return
    if (numbers[rows] == numbers[rows[0]]).all():
        groups = [(int(numbers[rows[0]]), rows)]
    else:
        known = np.unique(numbers[rows])
        groups = [(int(number), rows[numbers[rows] == number]) for number in known]
    for number, own in groups:
        if have_indexes:
            yield from _by_indexes(cursors, number, own)
        else:
            yield Frame(number), own


def _by_indexes(
    cursors: Cursors, number: int, rows: NDArray[np.intp]
) -> Iterator[tuple[Frame, NDArray[np.intp]]]:
    taken = cursors.take(rows)
    n_indexes = taken.signed()
    if n_indexes.any():
        groups = _longer_indexes(taken, n_indexes)
    else:
        groups = {(0,): list(range(len(rows)))}
    cursors.put(rows, taken)
    for indexes, own in groups.items():
        yield Frame(number, indexes), rows[own]


def _longer_indexes(
    cursors: Cursors, n_indexes: NDArray[np.int64]
) -> dict[tuple[int, ...], list[int]]:
    cursors.refuse((n_indexes < 0) | (n_indexes > _MOST_INDEXES))
    columns = []
    for place in range(int(n_indexes[~cursors.is_bad].max(initial=0))):
        rows = np.flatnonzero((n_indexes > place) & ~cursors.is_bad)
        taken, column = cursors.take(rows), np.full(len(cursors), -1)
        column[rows] = taken.signed()
        taken.stay_inside()
        cursors.put(rows, taken)
        columns.append(column)
    groups: dict[tuple[int, ...], list[int]] = {}
    for row in np.flatnonzero(~cursors.is_bad).tolist():
        n = int(n_indexes[row])
        indexes = tuple(int(column[row]) for column in columns[:n]) if n else (0,)
        groups.setdefault(indexes, []).append(row)
    return groups
