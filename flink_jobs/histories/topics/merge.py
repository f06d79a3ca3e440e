"""Reads the partitions of a topic, and merges them by the event time that each has reached."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from kafka.errors import KafkaError, OffsetOutOfRangeError
from msgspec.structs import replace

from flink_jobs.histories.batches import Batch, EventTime, Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.files import batch_of
from flink_jobs.histories.merging.lanes import merged
from flink_jobs.histories.shards import Found, Head
from flink_jobs.histories.topics.records import RecordReader

_POLL_MS = 1_000
_PATIENCE_S = 60.0
# A partition that is ahead of the others is not read on until they have caught up.
_MOST_BUFFERED = 100_000
_BATCH_RECORDS = 20_000


def merged_batches(
    connect: Callable[[Sequence[int]], Any],
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    names: Names,
    horizon_ms: int,
    reader: RecordReader,
    exchange: Exchange | None = None,
) -> Iterator[Batch]:
    """The records ``[start, end)`` of each partition, in an order that is always the same.

    Parameters
    ----------
    connect : callable
        Makes a consumer of some partitions, placed at their starts.
    starts, ends : mapping of int to int
        By partition.
    names : Names
    horizon_ms : int
        Times beyond it do not move event time.
    reader : RecordReader
        Records that it finds no place for in event time do not move it either.
    exchange : Exchange, optional

    Raises
    ------
    SourceError
        When records vanish while they are read, or the broker does not go on.
    """
    exchange = exchange or Exchange()
    with closing(_Polls(connect, exchange, starts, ends)) as polls:
        partitions = [
            (number, _batches(number, polls, names, EventTime(horizon_ms), reader, exchange))
            for number in ends
        ]
        yield from merged(partitions)


def _batches(
    number: int,
    polls: _Polls,
    names: Names,
    event_time: EventTime,
    reader: RecordReader,
    exchange: Exchange,
) -> Iterator[Batch]:
    """The batches of one partition."""

    def read(file: int, stretch: int) -> Iterator[Found]:
        for records, n_read in polls.records(number):
            found = reader.found(number, records)
            head = replace(found.head, n_read=n_read, ends_stretch=False)
            yield Found(head, found.arrays)
        yield Found(Head(ends_file=True))

    n_read = 0
    lane = exchange.lane([f"partition {number}"], read, is_divided=False)
    for found in lane.batches(0):
        n_read = max(n_read, found.head.n_read)
        if found.arrays:
            yield batch_of(found, reader.rows(found), names, event_time, number, 0, n_read)


class _Polls:
    """Records of the partitions that this process reads, as the broker sends them."""

    def __init__(
        self,
        connect: Callable[[Sequence[int]], Any],
        exchange: Exchange,
        starts: Mapping[int, int],
        ends: Mapping[int, int],
    ) -> None:
        self._connect = connect
        self._starts = starts
        self._ends = ends
        # As the exchange divides lanes.
        own = [n for place, n in enumerate(ends) if place % exchange.n_parts == exchange.part]
        self._positions = {number: starts[number] for number in own}
        self._waiting: dict[int, list[Any]] = {number: [] for number in own}
        self._consumer: Any = None

    def close(self) -> None:
        """Let the broker go."""
        if self._consumer is not None:
            self._consumer.close()

    def records(self, number: int) -> Iterator[tuple[list[Any], int]]:
        """The records of a partition, and how many offsets have been read with them."""
        while self._waiting[number] or self._positions[number] < self._ends[number]:
            before = self._positions[number]
            if not self._waiting[number]:
                self._poll(number)
            waiting = self._waiting[number]
            if waiting or self._positions[number] > before:
                self._waiting[number] = waiting[_BATCH_RECORDS:]
                more = self._waiting[number]
                reached = more[0].offset if more else self._positions[number]
                yield waiting[:_BATCH_RECORDS], reached - self._starts[number]

    def _poll(self, wanted: int) -> None:
        """Read on, at least where records are wanted."""
        if self._consumer is None:
            self._consumer = self._connect(list(self._positions))
        deadline = time.monotonic() + _PATIENCE_S
        before = dict(self._positions)
        self._hold_back(wanted)
        while self._positions == before:
            if time.monotonic() > deadline:
                raise SourceError(
                    f"the broker sent nothing for {_PATIENCE_S:.0f} s: is it overloaded?"
                )
            try:
                for partition, records in self._consumer.poll(_POLL_MS).items():
                    end = self._ends[partition.partition]
                    # What lies beyond the end is not part of the history.
                    own = [record for record in records if record.offset < end]
                    self._waiting[partition.partition] += own
                for partition in self._consumer.assignment():
                    position = self._consumer.position(partition)
                    number = partition.partition
                    self._positions[number] = min(position, self._ends[number])
            except OffsetOutOfRangeError as error:
                raise SourceError(
                    f"records were deleted by retention while the backtest read them ({error})"
                ) from error
            except KafkaError as error:
                raise SourceError(f"the topic cannot be read any more: {error}") from error

    def _hold_back(self, wanted: int) -> None:
        """Read the partition that is waited for, and those that have room."""
        for partition in self._consumer.assignment():
            number = partition.partition
            is_full = number != wanted and len(self._waiting[number]) >= _MOST_BUFFERED
            if is_full or self._positions[number] >= self._ends[number]:
                self._consumer.pause(partition)
            else:
                self._consumer.resume(partition)
