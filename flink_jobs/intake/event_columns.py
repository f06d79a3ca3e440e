"""Events as columns, and their order within a pane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.intake.formats.base import WHOLE
from flink_jobs.intake.texts import NO_TEXTS, Texts, in_order_of_appearance, joined


@dataclass(frozen=True, eq=False)
class EventColumns:
    """Events as columns, in (event time, event id, partition, offset, row) order within a pane.

    Attributes
    ----------
    event_ids : list of str
    partitions : ndarray of int32, shape (n,)
    offsets : ndarray of int64, shape (n,)
    rows : ndarray of int32, shape (n,)
        The row within the Kafka message, 0 where a message is one event.
    times_ms : ndarray of int64, shape (n,)
    x : ndarray of float64, shape (n, n_slots)
        The floats of the columns that views read, or what a reducer made of them. In the slot of a
        category lies the code of its text. NaN is missing.
    texts : mapping of int to sequence of str
        By the slot of each category: the text of each code.
    parts : ndarray of int8, shape (n,), optional
        Which parts each event has, as bits of :mod:`flink_jobs.intake.formats.base`; None where all
        are whole.
    """

    event_ids: list[str]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int32]
    times_ms: NDArray[np.int64]
    x: NDArray[np.float64]
    texts: Texts = field(default_factory=dict)
    parts: NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.event_ids)

    def take(self, rows: slice | NDArray[np.intp]) -> EventColumns:
        """The chosen events, in the order given; codes stay what they are."""
        ids = self.event_ids
        return EventColumns(
            event_ids=ids[rows] if isinstance(rows, slice) else [ids[i] for i in rows.tolist()],
            partitions=self.partitions[rows],
            offsets=self.offsets[rows],
            rows=self.rows[rows],
            times_ms=self.times_ms[rows],
            x=self.x[rows],
            texts=self.texts,
            parts=None if self.parts is None else self.parts[rows],
        )

    def with_x(self, x: NDArray[np.float64], texts: Texts = NO_TEXTS) -> EventColumns:
        """The same events with other numbers, of which ``texts`` says what are codes."""
        return replace(self, x=x, texts=texts)


def concatenate(parts: Sequence[EventColumns]) -> EventColumns:
    """Join columns of consecutive panes, whose texts get common codes; at least one part.

    Examples
    --------
    >>> one = np.zeros(1, dtype=np.int64)
    >>> def event(text):
    ...     rows = one.astype(np.int32)
    ...     return EventColumns(["id"], rows, one, rows, one, np.zeros((1, 1)), {0: [text]})
    >>> both = concatenate([event("basic"), event("plus")])
    >>> both.x.tolist(), both.texts
    ([[0.0], [1.0]], {0: ['basic', 'plus']})
    """
    if len(parts) == 1:
        return parts[0]
    x, texts = joined([part.x for part in parts], [part.texts for part in parts])
    return EventColumns(
        event_ids=[event_id for part in parts for event_id in part.event_ids],
        partitions=np.concatenate([part.partitions for part in parts]),
        offsets=np.concatenate([part.offsets for part in parts]),
        rows=np.concatenate([part.rows for part in parts]),
        times_ms=np.concatenate([part.times_ms for part in parts]),
        x=x,
        texts=texts,
        parts=_joined_parts(parts),
    )


def _joined_parts(parts: Sequence[EventColumns]) -> NDArray[np.int8] | None:
    if all(part.parts is None for part in parts):
        return None
    whole = [np.full(len(part), WHOLE, dtype=np.int8) for part in parts]
    pairs = zip(parts, whole, strict=True)
    return np.concatenate([own if part.parts is None else part.parts for part, own in pairs])


class InOrder(NamedTuple):
    """Events in the order of a pane, and how many were left out because they came before."""

    events: EventColumns
    n_duplicates: int


def in_order(events: EventColumns) -> InOrder:
    """Sort events as those of a pane, and leave out those that come again.

    Of several events with one time, id and parts the one with the lowest (partition, offset, row)
    stays: the response to a request is not that request again.
    """
    times_ms, n_duplicates = events.times_ms, 0
    if not _ascend(times_ms):
        events, n_duplicates = _sorted_once(events)
    if events.texts:
        events = events.with_x(*in_order_of_appearance(events.x, events.texts))
    return InOrder(events, n_duplicates)


def _ascend(times_ms: NDArray[np.int64]) -> bool:
    # Slices and counts, here and below: ``np.diff`` takes 10 µs of a small pane.
    return not np.count_nonzero(times_ms[1:] <= times_ms[:-1])


def _sorted_once(events: EventColumns) -> InOrder:
    names = _names_with_parts(events)
    order = pane_order(events.times_ms, events.partitions, events.offsets, events.rows, names)
    times_ms = events.times_ms[order]
    again = [
        tie + 1
        for tie in (times_ms[1:] == times_ms[:-1]).nonzero()[0].tolist()
        if names[order[tie]] == names[order[tie + 1]]
    ]
    if again:
        order = np.delete(order, again)
    if again or np.count_nonzero(order[1:] - order[:-1] != 1):
        events = events.take(order)
    return InOrder(events, len(again))


def _names_with_parts(events: EventColumns) -> Sequence[Any]:
    """Return what tells events of one time apart."""
    if events.parts is None:
        return events.event_ids
    return list(zip(events.event_ids, events.parts.tolist(), strict=True))


def pane_order(
    times_ms: NDArray[np.int64],
    partitions: NDArray[np.integer[Any]],
    offsets: NDArray[np.int64],
    rows: NDArray[np.integer[Any]],
    event_ids: Sequence[Any],
) -> NDArray[np.intp]:
    """Sort events by event time, then by event id, partition, offset and row.

    Identifiers are compared only where times are equal.

    Examples
    --------
    >>> times_ms, zeros = np.array([7, 5, 5]), np.zeros(3, dtype=np.int64)
    >>> pane_order(times_ms, zeros, zeros, zeros, ["a", "c", "b"])
    array([2, 1, 0])
    """
    if _ascend(times_ms):
        return np.arange(len(times_ms), dtype=np.intp)
    keys = (rows, offsets, partitions, times_ms)
    order = np.asarray(np.lexsort(keys), dtype=np.intp)
    in_time = times_ms[order]
    edges = [0, *((in_time[1:] != in_time[:-1]).nonzero()[0] + 1).tolist(), len(order)]
    for start, end in pairwise(edges):
        if end - start > 1:
            order[start:end] = sorted(order[start:end].tolist(), key=event_ids.__getitem__)
    return order
