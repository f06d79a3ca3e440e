"""Chunks of JSON lines that one process decodes for all, and the messages in which it tells them.

A message is a file, which the process that wrote it removes when all others have read it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.histories.batches import Batch, Names
from flink_jobs.histories.lines.chunks import FileVersion
from flink_jobs.intake.formats.base import ReadEvents
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason


class UnusableLine(Struct, array_like=True, frozen=True):
    """A line without a usable event: its place among its like, and what its dead letter says.

    ``row`` is the place of the event in the line, where that holds several.
    """

    place: int
    row: int
    reason: Reason
    detail: str
    event_id: str | None

    @classmethod
    def of(cls, place: int, row: int, error: UnusableEventError) -> UnusableLine:
        """The line of an error."""
        return cls(place, row, error.reason, error.detail, error.event_id)

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
    """The floats of usable events that look alike: ``x`` is float64, shape (n, n_slots).

    ``texts`` says by slot what the codes of categories stand for.
    """

    n_slots: int
    x: bytes
    texts: dict[int, list[str]]

    @classmethod
    def of(cls, read: ReadEvents) -> UsableNumbers:
        """Those of events that were read."""
        texts = {slot: list(texts) for slot, texts in read.texts.items()}
        return cls(read.x.shape[1], read.x.tobytes(), texts)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The floats as an array."""
        return np.frombuffer(self.x).reshape(-1, self.n_slots)


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
        int32: the rows of ``event_ids`` and of the numbers; events of one row lie side by side.
    row_in : bytes
        int32: the place of each of these events in its line; nothing where a line is one event.
    n_rows : bytes
        int32: how many events each row holds; nothing where a line is one event.
    parts : bytes
        int8: which parts each usable event has; nothing where all are whole.
    event_ids : list of str
    has_later_names : bool
        Whether some events are called by their lines.
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
    row_in: bytes
    n_rows: bytes
    parts: bytes
    event_ids: list[str]
    has_later_names: bool
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
    row_in=b"",
    n_rows=b"",
    parts=b"",
    event_ids=[],
    has_later_names=False,
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


_WAIT_S = 0.0005
_COUNT_BYTES = 8


class Place(NamedTuple):
    """A chunk of a file of the history."""

    file: int
    chunk: int


class Exchange:
    """Publishes and takes messages of chunks, in files.

    All processes take all messages, in one order, which nothing but the history decides.

    Parameters
    ----------
    folder : Path
        For all processes of the backtest, and for no one else.
    part, n_parts : int

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> first, second = (Exchange(folder, part, 2) for part in range(2))
    >>> second.publish(Place(0, 1), b"found")
    >>> first.is_own(Place(0, 0)), first.is_own(Place(0, 1)), first.take(Place(0, 1))
    (True, False, b'found')
    """

    def __init__(self, folder: Path, part: int, n_parts: int) -> None:
        self._folder = folder
        self.part = part
        self.n_parts = n_parts
        self._n_taken = 0
        self._taken_by = {other: 0 for other in range(n_parts) if other != part}
        self._own: deque[tuple[int, Path]] = deque()

    def first_chunk(self, file: int) -> int:
        """The first of a file's chunks that this process reads; it reads each ``n_parts``-th."""
        return (self.part - file) % self.n_parts

    def is_own(self, place: Place) -> bool:
        """Say if this process reads the chunk for all."""
        return self._reader(place) == self.part

    def publish(self, place: Place, message: bytes) -> None:
        """Tell the others of an own chunk, and how many messages have been taken."""
        path = self._path(place)
        scratch = path.with_suffix(".new")
        scratch.write_bytes(self._n_taken.to_bytes(_COUNT_BYTES) + message)
        scratch.rename(path)

    def take_own(self, place: Place) -> None:
        """It is the turn of an own chunk, of which this process knows all."""
        self._own.append((self._n_taken, self._path(place)))
        self._n_taken += 1

    def take(self, place: Place) -> bytes:
        """Wait for what another process has to tell of a chunk.

        Raises
        ------
        SystemExit
            When the process that started this one has died.
        """
        data = self._wait(self._path(place))
        self._n_taken += 1
        self._taken_by[self._reader(place)] = int.from_bytes(data[:_COUNT_BYTES])
        self._remove_taken()
        return data[_COUNT_BYTES:]

    def _reader(self, place: Place) -> int:
        # The first chunk of each file goes to another process: files may have no more than one.
        return (place.file + place.chunk) % self.n_parts

    def _path(self, place: Place) -> Path:
        return self._folder / f"chunk-{place.file}-{place.chunk}.found"

    def _remove_taken(self) -> None:
        """Remove what all others have taken."""
        least = min(self._taken_by.values())
        while self._own and self._own[0][0] < least:
            self._own.popleft()[1].unlink()

    def _wait(self, path: Path) -> bytes:
        parent = parent_process()
        while True:
            try:
                return path.read_bytes()
            except FileNotFoundError:
                # Where another process fails, the parent ends this one.
                if parent is not None and not parent.is_alive():
                    raise SystemExit(1) from None
                time.sleep(_WAIT_S)


@runtime_checkable
class SharedSource(Protocol):
    """A history that the processes of a backtest read for each other."""

    def shared_batches(self, names: Names, horizon_ms: int, exchange: Exchange) -> Iterator[Batch]:
        """All rows, in the same order in each process."""
        ...
