"""Caches that the monitor keeps between calls; nothing in them decides anything."""

from __future__ import annotations

from flink_jobs.core.bounded_cache import BoundedCache
from flink_jobs.core.references.fitted import FittedViews
from flink_jobs.core.slices.running_sums import RunningSums

_MOST_SUMS_BYTES = 256 * 1_024 * 1_024


class Memory:
    """Caches of restored detectors and of the sums of last windows.

    Both are keyed by digests of what they are made of, so that they can hold too much after a
    restore and never anything wrong.

    Attributes
    ----------
    fitted : FittedViews
    """

    def __init__(self) -> None:
        self.fitted = FittedViews()
        self._sums = BoundedCache[RunningSums](_MOST_SUMS_BYTES, lambda sums: sums.n_bytes)

    def running_sums(self, *key: str) -> RunningSums:
        """Return the sums of one watcher, or of one test of a reference that moves."""
        return self._sums.get(key, RunningSums)
