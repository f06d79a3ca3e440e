"""Panes: all events of one model in one short tumbling interval, packed into one bytes value.

Packing happens once per pane beside the window operator: events are decoded and validated, and the
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
from flink_jobs.intake.layouts import Layouts
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import DeadLetter, dead_letter

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


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_PackedPane)


@dataclass(frozen=True, eq=False)
class RawRecords:
    """Kafka records of one model, as columns."""

    model: str
    payloads: Sequence[bytes]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]


class PanePacker:
    """Turns the raw records of one pane into packed bytes.

    Parameters
    ----------
    config : DriftJobConfig
        What events must look like and which of their columns panes carry.
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
        read = self._layouts.of(model).decode(payloads)
        unusable = sorted(
            read.unusable.items(),
            key=lambda it: (times_ms[it[0]], partitions[it[0]], offsets[it[0]]),
        )
        places = read.places
        events, n_duplicates = in_order(
            EventColumns(
                event_ids=read.event_ids,
                partitions=partitions[places].astype(np.int32),
                offsets=offsets[places].astype(np.int64),
                rows=np.zeros(len(places), dtype=np.int32),
                times_ms=times_ms[places].astype(np.int64),
                x=read.x,
                texts=read.texts,
            )
        )
        start_ms = int(times_ms[0] - times_ms[0] % self._width_ms)
        letters = [self._dead_letter(records, row, error) for row, error in unusable]
        return pack_pane(
            Pane(model, start_ms, start_ms + self._width_ms, events, letters, n_duplicates)
        )

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
    )
    end_ms = packed.start_ms + width_ms
    return Pane(model, packed.start_ms, end_ms, events, packed.dead_letters, packed.n_duplicates)
