"""Reads recent blocks of state versions 1 and 2."""

from __future__ import annotations

import zlib
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from flink_jobs.core.incidents.incident import Incident
from flink_jobs.core.state.segments import Segment, make_segment
from flink_jobs.core.state.state import RecentBlock, Status, Watch
from flink_jobs.intake.panes import EventColumns
from flink_jobs.records.alerts import MAIN_DETECTOR, Severity


class _StatusV2(Struct):
    detector_fingerprint: str
    phase: Literal["collecting", "monitoring"] = "collecting"
    reference_fingerprint: str = ""
    n_reference: int = 0
    last_pane_start_ms: int | None = None
    closed_until: int = 0
    n_monitored: int = 0
    incident: Incident = msgspec.field(default_factory=Incident)


class _CoordinatesV2(Struct, array_like=True):
    """Offsets and times as successive differences."""

    event_ids: list[str]
    partitions: bytes
    offsets: bytes
    times_ms: bytes


class _SegmentV2(Struct, array_like=True):
    start_ms: int
    first_event: int
    n_seen: int
    n_columns: int
    x_bytes: bytes
    coordinates_bytes: bytes


class _RecentBlockV2(Struct):
    """Version 1 has the same form and held no alert back."""

    status: _StatusV2
    segments: list[_SegmentV2]
    version: int


_decoder = msgspec.msgpack.Decoder(_RecentBlockV2)
_coordinates_decoder = msgspec.msgpack.Decoder(_CoordinatesV2)


def read_v2(data: bytes) -> RecentBlock:
    """The block as it is today: one detector was all there was.

    Raises
    ------
    msgspec.DecodeError
        When the bytes are no such block.
    """
    old = _decoder.decode(data)
    status = old.status
    if old.version == 1:
        # The alert that started an open incident was written.
        status.incident.told = Severity.WARNING if status.incident.incident_id else None
    is_monitoring = status.phase == "monitoring"
    segments = [_segment(segment) for segment in old.segments]
    watch = Watch(MAIN_DETECTOR, closed_until=status.closed_until, incident=status.incident)
    return RecentBlock(
        status=Status(
            detector_fingerprint=status.detector_fingerprint,
            phase=status.phase,
            reference_fingerprint=status.reference_fingerprint,
            n_reference=status.n_reference,
            last_pane_start_ms=status.last_pane_start_ms,
            n_monitored=status.n_monitored,
            n_collected=0 if is_monitoring else sum(len(s) for s in segments),
            reference_start_ms=None if is_monitoring else _first_start_ms(segments),
            watches=[watch] if is_monitoring else [],
        ),
        segments=segments,
    )


def _segment(old: _SegmentV2) -> Segment:
    coordinates = _coordinates_decoder.decode(zlib.decompress(old.coordinates_bytes))
    events = EventColumns(
        event_ids=coordinates.event_ids,
        partitions=np.frombuffer(coordinates.partitions, dtype=np.int32),
        offsets=np.cumsum(np.frombuffer(coordinates.offsets, dtype=np.int64)),
        times_ms=np.cumsum(np.frombuffer(coordinates.times_ms, dtype=np.int64)),
        x=np.frombuffer(old.x_bytes, dtype=np.float64).reshape(-1, old.n_columns),
    )
    return make_segment(old.start_ms, old.first_event, old.n_seen, events)


def _first_start_ms(segments: list[Segment]) -> int | None:
    return segments[0].start_ms if segments else None
