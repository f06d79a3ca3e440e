"""Batches that one process of a backtest decodes for all.

A batch becomes a shard, in which each process reads the rows of its own models. Who wrote it
removes it when all have taken it. Who has to wait for a shard of another process decodes one of its
own meanwhile.
"""

from __future__ import annotations

import mmap
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import parent_process
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.batches import Source
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.shards import Found, Head, read_shard, write_shard

MOST_AHEAD = 4
"""How many shards of a lane each process keeps on disk at most."""
_WAIT_S = 0.0005

Read = Callable[[int, int, int], Iterator[Found]]
"""Reads of a file, by its number, each ``step``-th stretch from ``first`` on."""


class _Place(NamedTuple):
    """A batch: its number in a stretch of a file."""

    file: int
    stretch: int = 0
    number: int = 0

    def after(self, head: Head, step: int = 1) -> _Place:
        """The next one, where each ``step``-th stretch is read."""
        if head.ends_stretch:
            return _Place(self.file, self.stretch + step)
        return self._replace(number=self.number + 1)


class Exchange:
    """Hands batches on to all processes, in one order that nothing but the history decides.

    Parameters
    ----------
    folder : Path
        For the processes of this backtest, and for no one else.
    part, n_parts : int
        One part alone writes nothing.

    Examples
    --------
    >>> def read(file, first, step):
    ...     stretches = range(first, 3, step)
    ...     return (Found(Head(more=b"%d" % n, ends_file=n == 2)) for n in stretches)
    >>> [found.head.more for found in Exchange().lane(["a"], read).batches(0)]
    [b'0', b'1', b'2']
    """

    def __init__(self, folder: Path = Path(), part: int = 0, n_parts: int = 1) -> None:
        self.folder = folder
        self.part = part
        self.n_parts = n_parts
        self._lanes: list[Lane] = []
        self._own: deque[tuple[int, Lane, Path]] = deque()
        self._n_taken = _counters(folder, n_parts) if n_parts > 1 else np.zeros(1, dtype=np.int64)

    def lane(self, files: Sequence[str], read: Read) -> Lane:
        """Open a sequence of files; all processes open the same ones in the same order.

        Parameters
        ----------
        files : sequence of str
            Their names, for messages.
        read : callable
        """
        lane = Lane(self, len(self._lanes), files, read)
        self._lanes.append(lane)
        return lane

    def decode_ahead(self) -> bool:
        """Decode a batch that is not needed yet; False if there is none, or no room."""
        return any(lane.decode_ahead() for lane in self._lanes)

    def take(self, lane: Lane, path: Path, *, is_own: bool) -> None:
        """Count a shard as taken, and remove those that all have taken."""
        self._n_taken[self.part] += 1
        if is_own:
            self._own.append((int(self._n_taken[self.part]), lane, path))
        self.remove_taken()

    def remove_taken(self) -> None:
        """Remove the own shards that all have taken."""
        least = int(self._n_taken.min())
        while self._own and self._own[0][0] <= least:
            _, lane, path = self._own.popleft()
            path.unlink()
            lane.n_kept -= 1


class Lane:
    """Files one after the other, of which each process decodes some stretches.

    Attributes
    ----------
    n_kept : int
        How many own shards lie on disk.
    """

    def __init__(self, exchange: Exchange, number: int, files: Sequence[str], read: Read) -> None:
        self._exchange = exchange
        self._number = number
        self._files = files
        self._read = read
        self._own = self._decoded()
        self._pending: deque[_Place] = deque()
        self.n_kept = 0

    def batches(self, file: int) -> Iterator[Found]:
        """All batches of a file, once those of the files before have been taken.

        Raises
        ------
        SourceError
            When the file cannot be read, or is not the same for all processes.
        BacktestError
            When a shard is damaged.
        """
        place = _Place(file)
        while True:
            found = self._take(place)
            if found.head.problem:
                raise SourceError(found.head.problem)
            yield found
            if found.head.ends_file:
                break
            place = place.after(found.head)

    def decode_ahead(self) -> bool:
        """Decode the next own batch for all; False if there is none, or no room."""
        if self.n_kept >= MOST_AHEAD:
            return False
        for place, found in self._own:
            write_shard(self._path(place), found)
            self._pending.append(place)
            self.n_kept += 1
            return True
        return False

    def _take(self, place: _Place) -> Found:
        exchange = self._exchange
        if exchange.n_parts == 1:
            for _, found in self._own:
                return found
            raise changed(self._files[place.file])
        # So that it is there when the others come to it.
        if not self._pending:
            self.decode_ahead()
        is_own = self._reader(place) == exchange.part
        if is_own:
            self._require(place)
        path = self._path(place)
        found = self._wait(path)
        exchange.take(self, path, is_own=is_own)
        if is_own and not self._pending:
            self.decode_ahead()
        return found

    def _require(self, place: _Place) -> None:
        """See to it that an own batch is decoded when it is its turn."""
        while not self._pending and not self.decode_ahead():
            if self.n_kept < MOST_AHEAD:
                # By another process there is a batch here, and by this one there is none.
                break
            self._pause()
        if not self._pending or self._pending.popleft() != place:
            raise changed(self._files[place.file])

    def _wait(self, path: Path) -> Found:
        """Wait for a shard.

        Raises
        ------
        SystemExit
            When the process that started this one has died.
        """
        while True:
            try:
                return read_shard(path)
            except FileNotFoundError:
                if not self._exchange.decode_ahead():
                    self._pause()

    def _pause(self) -> None:
        parent = parent_process()
        # Where another process fails, the parent ends this one.
        if parent is not None and not parent.is_alive():
            raise SystemExit(1)
        time.sleep(_WAIT_S)
        self._exchange.remove_taken()

    def _decoded(self) -> Iterator[tuple[_Place, Found]]:
        """Own batches of all files; what cannot be read is a problem of its place."""
        n_parts = self._exchange.n_parts
        for file in range(len(self._files)):
            # The first stretch of each goes to another process: files may have no more than one.
            place = _Place(file, (self._exchange.part - self._number - file) % n_parts)
            try:
                for found in self._read(file, place.stretch, n_parts):
                    yield place, found
                    place = place.after(found.head, n_parts)
            except SourceError as error:
                yield place, Found(Head(problem=str(error)))

    def _reader(self, place: _Place) -> int:
        return (self._number + place.file + place.stretch) % self._exchange.n_parts

    def _path(self, place: _Place) -> Path:
        name = "-".join(map(str, (self._number, *place)))
        return self._exchange.folder / f"shard-{name}.arrow"


def bytes_on_disk(source: Source, n_parts: int) -> int:
    """Return how much disk the shards of a history take at most, about, at a time."""
    return source.batch_bytes * MOST_AHEAD * n_parts if n_parts > 1 else 0


def changed(file: str | Path) -> SourceError:
    """A file is not the same for all processes, or at all times."""
    return SourceError(f"{file} changed while it was read")


def _counters(folder: Path, n_parts: int) -> NDArray[np.int64]:
    """How many shards each process has taken: in memory that all share, written by one each."""
    handle = os.open(folder / "taken", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(handle, 8 * n_parts)
        return np.frombuffer(mmap.mmap(handle, 8 * n_parts), dtype=np.int64)
    finally:
        os.close(handle)
