"""Merges the partitions of a topic by the event time that each has reached."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from kafka.errors import KafkaError, OffsetOutOfRangeError
from numpy.typing import NDArray

from flink_jobs.histories.batches import Batch, EventTime, Misplaced, Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.topics.records import Parts, PlacedRecords, RecordReader
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.times import FOREVER_MS, NEVER_MS

_POLL_MS = 1_000
_PATIENCE_S = 60.0
# A partition that is ahead of the others is not read on until they have caught up.
_MOST_BUFFERED = 100_000


def merged_batches(
    consumer: Any,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    names: Names,
    horizon_ms: int,
    reader: RecordReader,
) -> Iterator[Batch]:
    """The records ``[start, end)`` of each partition, in an order that is always the same.

    Parameters
    ----------
    consumer : kafka.KafkaConsumer
        Assigned to the partitions and placed at their starts.
    starts, ends : mapping of int to int
        By partition.
    names : Names
    horizon_ms : int
        Times beyond it do not move event time.
    reader : RecordReader
        Records that it finds no place for in event time do not move it either.

    Raises
    ------
    SourceError
        When records vanish while they are read, or the broker does not go on.
    """
    lanes = {n: _Lane(n, starts[n], ends[n], EventTime(horizon_ms), reader) for n in ends}
    first = sum(starts[number] for number in ends)
    while any(lane.is_open or lane.n_waiting or lane.misplaced for lane in lanes.values()):
        # Up to here every partition has shown all it has.
        until_ms = min((x.time.reached_ms for x in lanes.values() if x.is_open), default=FOREVER_MS)
        if any(lane.has_before(until_ms) or lane.misplaced for lane in lanes.values()):
            done = sum(lane.position for lane in lanes.values()) - first
            yield _batch(list(lanes.values()), until_ms, names, done, reader)
        else:
            _fetch(consumer, lanes, until_ms)


class _Released(NamedTuple):
    """Rows of a partition: ``columns`` are rank, time and offset of each."""

    columns: NDArray[np.int64]
    models: list[str | None]
    payloads: list[bytes | None]
    parts: list[Parts]


class _Lane:
    """Rows of one partition that were read and not handed on.

    A row's *rank* is the event time that the partition has reached with it.
    """

    def __init__(
        self, number: int, start: int, end: int, event_time: EventTime, reader: RecordReader
    ) -> None:
        self.number = number
        self.misplaced: list[tuple[str | None, Misplaced]] = []
        self.time = event_time
        self.position = start
        self.released_ms = NEVER_MS
        self.is_open = True
        self._end = end
        self._reader = reader
        self._models: list[str | None] = []
        self._payloads: list[bytes | None] = []
        self._parts: list[Parts] = []
        self._columns = np.empty((3, 0), dtype=np.int64)

    @property
    def n_waiting(self) -> int:
        """Rows that wait."""
        return len(self._payloads)

    def has_before(self, until_ms: int) -> bool:
        """Say whether rows with a lower rank wait."""
        return bool(self.n_waiting and self._columns[0, 0] < until_ms)

    def add(self, records: list[Any]) -> None:
        """Take what was read; what lies beyond the end is not part of the history."""
        records = [record for record in records if record.offset < self._end]
        placed = self._reader.placed(records)
        kept = [row for row in range(len(records)) if row not in placed.problems]
        for row, error in sorted(placed.problems.items()):
            self._misplace(records[row], placed, row, error)
        times_ms = placed.times_ms[kept]
        offsets = np.array([records[row].offset for row in kept], dtype=np.int64)
        ranks = self.time.running(times_ms)
        self.time.before(times_ms)
        self._columns = np.concatenate([self._columns, [ranks, times_ms, offsets]], axis=1)
        self._models += [placed.models[row] for row in kept]
        self._payloads += [records[row].value for row in kept]
        self._parts += [placed.parts[row] for row in kept]

    def _misplace(
        self, record: Any, placed: PlacedRecords, row: int, error: UnusableEventError
    ) -> None:
        own = Misplaced(
            -1,
            record.offset,
            error.reason,
            error.detail,
            record.value,
            error.event_id,
            self.number,
            record.timestamp,
        )
        self.misplaced.append((placed.models[row], own))

    def move_to(self, position: int) -> None:
        """Note how far the client has come, also over offsets without a record."""
        self.position = min(position, self._end)
        self.is_open = position < self._end

    def release(self, until_ms: int) -> _Released:
        """Hand on the rows with a rank below ``until_ms``."""
        n = int(np.searchsorted(self._columns[0], until_ms, side="left"))
        released = _Released(
            self._columns[:, :n], self._models[:n], self._payloads[:n], self._parts[:n]
        )
        self._columns, self._models = self._columns[:, n:], self._models[n:]
        self._payloads, self._parts = self._payloads[n:], self._parts[n:]
        return released


def _batch(
    lanes: list[_Lane], until_ms: int, names: Names, done: int, reader: RecordReader
) -> Batch:
    released = [lane.release(until_ms) for lane in lanes]
    columns = np.concatenate([each.columns for each in released], axis=1)
    which = np.repeat(np.arange(len(lanes)), [each.columns.shape[1] for each in released])
    numbers = np.array([lane.number for lane in lanes], dtype=np.int32)
    order = np.lexsort((columns[2], which, columns[0]))
    columns, which = columns[:, order], which[order]
    models = [model for each in released for model in each.models]
    payloads = [payload for each in released for payload in each.payloads]
    parts = [part for each in released for part in each.parts]
    before, after_ms = _reached(lanes, columns[0], which)
    chosen = order.tolist()
    return Batch(
        codes=np.fromiter((names[models[i]] for i in chosen), np.int32, len(chosen)),
        times_ms=columns[1],
        partitions=numbers[which],
        offsets=columns[2],
        reached_ms=before,
        reached_after_ms=after_ms,
        rows=reader.rows([payloads[i] for i in chosen], [parts[i] for i in chosen]),
        done=done,
        misplaced=[each for lane in lanes for each in _taken(lane, names)],
    )


def _taken(lane: _Lane, names: Names) -> list[Misplaced]:
    """Take what has no place in event time from a lane."""
    taken = [each._replace(code=names[model]) for model, each in lane.misplaced]
    lane.misplaced.clear()
    return taken


def _reached(
    lanes: list[_Lane], ranks: NDArray[np.int64], which: NDArray[np.intp]
) -> tuple[NDArray[np.int64], int]:
    """The event time that all partitions have reached before each row, and after the last one.

    A partition that has shown all it has holds nothing back.
    """
    reached = np.full(len(ranks) + 1, FOREVER_MS, dtype=np.int64)
    for place, lane in enumerate(lanes):
        mine = np.flatnonzero(which == place)
        own = np.full(len(ranks) + 1, lane.released_ms, dtype=np.int64)
        own[mine + 1] = ranks[mine]
        own = np.maximum.accumulate(own)
        lane.released_ms = int(own[-1])
        if not lane.is_open and not lane.n_waiting:
            own[mine[-1] + 1 if len(mine) else 0 :] = FOREVER_MS
        reached = np.minimum(reached, own)
    highest_ms = max(lane.released_ms for lane in lanes)
    # Where no partition holds anything back, time is where the last of them came.
    reached = np.where(reached == FOREVER_MS, highest_ms, reached)
    return reached[:-1], int(reached[-1])


def _fetch(consumer: Any, lanes: Mapping[int, _Lane], until_ms: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    _hold_back(consumer, lanes, until_ms)
    before = sum(lane.position for lane in lanes.values())
    while sum(lane.position for lane in lanes.values()) == before:
        if time.monotonic() > deadline:
            raise SourceError(f"the broker sent nothing for {_PATIENCE_S:.0f} s: is it overloaded?")
        try:
            for partition, records in consumer.poll(_POLL_MS).items():
                lanes[partition.partition].add(records)
            for partition in consumer.assignment():
                lanes[partition.partition].move_to(consumer.position(partition))
        except OffsetOutOfRangeError as error:
            raise SourceError(
                f"records were deleted by retention while the backtest read them ({error})"
            ) from error
        except KafkaError as error:
            raise SourceError(f"the topic cannot be read any more: {error}") from error


def _hold_back(consumer: Any, lanes: Mapping[int, _Lane], until_ms: int) -> None:
    """Read those partitions that the others wait for, and those that have room."""
    for partition in consumer.assignment():
        lane = lanes[partition.partition]
        is_ahead = lane.time.reached_ms > until_ms and lane.n_waiting >= _MOST_BUFFERED
        if is_ahead or not lane.is_open:
            consumer.pause(partition)
        else:
            consumer.resume(partition)
