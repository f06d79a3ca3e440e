"""The events of one pane as they lie in state."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.intake.event_columns import EventColumns


class Coordinates(Struct, array_like=True):
    """Who the events of a segment are; only needed when an alert names some of them."""

    event_ids: list[str]
    partitions: bytes
    offsets: bytes


class Segment(Struct, array_like=True):
    """The events of one pane, raw or reduced.

    They are raw while the reference is collected or moves along, and reduced afterwards. ``n_seen``
    counts the pane's usable events before sampling, ``first_event`` is the position of the first of
    them since the reference. ``failure`` says why they could not be reduced; their numbers are
    zeros then. Nothing is compressed: at level 1 zlib took 0.5 µs an event, as much
    as all else that happens to it between its pane and its test.
    """

    start_ms: int
    first_event: int
    n_seen: int
    n_columns: int
    x_bytes: bytes
    times_bytes: bytes
    coordinates_bytes: bytes
    failure: str = ""

    def __len__(self) -> int:
        return len(self.times_bytes) // 8

    @property
    def x(self) -> NDArray[np.float64]:
        """Shape (n, n_columns), read-only."""
        return np.frombuffer(self.x_bytes, dtype=np.float64).reshape(-1, self.n_columns)

    @property
    def times_ms(self) -> NDArray[np.int64]:
        """Shape (n,), read-only."""
        return np.frombuffer(self.times_bytes, dtype=np.int64)

    def columns(self) -> EventColumns:
        """The events with their identifiers and coordinates."""
        coordinates = _decoder.decode(self.coordinates_bytes)
        return EventColumns(
            event_ids=coordinates.event_ids,
            partitions=np.frombuffer(coordinates.partitions, dtype=np.int32),
            offsets=np.frombuffer(coordinates.offsets, dtype=np.int64),
            rows=np.zeros(len(self), dtype=np.int32),
            times_ms=self.times_ms,
            x=self.x,
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Coordinates)


def make_segment(
    start_ms: int, first_event: int, n_seen: int, events: EventColumns, failure: str = ""
) -> Segment:
    """Pack the events of a pane for the state."""
    coordinates = Coordinates(
        event_ids=events.event_ids,
        partitions=events.partitions.astype(np.int32).tobytes(),
        offsets=events.offsets.astype(np.int64).tobytes(),
    )
    return Segment(
        start_ms=start_ms,
        first_event=first_event,
        n_seen=n_seen,
        n_columns=events.x.shape[1],
        x_bytes=np.ascontiguousarray(events.x, dtype=np.float64).tobytes(),
        times_bytes=events.times_ms.astype(np.int64).tobytes(),
        coordinates_bytes=_encoder.encode(coordinates),
        failure=failure,
    )


def join_x(segments: Sequence[Segment]) -> NDArray[np.float64]:
    """The numbers of consecutive segments as one matrix; at least one segment."""
    return segments[0].x if len(segments) == 1 else np.concatenate([s.x for s in segments])
