"""Windows of event time."""

from __future__ import annotations

from math import gcd

from flink_jobs.config.tables.windows import TimeWindow
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.state.watch import Watch
from flink_jobs.core.windows.pane_windows import PaneWindows, Span


class TimeWindows(PaneWindows):
    """Windows ``[i * slide_ms, i * slide_ms + size_ms)``.

    Their edges are multiples of the greatest common divisor of size and slide, which is the length
    of a slice. The first window tested is the first one that starts at or after the beginning: an
    earlier one would be only partly filled.

    References
    ----------
    Traub, Grulich, Rodríguez Cuéllar, Breß, Katsifodimos, Rabl, Markl: Scotty: General and
    Efficient Open-source Window Aggregation for Stream Processing Systems, TODS 2021,
    doi:10.1145/3433675
    """

    kind = "time"

    def __init__(self, window: TimeWindow, width_ms: int, *, remember_last: bool = False) -> None:
        super().__init__(window, width_ms, remember_last=remember_last)
        self._size_ms = window.size_ms
        self._slide_ms = window.slide_ms
        self._slice_ms = gcd(window.size_ms, window.slide_ms)

    def _slice_start(self, slices: Slices, start_ms: int) -> int:
        return start_ms - start_ms % self._slice_ms

    def _closed_before(self, from_ms: int) -> int:
        return from_ms + self._size_ms - 1

    def _needed_from_ms(self, watch: Watch) -> int:
        return self._next_end(watch.closed_until) - self._size_ms

    def _next(self, slices: Slices, closed_until: int) -> Span | None:
        end_ms = self._next_end(closed_until)
        first = slices.first_from(end_ms - self._size_ms)
        if first == len(slices):
            return None
        # No slide is longer than a window, so the first window that ends after a slice holds it.
        end_ms = max(end_ms, self._next_end(slices[first].start_ms))
        return Span(end_ms - self._size_ms, end_ms, end_ms, first, slices.first_from(end_ms))

    def _next_started_after(self, slices: Slices, after_ms: int) -> Span | None:
        return self._next(slices, after_ms + self._size_ms)

    def _next_end(self, after_ms: int) -> int:
        """The first window end after ``after_ms``."""
        start_ms = ((after_ms - self._size_ms) // self._slide_ms + 1) * self._slide_ms
        return start_ms + self._size_ms
