"""Deterministic sampling: the same events are kept in every replay, in whatever order they came."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flink_jobs.intake.event_columns import EventColumns


def sample_events(events: EventColumns, max_events: int, seed: int) -> EventColumns:
    """Keep at most ``max_events`` events, chosen by a hash of (seed, event time, event id).

    Every event has the same chance, whatever its numbers, and the order is kept. Those kept are the
    ones with the smallest hashes: a sample of samples is a sample of the whole.
    """
    if len(events) <= max_events:
        return events
    ids = np.fromiter(
        (crc32(event_id.encode()) for event_id in events.event_ids), np.uint64, len(events)
    )
    keys = hash_of(events.times_ms.astype(np.uint64), ids, seed)
    # Stable, so that of events with one id and time the first ones are kept.
    chosen = np.argsort(keys, kind="stable")[:max_events]
    return events.take(np.sort(chosen))


def hash_of(times_ms: NDArray[np.uint64], ids: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """A random number for each event that depends on nothing but its time, its id and the seed.

    SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195).

    Parameters
    ----------
    times_ms, ids : ndarray of uint64, shape (n,)
    seed : int

    Returns
    -------
    ndarray of uint64, shape (n,)
    """
    golden, first, second = (
        np.uint64(0x9E3779B97F4A7C15),
        np.uint64(0xBF58476D1CE4E5B9),
        np.uint64(0x94D049BB133111EB),
    )
    z = ids * golden + (times_ms + np.uint64(seed % 2**64) + np.uint64(1)) * first
    z = (z ^ (z >> np.uint64(30))) * first
    z = (z ^ (z >> np.uint64(27))) * second
    hashed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return hashed
