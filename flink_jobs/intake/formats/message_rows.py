"""Messages that hold several rows: from blocks of rows to events that are numbered through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column
from flink_jobs.config.job import PARTED_FORMATS, DriftJobConfig
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import WHOLE, Messages, ReadEvents, Unusable
from flink_jobs.intake.formats.json_values import JsonValues
from flink_jobs.intake.formats.names import EventNames, of_row
from flink_jobs.intake.formats.trees import ColumnValues
from flink_jobs.intake.slots import ColumnFiller
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Rows of messages that were read together.

    Attributes
    ----------
    messages : list of int
        The numbers of the messages.
    n_rows : list of int
        The rows of each message.
    values : mapping of Column to sequence
        One value of each row, as :class:`~flink_jobs.intake.formats.trees.TreeReader` gives them;
        columns that these messages do not have are left out.
    unusable : dict of int to UnusableEventError
        By the number of the row in the block.
    parts : int
        The parts that the events have.
    """

    messages: list[int]
    n_rows: list[int]
    values: ColumnValues
    unusable: Unusable = field(default_factory=dict)
    parts: int = WHOLE


def are_parted(config: DriftJobConfig) -> bool:
    """Tell whether an event may have only features, or only outputs."""
    messages = config.input.messages
    if messages is None:
        return config.input.format in PARTED_FORMATS
    return messages == "requests_and_responses"


def check_n_rows(n: int, config: DriftJobConfig) -> None:
    """Refuse messages without a row, and those with too many.

    Raises
    ------
    UnusableEventError
    """
    most = config.input.max_rows
    if not n:
        raise UnusableEventError(Reason.INVALID_EVENT, "the message holds no row")
    if n > most:
        detail = f"the message holds {n:,} rows, more than the {most:,} of input.max_rows"
        raise UnusableEventError(Reason.INVALID_EVENT, detail)


def named(
    names: EventNames, messages: Messages, at: Path, own: Sequence[Any]
) -> tuple[list[str], Unusable]:
    """Return the name of each message, after which its rows are called.

    Parameters
    ----------
    names : EventNames
    messages : Messages
    at : Path
        Where the format has looked already.
    own : sequence of object
        What it found there.
    """
    if names.path is None:
        return names.of(None, messages)
    if names.path != at:
        found = JsonValues([names.path]).of(messages.payloads)[0]
        own = [None if isinstance(value, UnusableEventError) else value for value in found]
    return names.of(own, messages)


def gather(
    messages: Messages,
    blocks: Iterable[RowBlock],
    broken: Unusable,
    names: tuple[Sequence[str], Unusable],
    read: Sequence[Column],
    *,
    are_parted: bool,
) -> ReadEvents:
    """Number the rows of all messages through, and make events of them.

    Parameters
    ----------
    messages : Messages
    blocks : iterable of RowBlock
    broken : dict of int to UnusableEventError
        By the number of the message: those that cannot be read at all.
    names : (sequence of str, dict of int to UnusableEventError)
        Of each message its name, or why it cannot be named.
    read : sequence of Column
        The columns that become floats, in their order.
    are_parted : bool
        Whether to say which parts the events have.
    """
    filler = ColumnFiller(read)
    ids, nameless = names
    blocks = list(blocks)
    n_rows = np.ones(len(messages), dtype=np.intp)
    for block in blocks:
        n_rows[block.messages] = block.n_rows
    firsts = np.cumsum(n_rows) - n_rows
    n = int(n_rows.sum())
    x = np.empty((n, filler.n_slots))
    parts = np.full(n, WHOLE, dtype=np.int8)
    unusable = {int(firsts[message]): error for message, error in broken.items()}
    wrong: Unusable = {}
    for block in blocks:
        own = _rows_of(block, firsts)
        x[own] = filler.rows(_all_values(block, read, len(own)), len(own))
        parts[own] = block.parts
        wrong |= {int(own[row]): error for row, error in block.unusable.items()}
    for message, error in nameless.items():
        for row in range(int(firsts[message]), int(firsts[message] + n_rows[message])):
            unusable.setdefault(row, error)
    message_of = np.repeat(np.arange(len(messages)), n_rows)
    rows = np.arange(n) - np.repeat(firsts, n_rows)
    called = _row_names(ids, n_rows)
    for row, error in wrong.items():
        unusable.setdefault(row, UnusableEventError(error.reason, error.detail, called[row]))
    places = np.arange(n, dtype=np.intp)
    if unusable:
        places = np.delete(places, list(unusable))
        called = [called[place] for place in places.tolist()]
        x, parts = x[places], parts[places]
    is_plain = n == len(messages)
    return ReadEvents(
        places,
        called,
        x,
        unusable,
        filler.texts,
        None if is_plain else message_of,
        None if is_plain else rows.astype(np.int32),
        parts if are_parted else None,
    )


def _rows_of(block: RowBlock, firsts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the numbers of a block's rows among all rows."""
    n_rows = np.array(block.n_rows, dtype=np.intp)
    ends = np.cumsum(n_rows)
    shifts = firsts[block.messages] - (ends - n_rows)
    return np.asarray(np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(shifts, n_rows))


def _all_values(block: RowBlock, read: Sequence[Column], n: int) -> ColumnValues:
    values = dict(block.values)
    for column in read:
        if column not in values:
            values[column] = missing_values(column, n)
    return values


def missing_values(column: Column, n: int) -> Sequence[Any] | NDArray[np.float64]:
    """Return the values of a column that no row has."""
    if column.is_category:
        return [None] * n
    return np.full((n, column.size) if column.type == "vector" else n, np.nan)


def _row_names(ids: Sequence[str], n_rows: NDArray[np.intp]) -> list[str]:
    if (n_rows == 1).all():
        return list(ids)
    names: list[str] = []
    for name, n in zip(ids, n_rows.tolist(), strict=True):
        names += [of_row(name, row, n) for row in range(n)]
    return names
