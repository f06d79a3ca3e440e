"""Base of every format of payloads: messages in, rows of floats out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Role
from flink_jobs.config.paths import Path
from flink_jobs.intake.texts import Texts
from flink_jobs.intake.unusable import UnusableEventError

HAS_FEATURES, HAS_OUTPUTS = 1, 2
"""The parts that an event may have, as bits: a request has features, a response outputs."""
WHOLE = HAS_FEATURES | HAS_OUTPUTS
PART_OF: Mapping[Role, int] = MappingProxyType({"feature": HAS_FEATURES, "output": HAS_OUTPUTS})
"""By the role of a column the part in which it lies; segments and labels are in none."""

Unusable = dict[int, UnusableEventError]
"""By the number of a row: why it cannot be used."""


@dataclass(frozen=True, eq=False)
class Messages:
    """Messages as they came, as columns of one length.

    Attributes
    ----------
    payloads : sequence of bytes
    names : callable
        Gives what each message is called where its events have no names of their own.
    record_parts : sequence of sequence of (str or None), optional
        Of each message what :func:`flink_jobs.config.locations.record_parts` lists, in its order;
        None where it lists nothing.
    """

    payloads: Sequence[bytes]
    names: Callable[[], Sequence[str]]
    record_parts: Sequence[Sequence[str | None]] | None = None

    def __len__(self) -> int:
        return len(self.payloads)

    def part(self, first: int, end: int) -> Messages:
        """Return consecutive messages."""
        if first == 0 and end >= len(self):
            return self
        return self._chosen(lambda values: values[first:end])

    def at(self, places: Sequence[int]) -> Messages:
        """Return the messages at some places."""
        return self._chosen(lambda values: [values[place] for place in places])

    def _chosen(self, choose: Callable[[Sequence[Any]], Sequence[Any]]) -> Messages:
        parts = None if self.record_parts is None else choose(self.record_parts)
        return Messages(choose(self.payloads), lambda: choose(self.names()), parts)


@dataclass(frozen=True, eq=False)
class ReadEvents:
    """Events read from some messages, and the reasons why others cannot be used.

    A message holds one row or several. Rows are numbered through, from message to message.

    Attributes
    ----------
    places : ndarray of intp, shape (n,)
        The numbers of the rows that are usable events, ascending.
    event_ids : list of str
    x : ndarray of float64, shape (n, n_slots)
        The floats of a pane: numbers, and codes of texts.
    unusable : dict of int to UnusableEventError
        By the number of the row. A message that cannot be read is one row.
    texts : mapping of int to sequence of str
        By the slot of a category: the text of each code.
    messages : ndarray of intp, shape (n_rows,), optional
        The message of each row; None where each message is one row.
    rows : ndarray of int32, shape (n_rows,), optional
        The place of each row in its message; None where each message is one row.
    parts : ndarray of int8, shape (n,), optional
        The parts that each usable event has; None where all are whole.
    """

    places: NDArray[np.intp]
    event_ids: list[str]
    x: NDArray[np.float64]
    unusable: Unusable
    texts: Texts = field(default_factory=dict)
    messages: NDArray[np.intp] | None = None
    rows: NDArray[np.int32] | None = None
    parts: NDArray[np.int8] | None = None

    @property
    def message_of(self) -> NDArray[np.intp]:
        """The message of each usable event, shape (n,)."""
        return self.places if self.messages is None else self.messages[self.places]

    @property
    def row_of(self) -> NDArray[np.int32]:
        """The place of each usable event in its message, shape (n,)."""
        if self.rows is None:
            return np.zeros(len(self.places), dtype=np.int32)
        return self.rows[self.places]

    def kept(self, is_kept: NDArray[np.bool_], unusable: Unusable) -> ReadEvents:
        """Return the chosen ones of the usable events, and other errors.

        Parameters
        ----------
        is_kept : ndarray of bool, shape (n,)
        unusable : dict of int to UnusableEventError
        """
        pairs = zip(self.event_ids, is_kept.tolist(), strict=True)
        return replace(
            self,
            places=self.places[is_kept],
            event_ids=[event_id for event_id, is_one in pairs if is_one],
            x=self.x[is_kept],
            unusable=unusable,
            parts=None if self.parts is None else self.parts[is_kept],
        )

    def of_messages(self, is_kept: NDArray[np.bool_]) -> ReadEvents:
        """Return what was read of some messages, which are numbered anew.

        Parameters
        ----------
        is_kept : ndarray of bool, shape (n_messages,)
        """
        number_of = np.cumsum(is_kept) - 1
        is_row = is_kept if self.messages is None else is_kept[self.messages]
        row_of = np.cumsum(is_row) - 1
        read = self.kept(is_row[self.places], self.unusable)
        kept = {row: error for row, error in self.unusable.items() if is_row[row]}
        return replace(
            read,
            places=row_of[read.places],
            unusable={int(row_of[row]): error for row, error in kept.items()},
            messages=None if self.messages is None else number_of[self.messages[is_row]],
            rows=None if self.rows is None else self.rows[is_row],
        )

    def where(self, row: int) -> tuple[int, int]:
        """Return the message of a row, and its place in it."""
        if self.messages is None:
            return row, 0
        return int(self.messages[row]), 0 if self.rows is None else int(self.rows[row])


def joined_reads(
    reads: Sequence[ReadEvents], messages: Sequence[NDArray[np.intp]], n: int
) -> ReadEvents:
    """Put what was read of some of ``n`` messages at a time together, without the floats.

    Parameters
    ----------
    reads : sequence of ReadEvents
        Together of all messages.
    messages : sequence of ndarray of intp
        For each of ``reads`` the numbers that its messages have among all.
    n : int

    Returns
    -------
    ReadEvents
        Events are in the order of ``reads``, and so have to be sorted by ``places``; ``x`` has no
        columns.
    """
    firsts, all_messages, all_rows = None, None, None
    if any(read.messages is not None for read in reads):
        counts = np.ones(n, dtype=np.intp)
        for read, own in zip(reads, messages, strict=True):
            if read.messages is not None:
                counts[own] = np.bincount(read.messages, minlength=len(own))
        firsts = np.concatenate([[0], np.cumsum(counts)])
        all_messages = np.repeat(np.arange(n, dtype=np.intp), counts)
        all_rows = (np.arange(len(all_messages)) - firsts[all_messages]).astype(np.int32)
    places, unusable = [np.empty(0, dtype=np.intp)], dict[int, UnusableEventError]()
    for read, own in zip(reads, messages, strict=True):
        mine = own[read.message_of]
        places.append(mine if firsts is None else firsts[mine] + read.row_of)
        for row, error in read.unusable.items():
            message, place = read.where(row)
            first = int(own[message])
            unusable[first if firsts is None else int(firsts[first]) + place] = error
    n_events = sum(len(read.event_ids) for read in reads)
    return ReadEvents(
        np.concatenate(places),
        [event_id for read in reads for event_id in read.event_ids],
        np.empty((n_events, 0)),
        unusable,
        messages=all_messages,
        rows=all_rows,
        parts=_joined_parts(reads),
    )


def _joined_parts(reads: Sequence[ReadEvents]) -> NDArray[np.int8] | None:
    if all(read.parts is None for read in reads):
        return None
    return np.concatenate(
        [
            np.full(len(read.event_ids), WHOLE, dtype=np.int8) if read.parts is None else read.parts
            for read in reads
        ]
    )


class PayloadFormat(Protocol):
    """Reads the payloads of one format, for the models that share columns.

    It is made of a configuration: ``Format(config, read)``, where ``read`` are the columns that
    become floats, in their order. All columns are checked.
    """

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look single values up, by which a message finds its model and its time.

        Parameters
        ----------
        messages : Messages
        paths : sequence of Path

        Returns
        -------
        list of sequence
            For each path the value of each message: None where there is none, and an
            :class:`~flink_jobs.intake.unusable.UnusableEventError` where the message cannot be
            read.
        """
        ...

    def read(self, messages: Messages) -> ReadEvents:
        """Read the events of messages; each row is usable, or unusable with a reason.

        Numbers need not be finite yet: a layout checks them.
        """
        ...


@runtime_checkable
class LocatingFormat(PayloadFormat, Protocol):
    """A format that looks single values up in the pass in which it reads events."""

    def read_located(
        self, messages: Messages, paths: Sequence[Path]
    ) -> tuple[ReadEvents, list[Sequence[Any]]]:
        """Return what :meth:`read` and :meth:`values` return."""
        ...
