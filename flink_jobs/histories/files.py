"""Files that are read one after the other; what they hold is for their formats to say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from flink_jobs.histories.batches import Batch, EventTime, Names, Rows
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.exchange import Exchange, changed
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.histories.lines.chunks import too_long
from flink_jobs.histories.shards import Found

FileVersion = tuple[int, int, int]
"""Inode, bytes and time of a file: writing or replacing it changes one of them."""


class FilesInTurn(ABC):
    """A history of files.

    Parameters
    ----------
    files : InputFiles
    """

    def __init__(self, files: InputFiles) -> None:
        self._files = files
        self.sources = files.names
        self.name = self.sources[0]
        self.warnings: list[str] = []
        self.total = files.n_bytes

    @property
    @abstractmethod
    def decoded_bytes(self) -> int:
        """About how much disk all rows take at most when they are decoded."""

    @abstractmethod
    def _found(self, file: int, stretch: int) -> Iterator[Found]:
        """Read a stretch of a file; the first one holds at least one batch."""

    @abstractmethod
    def _rows(self, file: int, stretch: int, found: Found) -> Rows:
        """Return the contents of a batch."""

    def place(self, partition: int, offset: int) -> str:
        """File and row, counted from 1 without a header."""
        return f"{self.sources[partition]}:{offset + 1}"

    def batches(
        self, names: Names, horizon_ms: int, exchange: Exchange | None = None
    ) -> Iterator[Batch]:
        """All rows; empty lines are not rows."""
        exchange = exchange or Exchange()
        lane = exchange.lane(self.sources, self._with_version)
        time, done = EventTime(horizon_ms), 0
        for file, path in enumerate(self._files.paths):
            version, first, stretch = _version(path), 0, 0
            try:
                for found in lane.batches(file):
                    if exchange.n_parts > 1 and found.head.version != version:
                        raise changed(path)
                    if found.head.is_cut:
                        raise too_long(path, first + found.head.n_lines)
                    if found.arrays:
                        rows, n_read = self._rows(file, stretch, found), done + found.head.n_read
                        yield batch_of(found, rows, names, time, file, first, n_read)
                    first += found.head.n_lines
                    stretch += found.head.ends_stretch
            finally:
                self._close(file)
            done += version[1]

    def _close(self, file: int) -> None:  # noqa: B027 - most have nothing to close
        """Close a file from which all batches were handed on."""

    def _with_version(self, file: int, stretch: int) -> Iterator[Found]:
        for found in self._found(file, stretch):
            head = replace(found.head, version=_version(self._files.paths[file]))
            yield Found(head, found.arrays, found.table, found.lines)


def _version(path: Path) -> FileVersion:
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    return status.st_ino, status.st_size, status.st_mtime_ns


def batch_of(
    found: Found, rows: Rows, names: Names, time: EventTime, file: int, first: int, done: int
) -> Batch:
    """Give the models their numbers and the rows their place in event time."""
    head, arrays = found.head, found.arrays
    # One more, for what has no model: the number of that is -1.
    codes = np.array([*map(names.__getitem__, head.models), -1], dtype=np.int32)
    times_ms, offsets = arrays["times_ms"], arrays["offsets"]
    before = time.before(times_ms)
    return Batch(
        codes=codes[arrays["codes"]],
        times_ms=times_ms,
        partitions=np.full(len(offsets), file, dtype=np.int32),
        offsets=offsets + first if first else offsets,
        reached_ms=before,
        reached_after_ms=time.reached_ms,
        rows=rows,
        done=done,
        misplaced=[
            each._replace(code=int(codes[each.code]), offset=each.offset + first)
            for each in head.misplaced
        ],
        partition=file,
    )
