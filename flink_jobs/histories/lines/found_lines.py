"""What there is to know of the lines of a chunk, whichever process has read them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.histories.lines.chunks import FileVersion
from flink_jobs.intake.formats.json import UnusableEventError
from flink_jobs.records.dead_letters import Reason


class UnusableLine(Struct, array_like=True, frozen=True):
    """A line without a usable event: its place among its like, and what its dead letter says."""

    place: int
    reason: Reason
    detail: str
    event_id: str | None

    @classmethod
    def of(cls, place: int, error: UnusableEventError) -> UnusableLine:
        """The line of an error."""
        return cls(place, error.reason, error.detail, error.event_id)

    @property
    def error(self) -> UnusableEventError:
        """As it was raised."""
        return UnusableEventError(self.reason, self.detail, self.event_id)


class UnplacedLine(Struct, array_like=True, frozen=True):
    """A line without a place in event time."""

    why: UnusableLine
    model: str | None
    line: bytes


class UsableNumbers(Struct, array_like=True, frozen=True):
    """The numbers of usable events that look alike: ``x`` is float64, shape (n, n_columns)."""

    n_columns: int
    x: bytes

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The numbers as an array."""
        return np.frombuffer(self.x).reshape(-1, self.n_columns)


class FoundLines(Struct, array_like=True, frozen=True, kw_only=True):
    """The lines of a chunk, decoded. Rows are the lines with a place in event time.

    Attributes
    ----------
    n_lines : int
    models : list of str or None
        Those of the rows, in the order in which they first appear.
    lines : bytes
        int32: which lines are rows.
    model_of : bytes
        int32: the place of each row's model in ``models``.
    times_ms, sizes : bytes
        int64: of each row; the size is that of the payload.
    usable : bytes
        int32: the rows of ``event_ids`` and of the numbers.
    event_ids : list of str
    numbers : list of UsableNumbers
        One after the other.
    unusable : list of UnusableLine
        By row.
    unplaced : list of UnplacedLine
        By line.
    """

    n_lines: int
    models: list[str | None]
    lines: bytes
    model_of: bytes
    times_ms: bytes
    sizes: bytes
    usable: bytes
    event_ids: list[str]
    numbers: list[UsableNumbers]
    unusable: list[UnusableLine]
    unplaced: list[UnplacedLine]


NOTHING = FoundLines(
    n_lines=0,
    models=[],
    lines=b"",
    model_of=b"",
    times_ms=b"",
    sizes=b"",
    usable=b"",
    event_ids=[],
    numbers=[],
    unusable=[],
    unplaced=[],
)


class FoundChunk(Struct, array_like=True, frozen=True, kw_only=True):
    """A chunk that one process has read, for all.

    Attributes
    ----------
    found : FoundLines
        Nothing when it could not be read.
    version : tuple of int
        Of the file.
    is_last : bool
        Whether no line of the file begins after it.
    is_cut : bool
        Whether the last line is too long.
    n_read : int
        How many bytes of the file have been read.
    problem : str
        Why the chunk could not be read.
    """

    found: FoundLines = NOTHING
    version: FileVersion | None = None
    is_last: bool = True
    is_cut: bool = False
    n_read: int = 0
    problem: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(FoundChunk)


def encode_chunk(chunk: FoundChunk) -> bytes:
    """For other processes."""
    return _encoder.encode(chunk)


def decode_chunk(data: bytes) -> FoundChunk:
    """From another process."""
    return _decoder.decode(data)


def integers(data: bytes, kind: Any) -> NDArray[Any]:
    """An array of those that a chunk holds."""
    return np.frombuffer(data, dtype=kind)
