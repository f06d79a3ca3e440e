"""The columns of a file that are read, and the pieces in which its rows are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import variants
from flink_jobs.config.views import columns_read
from flink_jobs.histories.tables.places import Place

# With half as many a backtest takes 5 % longer.
_MOST_ROWS = 32_768
_FEWEST_ROWS = 256
# 32 MB, of which there are several copies.
_MOST_NUMBERS = 2**22


@dataclass(frozen=True)
class Field:
    """One column of events in a table.

    Attributes
    ----------
    name : str
        For messages.
    places : tuple of Place
        One, or one for each element of a vector; none where the file does not have the column,
        which is missing in each of its rows then.
    is_list : bool
        Whether a vector is one column of lists.
    """

    name: str
    places: tuple[Place, ...]
    is_list: bool = False


@dataclass(frozen=True)
class TableShape:
    """The places that are read; ``model``, ``event_id`` and ``label`` are None where there is none.

    Attributes
    ----------
    fields : mapping of Column to Field
    keys : mapping of str to (str or None)
        The columns that the names of folders give, each with its value.
    absent : tuple of str
        What may be missing and the file does not have.
    there : tuple of str
        All its columns.
    """

    time: Place
    model: Place | None
    event_id: Place | None
    label: Place | None
    fields: Mapping[Column, Field]
    keys: Mapping[str, str | None] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    there: tuple[str, ...] = ()

    @property
    def places(self) -> list[Place]:
        """The places to read, each once."""
        own = [self.model, self.time, self.event_id, self.label]
        named = [place for each in self.fields.values() for place in each.places]
        return list(dict.fromkeys([*filter(None, own), *named]))

    @property
    def columns(self) -> list[str]:
        """The columns of the file to read, each once."""
        names = dict.fromkeys(place.column for place in self.places)
        return [name for name in names if name not in self.keys]

    @property
    def few_texts(self) -> list[Place]:
        """The places of which each value is one of a few texts."""
        places = [
            place
            for column, each in self.fields.items()
            if column.is_category
            for place in each.places
        ]
        return [*filter(None, [self.model]), *places]


def rows_per_batch(config: DriftJobConfig, n_beside: int = 1) -> int:
    """How many rows of a table to take at a time.

    So many that memory grows neither with their width nor, down to a few rows each, with the number
    of tables that are read side by side.
    """
    widest = max(sum(column.size for column in columns_read(each)) for each in variants(config))
    n_rows = max(1, min(_MOST_ROWS, _MOST_NUMBERS // widest))
    return max(n_rows // n_beside, min(n_rows, _FEWEST_ROWS))


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


class Stretch(NamedTuple):
    """A part of a file that can be read without those before it: ``n_before`` rows lie there."""

    n_before: int
    pieces: Callable[[], Iterator[Piece]]


def bytes_at_a_time(n_rows: int, *, per_row: int, least: int, most: int) -> int:
    """Return how much of a file to read at a time for batches of this many rows.

    Examples
    --------
    >>> [bytes_at_a_time(n, per_row=10, least=100, most=500) for n in (1, 20, 1000)]
    [100, 200, 500]
    """
    return max(least, min(n_rows * per_row, most))
