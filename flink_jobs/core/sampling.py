"""Deterministic sampling: the same events are kept in every replay, at any parallelism."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flink_jobs.panes import EventColumns


def sample_events(events: EventColumns, max_events: int, seed: int) -> EventColumns:
    """Keep at most ``max_events`` events, chosen by a hash of (seed, partition, offset).

    Every event has the same chance, whatever its numbers, and the order is kept.
    """
    if len(events) <= max_events:
        return events
    keys = _hash(events.partitions.astype(np.uint64), events.offsets.astype(np.uint64), seed)
    chosen = np.argpartition(keys, max_events)[:max_events]
    return events.take(np.sort(chosen))


def _hash(
    partitions: NDArray[np.uint64], offsets: NDArray[np.uint64], seed: int
) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195)."""
    golden, first, second = (
        np.uint64(0x9E3779B97F4A7C15),
        np.uint64(0xBF58476D1CE4E5B9),
        np.uint64(0x94D049BB133111EB),
    )
    z = offsets + (partitions + np.uint64(seed % 2**64) + np.uint64(1)) * golden
    z = (z ^ (z >> np.uint64(30))) * first
    z = (z ^ (z >> np.uint64(27))) * second
    hashed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return hashed
