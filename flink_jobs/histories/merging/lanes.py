"""Files or partitions that lie side by side in time, merged by the event time each has reached."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.batches import Batch, EventTime
from flink_jobs.histories.merging.rows import MergedRows
from flink_jobs.times import FOREVER_MS, NEVER_MS


def merged(
    sources: Sequence[tuple[int, Iterator[Batch]]], as_one: EventTime | None = None
) -> Iterator[Batch]:
    """All rows, by rank; of equals the first source comes first.

    Rows of one source keep their order, and those of one that is ahead of the others wait.

    Parameters
    ----------
    sources : sequence of (int, iterator of Batch)
        Each with the number of its partition.
    as_one : EventTime, optional
        Tells time as that of one file. Without it, it is that of the source furthest behind, as in
        the job; one that has shown all it has holds nothing back.
    """
    if len(sources) == 1:
        yield from sources[0][1]
        return
    lanes = [_Lane(place, *source) for place, source in enumerate(sources)]
    reached_ms = NEVER_MS
    while any(lane.is_open or lane.waiting for lane in lanes):
        # Up to here every lane has shown all it has.
        until_ms = min((lane.reached_ms for lane in lanes if lane.is_open), default=FOREVER_MS)
        slices = [each for lane in lanes for each in lane.release(until_ms)]
        if slices:
            batch = _merged(slices, lanes, as_one)
            reached_ms = batch.reached_after_ms
            yield batch
        for lane in lanes:
            if lane.is_open and lane.reached_ms <= until_ms and (odd := lane.read()):
                yield _without_rows(odd, lane.number, reached_ms)


class _Slice(NamedTuple):
    """Some rows of a batch of one lane, and their ranks."""

    place: int
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
    """Rows of one source that were read and not handed on."""

    def __init__(self, place: int, number: int, batches: Iterator[Batch]) -> None:
        self._place = place
        self.number = number
        self.is_open = True
        self.reached_ms = self.released_ms = NEVER_MS
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
            self.waiting.append(_Slice(self._place, batch, ranks, rows))
        return batch if batch.misplaced else None

    def release(self, until_ms: int) -> Iterator[_Slice]:
        """Hand on the rows with a rank below ``until_ms``."""
        while self.waiting and self.waiting[0].ranks[0] < until_ms:
            first, others = self.waiting.popleft().split(until_ms)
            if len(others.rows):
                self.waiting.appendleft(others)
            yield first


def _merged(slices: Sequence[_Slice], lanes: Sequence[_Lane], as_one: EventTime | None) -> Batch:
    ranks = np.concatenate([each.ranks for each in slices])
    which = np.repeat(np.arange(len(slices)), [len(each.rows) for each in slices])
    # Slices of one lane follow each other, and rows of a slice are in order already.
    order = np.argsort(ranks, kind="stable")
    which, inner = which[order], np.concatenate([each.rows for each in slices])[order]

    def column(name: str) -> NDArray[np.int64]:
        values = [getattr(each.batch, name)[each.rows] for each in slices]
        return np.asarray(np.concatenate(values)[order])

    times_ms, places = column("times_ms"), np.array([each.place for each in slices])[which]
    if as_one is None:
        reached = _reached(lanes, ranks[order], places)
    else:
        reached = np.append(as_one.before(times_ms), as_one.reached_ms)
    return Batch(
        codes=column("codes").astype(np.int32),
        times_ms=times_ms,
        partitions=np.array([lane.number for lane in lanes], dtype=np.int32)[places],
        offsets=column("offsets"),
        reached_ms=reached[:-1],
        reached_after_ms=int(reached[-1]),
        rows=MergedRows([each.batch.rows for each in slices], which, inner),
        done=sum(lane.done for lane in lanes),
    )


def _reached(
    lanes: Sequence[_Lane], ranks: NDArray[np.int64], places: NDArray[np.intp]
) -> NDArray[np.int64]:
    """The event time that all lanes have reached before each row, and after the last one."""
    reached = np.full(len(ranks) + 1, FOREVER_MS, dtype=np.int64)
    for place, lane in enumerate(lanes):
        mine = np.flatnonzero(places == place)
        own = np.full(len(ranks) + 1, lane.released_ms, dtype=np.int64)
        own[mine + 1] = ranks[mine]
        own = np.maximum.accumulate(own)
        lane.released_ms = int(own[-1])
        if not lane.is_open and not lane.waiting:
            own[mine[-1] + 1 if len(mine) else 0 :] = FOREVER_MS
        reached = np.minimum(reached, own)
    # Where none holds anything back, time is where the last of them came.
    reached[reached == FOREVER_MS] = max(lane.released_ms for lane in lanes)
    return reached


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
