"""Files that overlap in time, read as if they had been merged into one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.batches import Batch, EventTime, Names, Source
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.merging.rows import MergedRows
from flink_jobs.times import FOREVER_MS, NEVER_MS

MOST_FILES = 500
"""All of them are open at a time."""


class MergedFiles:
    """Files merged by the event time that each has reached; of equals the first file comes first.

    Rows of one file keep their order. What is late is decided in the merged order.

    Parameters
    ----------
    files : sequence of Source
        One file each.

    Raises
    ------
    SourceError
        When there are too many.
    """

    def __init__(self, files: Sequence[Source]) -> None:
        if len(files) > MOST_FILES:
            raise SourceError(
                f"{len(files):,} files cannot be read side by side, which keeps all of them "
                f'open: merge them into at most {MOST_FILES}, or set columns.files = "in_turn" '
                "where each begins when the one before has ended"
            )
        self._files = files
        self.name = files[0].name
        self.sources = [file.sources[0] for file in files]
        self.warnings = [text for file in files for text in file.warnings]

    @property
    def total(self) -> int:
        """Bytes."""
        return sum(file.total for file in self._files)

    def place(self, partition: int, offset: int) -> str:
        """File and row."""
        return self._files[partition].place(0, offset)

    def batches(self, names: Names, horizon_ms: int) -> Iterator[Batch]:
        """All rows; those of a file that is ahead of the others wait."""
        time = EventTime(horizon_ms)
        lanes = [
            _Lane(number, file.batches(names, horizon_ms))
            for number, file in enumerate(self._files)
        ]
        while any(lane.is_open or lane.waiting for lane in lanes):
            # Up to here every file has shown all it has.
            until_ms = min((x.reached_ms for x in lanes if x.is_open), default=FOREVER_MS)
            slices = [each for lane in lanes for each in lane.release(until_ms)]
            if slices:
                yield _merged(slices, time, sum(lane.done for lane in lanes))
            for lane in lanes:
                if lane.is_open and lane.reached_ms <= until_ms and (batch := lane.read()):
                    yield _without_rows(batch, lane.number, time.reached_ms)


class _Slice(NamedTuple):
    """Some rows of a batch of one file; a row's rank is the event time reached with it."""

    number: int
    batch: Batch
    ranks: NDArray[np.int64]
    rows: NDArray[np.intp]

    def split(self, until_ms: int) -> tuple[_Slice, _Slice]:
        """The rows below a rank, and the others."""
        n = int(self.ranks.searchsorted(until_ms, side="left"))
        return (
            self._replace(ranks=self.ranks[:n], rows=self.rows[:n]),
            self._replace(ranks=self.ranks[n:], rows=self.rows[n:]),
        )


class _Lane:
    """Rows of one file that were read and not handed on."""

    def __init__(self, number: int, batches: Iterator[Batch]) -> None:
        self.number = number
        self.is_open = True
        self.reached_ms = NEVER_MS
        self.done = 0
        self.waiting: deque[_Slice] = deque()
        self._batches = batches

    def read(self) -> Batch | None:
        """Read on; the batch where it has rows without a place, which wait for nothing."""
        batch = next(self._batches, None)
        if batch is None:
            self.is_open = False
            return None
        self.done, self.reached_ms = batch.done, batch.reached_after_ms
        if len(batch.codes):
            # With a row is reached what has been reached before the next one.
            ranks = np.append(batch.reached_ms[1:], batch.reached_after_ms)
            rows = np.arange(len(ranks), dtype=np.intp)
            self.waiting.append(_Slice(self.number, batch, ranks, rows))
        return batch if batch.misplaced else None

    def release(self, until_ms: int) -> Iterator[_Slice]:
        """Hand on the rows with a rank below ``until_ms``."""
        while self.waiting and self.waiting[0].ranks[0] < until_ms:
            first, others = self.waiting.popleft().split(until_ms)
            if len(others.rows):
                self.waiting.appendleft(others)
            yield first


def _merged(slices: Sequence[_Slice], time: EventTime, done: int) -> Batch:
    ranks = np.concatenate([each.ranks for each in slices])
    which = np.repeat(np.arange(len(slices)), [len(each.rows) for each in slices])
    # Slices of one file follow each other, and rows of a slice are in order already.
    order = np.argsort(ranks, kind="stable")
    which, inner = which[order], np.concatenate([each.rows for each in slices])[order]

    def column(name: str) -> NDArray[np.int64]:
        values = [getattr(each.batch, name)[each.rows] for each in slices]
        return np.asarray(np.concatenate(values)[order])

    times_ms = column("times_ms")
    before = time.before(times_ms)
    return Batch(
        codes=column("codes").astype(np.int32),
        times_ms=times_ms,
        partitions=np.array([each.number for each in slices], dtype=np.int32)[which],
        offsets=column("offsets"),
        reached_ms=before,
        reached_after_ms=time.reached_ms,
        rows=MergedRows([each.batch.rows for each in slices], which, inner),
        done=done,
    )


def _without_rows(batch: Batch, number: int, reached_ms: int) -> Batch:
    """Only what is misplaced."""
    none = slice(0)
    return replace(
        batch,
        codes=batch.codes[none],
        times_ms=batch.times_ms[none],
        partitions=batch.partitions[none],
        offsets=batch.offsets[none],
        reached_ms=batch.reached_ms[none],
        reached_after_ms=reached_ms,
        partition=number,
    )
