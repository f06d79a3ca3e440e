"""Batches that one process of a backtest decodes for all.

A batch becomes a shard, in which each process reads the rows of its own models. Who misses a shard
decodes the next stretch of the history that nobody has claimed, and removes its shards when all
have taken them. So a process that has little to do for some time decodes for those that have much,
and goes on.
"""

from __future__ import annotations

import mmap
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from multiprocessing import parent_process
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.batches import Source
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.shards import Found, Head, read_shard, write_shard

MOST_BYTES = 512 << 20
"""How much of its shards a process keeps on disk at most, besides one of each lane."""
# So that a file without stretches is not decoded far ahead before anything is monitored.
_BYTES_AT_ONCE = 64 << 20
_WAIT_S = 0.0005

Read = Callable[[int, int], Iterator[Found]]
"""Reads a stretch of a file, by the numbers of both; nothing where the file is shorter."""


class _Place(NamedTuple):
    """A batch: its number in a stretch of a file."""

    file: int
    stretch: int = 0
    number: int = 0

    def after(self, head: Head) -> _Place:
        """The next one in the file."""
        if head.ends_stretch:
            return _Place(self.file, self.stretch + 1)
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
    >>> def read(file, stretch):
    ...     yield Found(Head(more=b"%d" % stretch, ends_file=stretch == 2))
    >>> [found.head.more for found in Exchange().lane(["a"], read).batches(0)]
    [b'0', b'1', b'2']
    """

    def __init__(self, folder: Path = Path(), part: int = 0, n_parts: int = 1) -> None:
        self.folder = folder
        self.part = part
        self.n_parts = n_parts
        self.n_bytes = 0
        self._n_lanes = 0
        self._own: deque[tuple[int, Lane, Path, int]] = deque()
        self._n_taken = _counters(folder, n_parts) if n_parts > 1 else np.zeros(1, dtype=np.int64)

    def lane(self, files: Sequence[str], read: Read, *, is_divided: bool = True) -> Lane:
        """Open a sequence of files; all processes open the same ones in the same order.

        Parameters
        ----------
        files : sequence of str
            Their names, for messages.
        read : callable
        is_divided : bool
            Whether any process may read any stretch; otherwise the first lane is the first's, and
            so on.
        """
        number, self._n_lanes = self._n_lanes, self._n_lanes + 1
        return Lane(self, number, files, read, is_divided=is_divided)

    def take(self, lane: Lane, path: Path, n_bytes: int) -> None:
        """Count a shard as taken, and remove those that all have taken; others' have no bytes."""
        self._n_taken[self.part] += 1
        if n_bytes:
            self._own.append((int(self._n_taken[self.part]), lane, path, n_bytes))
        self.remove_taken()

    def remove_taken(self) -> None:
        """Remove the own shards that all have taken."""
        least = int(self._n_taken.min())
        while self._own and self._own[0][0] <= least:
            _, lane, path, n_bytes = self._own.popleft()
            path.unlink()
            self.n_bytes -= n_bytes
            lane.n_kept -= 1


class Lane:
    """Files one after the other.

    Attributes
    ----------
    n_kept : int
        How many own shards lie on disk.
    """

    def __init__(
        self, exchange: Exchange, number: int, files: Sequence[str], read: Read, *, is_divided: bool
    ) -> None:
        self._exchange = exchange
        self._number = number
        self._files = files
        self._read = read
        self._is_divided = is_divided
        self._unclaimed = _Place(0)
        self._claimed: Iterator[tuple[_Place, Found]] | None = None
        self._own: dict[Path, int] = {}
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
        place, alone = _Place(file), self._alone(file)
        while True:
            found = next(alone) if self._exchange.n_parts == 1 else self._take(place)
            if found.head.problem:
                raise SourceError(found.head.problem)
            yield found
            if found.head.ends_file:
                break
            place = place.after(found.head)

    def _alone(self, file: int) -> Iterator[Found]:
        for stretch in count():
            for _, found in self._decoded(_Place(file, stretch)):
                yield found

    def _take(self, place: _Place) -> Found:
        """Take a shard, and decode what comes next where it is not there yet.

        Raises
        ------
        SystemExit
            When the process that started this one has died.
        """
        # All before it has been claimed.
        self._unclaimed = max(self._unclaimed, place._replace(number=0))
        path = self._path(place)
        while not path.exists():
            if not self._decode():
                self._pause()
        found = read_shard(path)
        self._exchange.take(self, path, self._own.pop(path, 0))
        return found

    def _decode(self) -> bool:
        """Decode a stretch for all, as far as there is room; False if there is none."""
        if not self._has_room or (self._claimed is None and not self._claim()):
            return False
        assert self._claimed is not None  # noqa: S101 - just claimed
        before = self._exchange.n_bytes
        for place, found in self._claimed:
            path = self._path(place)
            write_shard(path, found)
            if not found.head.problem:
                self._own[path] = path.stat().st_size
                self._exchange.n_bytes += self._own[path]
                self.n_kept += 1
            if not self._has_room or self._exchange.n_bytes - before > _BYTES_AT_ONCE:
                return True
        self._claimed = None
        return True

    @property
    def _has_room(self) -> bool:
        return self._exchange.n_bytes < MOST_BYTES or not self.n_kept

    def _claim(self) -> bool:
        """Claim the next stretch that is nobody's; False if there is none for this process."""
        exchange = self._exchange
        if not self._is_divided and self._number % exchange.n_parts != exchange.part:
            return False
        while self._unclaimed.file < len(self._files):
            place = self._unclaimed
            self._unclaimed = _Place(place.file, place.stretch + 1)
            try:
                self._path(place).with_suffix(".claim").touch(exist_ok=False)
            except FileExistsError:
                continue
            self._claimed = self._decoded(place)
            return True
        return False

    def _decoded(self, place: _Place) -> Iterator[tuple[_Place, Found]]:
        """The batches of a stretch; what cannot be read is a problem of its place."""
        next_file, has_any = _Place(place.file + 1), False
        try:
            for found in self._read(place.file, place.stretch):
                has_any = True
                if found.head.ends_file:
                    self._unclaimed = max(self._unclaimed, next_file)
                yield place, found
                place = place.after(found.head)
        except SourceError as error:
            has_any = True
            yield place, Found(Head(problem=str(error)))
        if not has_any:
            # Nobody comes here unless the file was longer for another process.
            self._unclaimed = max(self._unclaimed, next_file)
            yield place, Found(Head(problem=str(changed(self._files[place.file]))))

    def _pause(self) -> None:
        parent = parent_process()
        # Where another process fails, the parent ends this one.
        if parent is not None and not parent.is_alive():
            raise SystemExit(1)
        time.sleep(_WAIT_S)
        self._exchange.remove_taken()

    def _path(self, place: _Place) -> Path:
        name = "-".join(map(str, (self._number, *place)))
        return self._exchange.folder / f"shard-{name}.arrow"


def bytes_on_disk(source: Source, n_parts: int) -> int:
    """Return how much disk the shards of a history take at most, about, at a time."""
    return min(MOST_BYTES * n_parts, source.decoded_bytes) if n_parts > 1 else 0


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
