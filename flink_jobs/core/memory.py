"""Caches that the monitor keeps between calls; nothing in them decides anything."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from flink_jobs.core.bounded_cache import BoundedCache
from flink_jobs.core.references.fitted import FittedViews
from flink_jobs.core.slices.running_sums import RunningSums
from flink_jobs.records.status import FoundShift

_MOST_SUMS_BYTES = 256 * 1_024 * 1_024
_MOST_SHIFTS = 1_024


class Memory:
    """Caches of restored detectors, of the sums of last windows and of the shifts that are found.

    All are keyed by what they are made of, or by a digest of it, so that they can hold too much
    after a restore and never anything wrong.

    Attributes
    ----------
    fitted : FittedViews
    """

    def __init__(self) -> None:
        self.fitted = FittedViews()
        self._sums = BoundedCache[RunningSums](_MOST_SUMS_BYTES, lambda sums: sums.n_bytes)
        self._shifts = BoundedCache[dict[str, list[FoundShift]]](_MOST_SHIFTS, lambda _: 1)

    def running_sums(self, *key: str) -> RunningSums:
        """Return the sums of one watcher, or of one test of a reference that moves."""
        return self._sums.get(key, RunningSums)

    def shifts_found(
        self, key: Hashable, make: Callable[[], dict[str, list[FoundShift]]]
    ) -> dict[str, list[FoundShift]]:
        """Return what a view finds, by all that it depends on."""
        return self._shifts.get(key, make)
