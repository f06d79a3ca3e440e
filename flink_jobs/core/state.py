"""What the monitor remembers of one model, as own versioned bytes.

Two values per model: the *reference block*, written once per reference, and the *recent block*, the
panes that open test windows still need together with the status, written with every pane. The
status lies in the recent block because it changes exactly when the panes change: in PyFlink each
value that changed costs one blocking round trip of about 0.6 ms per key and bundle.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.alerts import Severity
from flink_jobs.panes import EventColumns

STATE_VERSION = 2
# Identifiers and coordinates repeat themselves: level 1 shrinks them fivefold at 0.1 ms a pane.
_ZLIB_LEVEL = 1


class StateVersionError(ValueError):
    """State bytes of a version that this code does not read."""


class MonitorState(Protocol):
    """The two stored values of one model; ``None`` means not there yet."""

    def read_reference(self) -> bytes | None:
        """The reference block."""
        ...

    def write_reference(self, block: bytes) -> None:
        """Replace the reference block."""
        ...

    def read_recent(self) -> bytes | None:
        """The recent block."""
        ...

    def write_recent(self, block: bytes) -> None:
        """Replace the recent block."""
        ...


class InMemoryState:
    """State for backtests and tests.

    Examples
    --------
    >>> state = InMemoryState()
    >>> state.write_recent(b"block")
    >>> state.read_recent(), state.read_reference()
    (b'block', None)
    """

    def __init__(self) -> None:
        self._reference: bytes | None = None
        self._recent: bytes | None = None

    def read_reference(self) -> bytes | None:
        """The reference block."""
        return self._reference

    def write_reference(self, block: bytes) -> None:
        """Replace the reference block."""
        self._reference = block

    def read_recent(self) -> bytes | None:
        """The recent block."""
        return self._recent

    def write_recent(self, block: bytes) -> None:
        """Replace the recent block."""
        self._recent = block


class Incident(Struct):
    """Where the alert lifecycle of a model stands.

    Its size is bounded: the policy allows at most 100 entries in each list.

    Attributes
    ----------
    incident_id : str
        Empty while no incident is open.
    n_drifting, n_normal : int
        Tested windows in a row, up to the last one, that drifted or count towards recovery.
    n_since_alert : int
        Drifting windows since the open incident last raised an alert.
    recent_drifts : int
        One bit for each tested window since the last recovery, the last window lowest; 64 at most.
    now_ms, unquiet_ms, raised_ms, recovered_ms : int or None
        Event time: how far tested windows have come; the last window that did not count towards
        recovery; the last alert the open incident raised; the last recovery.
    severity : Severity
        The highest of the open incident.
    told : Severity or None
        What the open incident's alerts on the topic say; None while it has written none.
    is_flapping : bool
        Whether the open incident stands for several.
    starts_ms, written_ms : list of int
        Event time of incidents that started, and of alerts that count for the maximum rate, as far
        back as the policy looks.
    n_suppressed : int
        Alerts held back since the last one that was written.
    """

    incident_id: str = ""
    n_drifting: int = 0
    n_normal: int = 0
    n_since_alert: int = 0
    recent_drifts: int = 0
    now_ms: int | None = None
    unquiet_ms: int | None = None
    raised_ms: int | None = None
    recovered_ms: int | None = None
    severity: Severity = Severity.WARNING
    told: Severity | None = None
    is_flapping: bool = False
    starts_ms: list[int] = msgspec.field(default_factory=list)
    written_ms: list[int] = msgspec.field(default_factory=list)
    n_suppressed: int = 0


class Status(Struct):
    """The small record that goes with the recent panes.

    Attributes
    ----------
    detector_fingerprint : str
        Digest of the configuration that this state depends on.
    phase : str
        ``collecting`` the reference, or ``monitoring``.
    reference_fingerprint, n_reference : str, int
        Digest and number of events of the reference; empty while collecting.
    last_pane_start_ms : int or None
        Start of the last pane seen: nothing at or before it may come again.
    closed_until : int
        Windows that end at or before it are closed: milliseconds for time windows, an event
        position for count windows.
    n_monitored : int
        Events seen since the reference, the position of the next event.
    """

    detector_fingerprint: str
    phase: Literal["collecting", "monitoring"] = "collecting"
    reference_fingerprint: str = ""
    n_reference: int = 0
    last_pane_start_ms: int | None = None
    closed_until: int = 0
    n_monitored: int = 0
    incident: Incident = msgspec.field(default_factory=Incident)


class Coordinates(Struct, array_like=True):
    """Who the events of a segment are; only needed when an alert names some of them."""

    event_ids: list[str]
    partitions: bytes
    offsets: bytes
    times_ms: bytes


class Segment(Struct, array_like=True):
    """The events of one pane, raw while the reference is collected and reduced afterwards.

    ``n_seen`` counts the pane's usable events before sampling, ``first_event`` is the position of
    the first of them since the reference.
    """

    start_ms: int
    first_event: int
    n_seen: int
    n_columns: int
    x_bytes: bytes
    coordinates_bytes: bytes

    def __len__(self) -> int:
        return len(self.x_bytes) // (8 * self.n_columns)

    @property
    def x(self) -> NDArray[np.float64]:
        """Shape (n, n_columns), read-only."""
        return np.frombuffer(self.x_bytes, dtype=np.float64).reshape(-1, self.n_columns)

    def columns(self) -> EventColumns:
        """The events with their identifiers and coordinates."""
        coordinates = _coordinates_decoder.decode(zlib.decompress(self.coordinates_bytes))
        return EventColumns(
            event_ids=coordinates.event_ids,
            partitions=np.frombuffer(coordinates.partitions, dtype=np.int32),
            offsets=np.cumsum(np.frombuffer(coordinates.offsets, dtype=np.int64)),
            times_ms=np.cumsum(np.frombuffer(coordinates.times_ms, dtype=np.int64)),
            x=self.x,
        )


class RecentBlock(Struct):
    """Status and recent panes of one model."""

    status: Status
    segments: list[Segment]
    version: int = STATE_VERSION


_encoder = msgspec.msgpack.Encoder()
_recent_decoder = msgspec.msgpack.Decoder(RecentBlock)
_coordinates_decoder = msgspec.msgpack.Decoder(Coordinates)


def make_segment(start_ms: int, first_event: int, n_seen: int, events: EventColumns) -> Segment:
    """Pack the events of a pane for the state."""
    coordinates = Coordinates(
        event_ids=events.event_ids,
        partitions=events.partitions.astype(np.int32).tobytes(),
        offsets=_differences(events.offsets),
        times_ms=_differences(events.times_ms),
    )
    return Segment(
        start_ms=start_ms,
        first_event=first_event,
        n_seen=n_seen,
        n_columns=events.x.shape[1],
        x_bytes=np.ascontiguousarray(events.x, dtype=np.float64).tobytes(),
        coordinates_bytes=zlib.compress(_encoder.encode(coordinates), _ZLIB_LEVEL),
    )


def join_x(segments: Sequence[Segment]) -> NDArray[np.float64]:
    """The numbers of consecutive segments as one matrix; at least one segment."""
    return segments[0].x if len(segments) == 1 else np.concatenate([s.x for s in segments])


def encode_recent(block: RecentBlock) -> bytes:
    """The bytes kept in state."""
    return _encoder.encode(block)


def decode_recent(data: bytes) -> RecentBlock:
    """Read a recent block.

    Raises
    ------
    StateVersionError
        When the bytes come from a version that this code does not read; it reads 1 and 2.
    """
    try:
        block = _recent_decoder.decode(data)
    except msgspec.DecodeError as error:
        raise StateVersionError(f"not a recent block: {error}") from error
    if block.version == 1:
        _bring_up_to_date(block)
    if block.version != STATE_VERSION:
        raise StateVersionError(f"state version {block.version}, expected {STATE_VERSION}")
    return block


def _bring_up_to_date(block: RecentBlock) -> None:
    """Version 1 held nothing back, so the alert that started an open incident was written."""
    incident = block.status.incident
    incident.told = Severity.WARNING if incident.incident_id else None
    block.version = STATE_VERSION


def _differences(values: NDArray[np.int64]) -> bytes:
    """Successive differences, which compress to almost nothing for steady streams."""
    return np.diff(values.astype(np.int64), prepend=np.int64(0)).tobytes()
