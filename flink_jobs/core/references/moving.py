"""References that move with the stream: what they are made of and where they lie.

Event time is cut into *cells*: steps of a trailing reference, slots of a seasonal one. Each keeps a
sample of raw events. Which cells make the reference of a window depends on where the window starts
and on nothing else, so a replay finds the same.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.config.tables.references import MovingReference, Trailing
from flink_jobs.core.state.segments import Segment
from flink_jobs.core.state.state import (
    STATE_VERSION,
    MonitorState,
    StateVersionError,
    check_version,
)
from flink_jobs.records.alerts import ReferenceSummary


class Cell(Struct, array_like=True):
    """The raw events of one step or slot."""

    start_ms: int
    n_columns: int
    x_bytes: bytes

    def __len__(self) -> int:
        return len(self.x_bytes) // (8 * self.n_columns)


class History(Struct):
    """The complete cells of a model, oldest first."""

    fingerprint: str
    cells: list[Cell] = msgspec.field(default_factory=list)
    version: int = STATE_VERSION

    @classmethod
    def read(cls, state: MonitorState, fingerprint: str) -> History:
        """The history of a model; empty where another configuration wrote it.

        Raises
        ------
        StateVersionError
            When the bytes come from a version that this code does not read.
        """
        data = state.read_history()
        if data is None:
            return cls(fingerprint)
        try:
            history = _decoder.decode(data)
        except msgspec.DecodeError as error:
            raise StateVersionError(f"not a history block: {error}") from error
        check_version(history.version)
        return history if history.fingerprint == fingerprint else cls(fingerprint)

    def add(self, segment: Segment, cell_start_ms: int, keep_from_ms: int) -> None:
        """Add a complete cell and forget those that start before ``keep_from_ms``."""
        self.cells = [c for c in self.cells if c.start_ms >= keep_from_ms]
        self.cells.append(Cell(cell_start_ms, segment.n_columns, segment.x_bytes))

    def to_block(self) -> bytes:
        """The bytes kept in state."""
        return _encoder.encode(self)


class MovedReference(NamedTuple):
    """The reference of one window; too few events where ``x_ref`` is None."""

    summary: ReferenceSummary
    x_ref: NDArray[np.float64] | None


def cell_ms(reference: MovingReference) -> int:
    """The width of a cell."""
    return reference.step_ms if isinstance(reference, Trailing) else reference.slot_ms


def most_events_per_cell(reference: MovingReference) -> int:
    """How many events of a cell are kept."""
    if isinstance(reference, Trailing):
        return reference.max_events_per_step
    return reference.max_events_per_slot


def cell_starts(reference: MovingReference, window_start_ms: int) -> list[int]:
    """The cells that make the reference of a window, oldest first.

    Examples
    --------
    >>> cell_starts(Trailing(size_ms=20, gap_ms=10, step_ms=10), 105)
    [70, 80]
    """
    width_ms = cell_ms(reference)
    at_ms = window_start_ms - window_start_ms % width_ms
    if isinstance(reference, Trailing):
        end_ms = at_ms - reference.gap_ms
        return list(range(end_ms - reference.size_ms, end_ms, width_ms))
    return [at_ms - n * reference.period_ms for n in range(reference.n_periods, 0, -1)]


def moved_reference(
    reference: MovingReference, history: History, window_start_ms: int
) -> MovedReference:
    """The reference of a window that starts at ``window_start_ms``."""
    wanted = set(cell_starts(reference, window_start_ms))
    cells = [c for c in history.cells if c.start_ms in wanted]
    n_events = sum(len(c) for c in cells)
    if n_events < reference.min_events:
        return MovedReference(ReferenceSummary(n_events=n_events, fingerprint=""), None)
    digest = hashlib.sha256(b"".join(c.x_bytes for c in cells))
    summary = ReferenceSummary(
        n_events=n_events,
        fingerprint=digest.hexdigest()[:16],
        start_ms=cells[0].start_ms,
        end_ms=cells[-1].start_ms + cell_ms(reference),
    )
    rows = [np.frombuffer(c.x_bytes, dtype=np.float64).reshape(-1, c.n_columns) for c in cells]
    return MovedReference(summary, np.concatenate(rows))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(History)
