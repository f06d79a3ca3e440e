"""Panes: all events of one model in one short tumbling interval, packed into one bytes value.

Packing happens once per pane beside the window operator: events are decoded and validated, and the
numbers that the reducer reads become one matrix. Events are sorted by (event time, event id,
partition, offset), so that neither the order in which they arrived nor their partition shows.
What cannot be used rides along as dead letters, so that nothing is lost on the way to the monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.formats.json import UnusableEventError
from flink_jobs.intake.layouts import Layouts
from flink_jobs.records.dead_letters import DeadLetter, dead_letter

PANE_VERSION = 1


class PaneVersionError(ValueError):
    """A packed pane of a version that this code does not read."""


@dataclass(frozen=True, eq=False)
class EventColumns:
    """Events as columns, in (event time, event id, partition, offset) order within a pane.

    Attributes
    ----------
    event_ids : list of str
    partitions : ndarray of int32, shape (n,)
    offsets : ndarray of int64, shape (n,)
    times_ms : ndarray of int64, shape (n,)
    x : ndarray of float64, shape (n, n_columns)
        The numbers that the reducer reads, or what it made of them.
    """

    event_ids: list[str]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    x: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.event_ids)

    def take(self, rows: slice | NDArray[np.intp]) -> EventColumns:
        """The chosen rows, in the order given."""
        ids = self.event_ids
        return EventColumns(
            event_ids=ids[rows] if isinstance(rows, slice) else [ids[i] for i in rows.tolist()],
            partitions=self.partitions[rows],
            offsets=self.offsets[rows],
            times_ms=self.times_ms[rows],
            x=self.x[rows],
        )

    def with_x(self, x: NDArray[np.float64]) -> EventColumns:
        """The same events with other numbers."""
        return EventColumns(self.event_ids, self.partitions, self.offsets, self.times_ms, x)


def concatenate(parts: Sequence[EventColumns]) -> EventColumns:
    """Join columns of consecutive panes; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return EventColumns(
        event_ids=[event_id for part in parts for event_id in part.event_ids],
        partitions=np.concatenate([part.partitions for part in parts]),
        offsets=np.concatenate([part.offsets for part in parts]),
        times_ms=np.concatenate([part.times_ms for part in parts]),
        x=np.concatenate([part.x for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class Pane:
    """One pane of one model: usable events and dead letters of ``[start_ms, end_ms)``."""

    model: str
    start_ms: int
    end_ms: int
    events: EventColumns
    dead_letters: list[DeadLetter]


class _PackedPane(Struct, array_like=True):
    version: int
    start_ms: int
    n_events: int
    n_columns: int
    event_ids: list[str]
    partitions: bytes
    offsets: bytes
    times_ms: bytes
    x: bytes
    dead_letters: list[DeadLetter]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_PackedPane)


class PanePacker:
    """Turns the raw records of one pane into packed bytes.

    Parameters
    ----------
    config : DriftJobConfig
        What events must look like and which of their numbers the reducer reads.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._width_ms = config.panes.width_ms
        self._most_payload_bytes = config.input.dead_letter_payload_bytes
        self._layouts = Layouts(config)

    def pack(
        self,
        model: str,
        payloads: Sequence[bytes],
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
        times_ms: NDArray[np.int64],
    ) -> bytes:
        """Decode, validate, sort and pack the records of one pane; each is accounted for."""
        records = RawRecords(model, payloads, partitions, offsets, times_ms)
        layout = self._layouts.of(model)
        read = layout.decode(payloads)
        unusable = sorted(
            read.unusable.items(),
            key=lambda it: (times_ms[it[0]], partitions[it[0]], offsets[it[0]]),
        )
        dead_letters = [self._dead_letter(records, row, error) for row, error in unusable]
        rows = read.places
        order = pane_order(times_ms[rows], partitions[rows], offsets[rows], read.event_ids)
        kept_rows = rows[order]
        packed = _PackedPane(
            version=PANE_VERSION,
            start_ms=int(times_ms[0] - times_ms[0] % self._width_ms),
            n_events=len(kept_rows),
            n_columns=layout.n_columns,
            event_ids=[read.event_ids[place] for place in order.tolist()],
            partitions=partitions[kept_rows].astype(np.int32).tobytes(),
            offsets=offsets[kept_rows].astype(np.int64).tobytes(),
            times_ms=times_ms[kept_rows].astype(np.int64).tobytes(),
            x=read.x[order].tobytes(),
            dead_letters=dead_letters,
        )
        return _encoder.encode(packed)

    def _dead_letter(self, records: RawRecords, row: int, error: UnusableEventError) -> DeadLetter:
        return dead_letter(
            error.reason,
            error.detail,
            model=records.model,
            partition=int(records.partitions[row]),
            offset=int(records.offsets[row]),
            event_time_ms=int(records.times_ms[row]),
            payload=records.payloads[row],
            most_payload_bytes=self._most_payload_bytes,
            event_id=error.event_id,
        )


@dataclass(frozen=True, eq=False)
class RawRecords:
    """Kafka records of one model, as columns."""

    model: str
    payloads: Sequence[bytes]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]


def pane_order(
    times_ms: NDArray[np.int64],
    partitions: NDArray[np.integer[Any]],
    offsets: NDArray[np.int64],
    event_ids: Sequence[str],
) -> NDArray[np.intp]:
    """Sort events by event time, then by event id, partition and offset.

    Identifiers are compared only where times are equal.

    Examples
    --------
    >>> times_ms, zeros = np.array([7, 5, 5]), np.zeros(3, dtype=np.int64)
    >>> pane_order(times_ms, zeros, zeros, ["a", "c", "b"])
    array([2, 1, 0])
    """
    order = np.asarray(np.lexsort((offsets, partitions, times_ms)), dtype=np.intp)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(times_ms[order])) + 1, [len(order)]])
    ties = np.flatnonzero(np.diff(edges) > 1)
    for start, end in zip(edges[ties].tolist(), edges[ties + 1].tolist(), strict=True):
        order[start:end] = sorted(order[start:end].tolist(), key=event_ids.__getitem__)
    return order


def unpack_pane(model: str, width_ms: int, data: bytes | memoryview) -> Pane:
    """Read a packed pane without copying its numbers.

    Raises
    ------
    PaneVersionError
        When the bytes come from another version of the packer.
    """
    try:
        packed = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise PaneVersionError(f"not a packed pane: {error}") from error
    if packed.version != PANE_VERSION:
        raise PaneVersionError(f"pane version {packed.version}, expected {PANE_VERSION}")
    events = EventColumns(
        event_ids=packed.event_ids,
        partitions=np.frombuffer(packed.partitions, dtype=np.int32),
        offsets=np.frombuffer(packed.offsets, dtype=np.int64),
        times_ms=np.frombuffer(packed.times_ms, dtype=np.int64),
        x=np.frombuffer(packed.x, dtype=np.float64).reshape(packed.n_events, packed.n_columns),
    )
    return Pane(model, packed.start_ms, packed.start_ms + width_ms, events, packed.dead_letters)
