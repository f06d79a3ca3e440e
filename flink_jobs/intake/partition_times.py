"""The event time that all partitions of a topic have reached, where it lies within events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from flink_jobs.times import FOREVER_MS, NEVER_MS


class PartitionTimes:
    """Keeps the latest event time of each partition, as Flink's Kafka source does of timestamps.

    The event time of all is that of the partition that is furthest behind. One that has sent
    nothing for the idle timeout by the clock holds the others back no longer, and neither does one
    that has reached the end of its range.

    Parameters
    ----------
    partitions : iterable of int
        Those that hold the others back until they send something. One that is found later counts
        from its first record on.
    ends : mapping of int to int
        Of a bounded job: the offset at which each partition ends, exclusive.
    idle_timeout_ms : int
    now_ms : int
        The clock.

    Examples
    --------
    >>> times = PartitionTimes([0, 1], {}, idle_timeout_ms=60_000, now_ms=1_000)
    >>> came = np.array([0, 1, 0]), np.array([7, 7, 8]), np.array([500, 400, 900])
    >>> times.reached(*came, now_ms=1_010)[1:]
    array([400, 400])
    """

    def __init__(
        self, partitions: Iterable[int], ends: Mapping[int, int], idle_timeout_ms: int, now_ms: int
    ) -> None:
        self._ends = dict(ends)
        self._idle_timeout_ms = idle_timeout_ms
        self._reached_ms = dict.fromkeys(partitions, NEVER_MS)
        self._seen_ms = dict.fromkeys(self._reached_ms, now_ms)
        self._highest_ms = NEVER_MS

    def reached(
        self,
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
        times_ms: NDArray[np.int64],
        now_ms: int,
    ) -> NDArray[np.int64]:
        """Take records in the order of their arrival; what all partitions have reached with each.

        Parameters
        ----------
        partitions, offsets, times_ms : ndarray, shape (n,)
            ``NEVER_MS`` for a record that moves no event time.
        now_ms : int
            The clock. No record moves event time beyond it.

        Returns
        -------
        ndarray of int64, shape (n,)
            ``NEVER_MS`` while a partition has yet to send something.
        """
        times_ms = np.minimum(times_ms, now_ms)
        highest_ms = np.maximum(np.maximum.accumulate(times_ms), self._highest_ms)
        came = np.unique(partitions).tolist()
        self._seen_ms |= dict.fromkeys(came, now_ms)
        reached_ms = np.full(len(times_ms), self._held_back_by(came, now_ms), dtype=np.int64)
        for number in came:
            reached_ms = np.minimum(reached_ms, self._own(number, partitions, offsets, times_ms))
        if len(highest_ms):
            self._highest_ms = int(highest_ms[-1])
        # Where no partition holds anything back, time is where the last of them came.
        return np.where(reached_ms == FOREVER_MS, highest_ms, reached_ms)

    def _held_back_by(self, came: list[int], now_ms: int) -> int:
        """Give what the partitions that sent nothing this time have reached."""
        waited_for = [
            time_ms
            for number, time_ms in self._reached_ms.items()
            if number not in came and now_ms - self._seen_ms[number] < self._idle_timeout_ms
        ]
        return min(waited_for, default=FOREVER_MS)

    def _own(
        self,
        number: int,
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
        times_ms: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Give what one partition has reached with each record of all."""
        is_own = partitions == number
        before_ms = self._reached_ms.get(number, NEVER_MS)
        own_ms = np.maximum(np.maximum.accumulate(np.where(is_own, times_ms, NEVER_MS)), before_ms)
        self._reached_ms[number] = int(own_ms[-1])
        is_last = is_own & (offsets >= self._ends.get(number, FOREVER_MS) - 1)
        if is_last.any():
            own_ms[int(np.argmax(is_last)) :] = FOREVER_MS
            self._reached_ms[number] = FOREVER_MS
        return own_ms
