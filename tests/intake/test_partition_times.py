"""The event time that all partitions have reached, against a walk from record to record."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.intake.partition_times import PartitionTimes
from flink_jobs.times import NEVER_MS

N = 3
IDLE_MS = 100
Came = tuple[int, int]
"""Partition and event time of a record."""
records = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, 50)), max_size=30)
batches = st.lists(st.tuples(st.integers(0, 70), records), max_size=6)


def walk(batches: list[tuple[int, list[Came]]], ends: dict[int, int], now_ms: int) -> list[int]:
    """One record after the other, with nothing but dictionaries."""
    latest = dict.fromkeys(range(N), NEVER_MS)
    seen = dict.fromkeys(range(N), now_ms)
    n_read = dict.fromkeys(range(N), 0)
    expected = []
    for pause_ms, batch in batches:
        now_ms += pause_ms
        seen |= {partition: now_ms for partition, _ in batch}
        for partition, time_ms in batch:
            latest[partition] = max(latest[partition], time_ms)
            n_read[partition] += 1
            waited_for = [
                latest[p]
                for p in range(N)
                if now_ms - seen[p] < IDLE_MS and n_read[p] < ends.get(p, 10**9)
            ]
            expected.append(min(waited_for) if waited_for else max(latest.values()))
    return expected


def found(times: PartitionTimes, batches: list[tuple[int, list[Came]]], now_ms: int) -> list[int]:
    n_read = dict.fromkeys(range(N), 0)
    reached: list[int] = []
    for pause_ms, batch in batches:
        now_ms += pause_ms
        offsets = []
        for partition, _ in batch:
            offsets.append(n_read[partition])
            n_read[partition] += 1
        columns = np.array(batch, dtype=np.int64).reshape(-1, 2)
        partitions = columns[:, 0].astype(np.int32)
        given = partitions, np.array(offsets, dtype=np.int64), columns[:, 1]
        reached += times.reached(*given, now_ms).tolist()
    return reached


@given(batches, st.dictionaries(st.integers(0, N - 1), st.integers(1, 20)))
def test_it_is_that_of_the_partition_furthest_behind_of_those_that_count(
    batches: list[tuple[int, list[Came]]], ends: dict[int, int]
) -> None:
    times = PartitionTimes(range(N), ends, IDLE_MS, now_ms=1_000)

    assert found(times, batches, 1_000) == walk(batches, ends, 1_000)


def test_nothing_is_reached_before_each_partition_has_sent_something() -> None:
    times = PartitionTimes([0, 1], {}, IDLE_MS, now_ms=1_000)

    assert found(times, [(0, [(0, 7)]), (0, [(1, 5)])], 1_000) == [NEVER_MS, 5]


def test_a_time_ahead_of_the_clock_moves_event_time_no_further_than_the_clock() -> None:
    times = PartitionTimes([0], {}, IDLE_MS, now_ms=1_000)

    assert found(times, [(0, [(0, 5_000)])], 1_000) == [1_000]


def test_a_record_without_a_time_moves_nothing_but_shows_that_its_partition_is_awake() -> None:
    times = PartitionTimes([0, 1], {}, IDLE_MS, now_ms=1_000)
    before = found(times, [(0, [(0, 9), (1, 4)]), (90, [(1, NEVER_MS)])], 1_000)

    after = times.reached(np.array([0], np.int32), np.array([1]), np.array([30]), now_ms=1_150)

    assert (before, after.tolist()) == ([NEVER_MS, 4, 4], [4])


def test_a_partition_that_is_found_later_counts_from_its_first_record_on() -> None:
    times = PartitionTimes([0], {}, IDLE_MS, now_ms=1_000)

    assert found(times, [(0, [(0, 20)]), (0, [(2, 15)]), (0, [(0, 40)])], 1_000) == [20, 15, 15]
