"""Windows of event time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from flink_jobs.config.tables.windows import TimeWindow
from flink_jobs.core.state.segments import Segment
from flink_jobs.core.state.state import Watch
from flink_jobs.core.windows.closed_window import start_of
from flink_jobs.core.windows.pane_windows import PaneWindows, Span


class TimeWindows(PaneWindows):
    """Windows ``[i * slide_ms, i * slide_ms + size_ms)``.

    The first one tested is the first one that starts at or after the beginning: an earlier one
    would be only partly filled.
    """

    kind = "time"

    def __init__(self, window: TimeWindow, width_ms: int, *, remember_last: bool = False) -> None:
        super().__init__(window, width_ms, remember_last=remember_last)
        self._size_ms = window.size_ms
        self._slide_ms = window.slide_ms

    def _closed_before(self, from_ms: int) -> int:
        return from_ms + self._size_ms - 1

    def _needed_from_ms(self, watch: Watch) -> int:
        return self._next_end(watch.closed_until) - self._size_ms

    def _next(self, segments: Sequence[Segment], closed_until: int) -> Span | None:
        end_ms = self._next_end(closed_until)
        first = bisect_left(segments, end_ms - self._size_ms, key=start_of)
        if first == len(segments):
            return None
        # No slide is longer than a window, so the first window that ends after a pane holds it.
        end_ms = max(end_ms, self._next_end(segments[first].start_ms))
        stop = bisect_left(segments, end_ms, first, key=start_of)
        return Span(end_ms - self._size_ms, end_ms, end_ms, first, stop)

    def _next_started_after(self, segments: Sequence[Segment], after_ms: int) -> Span | None:
        return self._next(segments, after_ms + self._size_ms)

    def _next_end(self, after_ms: int) -> int:
        """The first window end after ``after_ms``."""
        start_ms = ((after_ms - self._size_ms) // self._slide_ms + 1) * self._slide_ms
        return start_ms + self._size_ms
