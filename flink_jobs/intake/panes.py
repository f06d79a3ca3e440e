"""Panes: all events of one model in one short tumbling interval, packed into one bytes value.

Packing happens once per pane next to the window operator: events are decoded and validated, and the
columns that views read become one matrix. A category is the code of its text in the pane's own
dictionary, which follows the order in which texts first appear among the sorted events. Events are
sorted by (event time, event id, partition, offset, row), so that neither the order in which they
arrived nor their partition shows. An event whose time and id are those of another is counted and
left out: producers that try again send it twice. What cannot be used rides along as dead letters,
so that nothing is lost on the way to the monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.event_columns import EventColumns, in_order
from flink_jobs.intake.formats.base import Messages, ReadEvents
from flink_jobs.intake.layouts import Layouts
from flink_jobs.intake.refusals import refusal_of
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import DeadLetter, Reason, dead_letter

PANE_VERSION = 1


class PaneVersionError(ValueError):
    """A packed pane of a version that this code does not read."""


@dataclass(frozen=True, eq=False)
class Pane:
    """One pane of one model: usable events and dead letters of ``[start_ms, end_ms)``.

    ``n_duplicates`` events more had time and id of one of ``events``.
    """

    model: str
    start_ms: int
    end_ms: int
    events: EventColumns
    dead_letters: list[DeadLetter]
    n_duplicates: int = 0


class _PackedPane(Struct, array_like=True):
    version: int
    start_ms: int
    n_events: int
    n_slots: int
    event_ids: list[str]
    partitions: bytes
    offsets: bytes
    # Nothing where all are 0, as they are where a message is one event.
    rows: bytes
    times_ms: bytes
    x: bytes
    texts: dict[int, list[str]]
    dead_letters: list[DeadLetter]
    n_duplicates: int
    # Nothing where all events are whole.
    parts: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_PackedPane)


@dataclass(frozen=True, eq=False)
class RawRecords:
    """Kafka records of one model, as columns; see :class:`Messages` for ``record_parts``."""

    model: str
    payloads: Sequence[bytes]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    record_parts: Sequence[Sequence[str | None]] | None = None

    def names(self) -> list[str]:
        """Call each record after its place."""
        pairs = zip(self.partitions.tolist(), self.offsets.tolist(), strict=True)
        return [f"{partition}:{offset}" for partition, offset in pairs]


class PanePacker:
    """Turns the raw records of one pane into packed bytes.

    Parameters
    ----------
    config : DriftJobConfig
        What events must look like and which of their columns panes carry.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config
        self._width_ms = config.panes.width_ms
        self._most_events = config.panes.max_raw_events
        self._most_payload_bytes = config.input.dead_letter_payload_bytes
        self._layouts = Layouts(config)

    def pack(
        self,
        model: str,
        payloads: Sequence[bytes],
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
        times_ms: NDArray[np.int64],
        record_parts: Sequence[Sequence[str | None]] | None = None,
    ) -> bytes:
        """Decode, validate, sort and pack the records of one pane; each event is accounted for.

        Parameters
        ----------
        model : str
        payloads : sequence of bytes
        partitions : ndarray of int32, shape (n,)
        offsets, times_ms : ndarray of int64, shape (n,)
        record_parts : sequence of sequence of (str or None), optional
            Of each record what :func:`flink_jobs.config.locations.record_parts` lists; None where
            it lists nothing.
        """
        records = RawRecords(model, payloads, partitions, offsets, times_ms, record_parts)
        layout = self._layouts.of(model)
        read = layout.decode(Messages(payloads, records.names, record_parts))
        if read.messages is not None:
            # Messages were counted before they were read, each as one.
            is_beyond = np.arange(len(read.messages)) >= self._most_events
            read = without_rows(read, is_beyond, self._config)
        events, n_duplicates = in_order(events_at(read, partitions, offsets, times_ms))
        start_ms = int(times_ms[0] - times_ms[0] % self._width_ms)
        letters = self._dead_letters(records, read)
        return pack_pane(
            Pane(model, start_ms, start_ms + self._width_ms, events, letters, n_duplicates)
        )

    def _dead_letters(self, records: RawRecords, read: ReadEvents) -> list[DeadLetter]:
        placed = [(*read.where(row), error) for row, error in read.unusable.items()]
        placed.sort(
            key=lambda it: (
                records.times_ms[it[0]], records.partitions[it[0]], records.offsets[it[0]], it[1],
            )
        )  # fmt: skip
        return [
            dead_letter(
                error.reason,
                error.detail,
                model=records.model,
                partition=int(records.partitions[message]),
                offset=int(records.offsets[message]),
                row=row,
                event_time_ms=int(records.times_ms[message]),
                payload=records.payloads[message],
                most_payload_bytes=self._most_payload_bytes,
                event_id=error.event_id,
            )
            for message, row, error in placed
        ]


def without_rows(
    read: ReadEvents, is_refused: NDArray[np.bool_], config: DriftJobConfig
) -> ReadEvents:
    """Refuse events for which their open pane has no room.

    Parameters
    ----------
    read : ReadEvents
    is_refused : ndarray of bool, shape (n_rows,)
    config : DriftJobConfig
    """
    wrong = np.flatnonzero(is_refused[read.places])
    if not len(wrong):
        return read
    error = refusal_of(config, Reason.PANE_FULL)
    unusable = dict(read.unusable)
    for place in wrong.tolist():
        own = UnusableEventError(error.reason, error.detail, read.event_ids[place])
        unusable[int(read.places[place])] = own
    return read.kept(~is_refused[read.places], unusable)


def events_at(
    read: ReadEvents,
    partitions: NDArray[np.int32],
    offsets: NDArray[np.int64],
    times_ms: NDArray[np.int64],
) -> EventColumns:
    """Return usable events with the places and times of their messages.

    Parameters
    ----------
    read : ReadEvents
    partitions : ndarray of int32, shape (n_messages,)
    offsets, times_ms : ndarray of int64, shape (n_messages,)
    """
    messages = read.message_of
    return EventColumns(
        event_ids=read.event_ids,
        partitions=partitions[messages].astype(np.int32, copy=False),
        offsets=offsets[messages].astype(np.int64, copy=False),
        rows=read.row_of,
        times_ms=times_ms[messages].astype(np.int64, copy=False),
        x=read.x,
        texts=read.texts,
        parts=read.parts,
    )


def pack_pane(pane: Pane) -> bytes:
    """Pack a pane without the name of its model."""
    events = pane.events
    return _encoder.encode(
        _PackedPane(
            version=PANE_VERSION,
            start_ms=pane.start_ms,
            n_events=len(events),
            n_slots=events.x.shape[1],
            event_ids=events.event_ids,
            partitions=events.partitions.tobytes(),
            offsets=events.offsets.tobytes(),
            rows=events.rows.tobytes() if events.rows.any() else b"",
            times_ms=events.times_ms.tobytes(),
            x=events.x.tobytes(),
            texts={slot: list(texts) for slot, texts in events.texts.items()},
            dead_letters=pane.dead_letters,
            n_duplicates=pane.n_duplicates,
            parts=b"" if events.parts is None else events.parts.tobytes(),
        )
    )


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
    n = packed.n_events
    rows = np.frombuffer(packed.rows, np.int32) if packed.rows else np.zeros(n, np.int32)
    events = EventColumns(
        event_ids=packed.event_ids,
        partitions=np.frombuffer(packed.partitions, dtype=np.int32),
        offsets=np.frombuffer(packed.offsets, dtype=np.int64),
        rows=rows,
        times_ms=np.frombuffer(packed.times_ms, dtype=np.int64),
        x=np.frombuffer(packed.x, dtype=np.float64).reshape(n, packed.n_slots),
        texts=packed.texts,
        parts=np.frombuffer(packed.parts, dtype=np.int8) if packed.parts else None,
    )
    end_ms = packed.start_ms + width_ms
    return Pane(model, packed.start_ms, end_ms, events, packed.dead_letters, packed.n_duplicates)
