"""Keeps event time and the clock in step."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Says how long to wait before the next event.

    Parameters
    ----------
    first_ms : int
        The event time at which it begins, now.
    speed : float
        How many seconds of event time pass in a second; 0 never waits.
    clock : callable
        Seconds.

    Examples
    --------
    >>> pace = Pace(1_000, 60.0, clock=lambda: 5.0)
    >>> pace.wait_s(61_000)
    1.0
    """

    def __init__(
        self, first_ms: int, speed: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first_ms = first_ms
        self._speed = speed
        self._clock = clock
        self._begin_s = clock()

    def wait_s(self, time_ms: int) -> float:
        """Give the seconds until an event of that time is due; 0 if it is."""
        if not self._speed:
            return 0.0
        due_s = (time_ms - self._first_ms) / 1000 / self._speed
        return max(0.0, self._begin_s + due_s - self._clock())
