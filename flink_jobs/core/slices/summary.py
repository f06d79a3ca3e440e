"""Summaries of pieces of slices: counts or sums for tests, and a sample of raw events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.core.sampling import smallest
from flink_jobs.core.slices.counts import Counts, merged
from flink_jobs.core.state.rows import StoredRows, store_rows
from flink_jobs.intake.event_columns import EventColumns, concatenate


class Measure(Struct, array_like=True):
    """The need of one test for some events: counts, sums of features (float64), or neither."""

    counts: Counts | None = None
    sums: bytes = b""


class Summary(Struct, array_like=True):
    """Some consecutive events of a view.

    Attributes
    ----------
    n_events : int
    measures : list of Measure
        One for each test: that of a watcher, or all distinct ones of the view.
    sample : StoredRows
        Those of the events that a sample keeps.
    """

    n_events: int
    measures: list[Measure]
    sample: StoredRows


def merge(parts: Sequence[Summary], sample_size: int) -> Summary:
    """Make one summary of the summaries of consecutive pieces.

    Sums of floats are added from the first to the last, so that it shows in no bit in how many
    steps they were merged.
    """
    if len(parts) == 1:
        return parts[0]
    return Summary(
        n_events=sum(part.n_events for part in parts),
        measures=[_merged(each) for each in zip(*(p.measures for p in parts), strict=True)],
        sample=merge_samples([part.sample for part in parts], sample_size),
    )


def _merged(parts: Sequence[Measure]) -> Measure:
    counts = [part.counts for part in parts if part.counts is not None]
    sums = add_sums(part.sums for part in parts)
    return Measure(merged(counts) if counts else None, b"" if sums is None else sums.tobytes())


def add_sums(parts: Iterable[bytes]) -> NDArray[np.float64] | None:
    """Add sums of features up, in their order; None where there are none."""
    total: NDArray[np.float64] | None = None
    for part in parts:
        if part:
            numbers = np.frombuffer(part, dtype=np.float64)
            total = numbers.copy() if total is None else total + numbers
    return total


def merge_samples(samples: Sequence[StoredRows], size: int) -> StoredRows:
    """Make one sample of the samples of consecutive pieces."""
    samples = [sample for sample in samples if len(sample)] or list(samples[:1])
    if len(samples) == 1:
        return samples[0]
    keys = np.concatenate([sample.key_array for sample in samples])
    events = concatenate([sample.events() for sample in samples])
    return sample_rows(events, keys, size)


def sample_rows(events: EventColumns, keys: NDArray[np.uint64], size: int) -> StoredRows:
    """Keep the ``size`` events with the smallest keys, in their order."""
    chosen = smallest(keys, size)
    kept = events if isinstance(chosen, slice) else events.take(chosen)
    return store_rows(kept, keys[chosen])
