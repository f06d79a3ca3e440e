"""What the processes of a backtest tell each other of the chunks that each has read for all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from multiprocessing import parent_process
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from flink_jobs.histories.batches import Batch, Names

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
        """Whether this process reads the chunk for all."""
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
