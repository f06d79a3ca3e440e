"""Windows for models that work in bursts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from flink_jobs.config.tables.windows import SessionWindow
from flink_jobs.core.state.segments import Segment
from flink_jobs.core.state.state import Watch
from flink_jobs.core.windows.closed_window import start_of
from flink_jobs.core.windows.pane_windows import PaneWindows, Span


class SessionWindows(PaneWindows):
    """Windows from the first pane with events to the last one before ``gap_ms`` without any.

    A session that reaches ``max_size_ms`` ends there, and the next pane with events starts another.
    """

    kind = "session"

    def __init__(
        self, window: SessionWindow, width_ms: int, *, remember_last: bool = False
    ) -> None:
        super().__init__(window, width_ms, remember_last=remember_last)
        self._gap_ms = window.gap_ms
        self._max_size_ms = window.max_size_ms

    def _closed_before(self, from_ms: int) -> int:
        return from_ms

    def _needed_from_ms(self, watch: Watch) -> int:
        return watch.closed_until

    def _next(self, segments: Sequence[Segment], closed_until: int) -> Span | None:
        first = bisect_left(segments, closed_until, key=start_of)
        if first == len(segments):
            return None
        start_ms = segments[first].start_ms
        full_ms = start_ms + self._max_size_ms
        stop = bisect_left(segments, full_ms, first, key=start_of)
        gap = self._first_gap(segments, first, stop - 1)
        stop = stop if gap is None else gap
        last_end_ms = segments[stop - 1].start_ms + self._width_ms
        quiet_ms = last_end_ms + self._gap_ms
        if full_ms <= quiet_ms:
            return Span(start_ms, full_ms, full_ms, first, stop)
        return Span(start_ms, last_end_ms, quiet_ms, first, stop)

    def _next_started_after(self, segments: Sequence[Segment], after_ms: int) -> Span | None:
        """One session is open at a time."""
        return None

    def _end_ms(self, span: Span, *, closed_early: bool) -> int:
        """An open session ends, as far as anyone knows, with its last pane."""
        return span.close_ms if closed_early else span.end_ms

    def _first_gap(self, segments: Sequence[Segment], first: int, last: int) -> int | None:
        """The first pane after ``first`` and up to ``last`` that comes after a gap.

        Where all the time without panes is shorter than a gap there is none, so most panes of a
        long session are never looked at.
        """
        n_panes = last - first
        apart_ms = segments[last].start_ms - segments[first].start_ms
        if apart_ms - n_panes * self._width_ms < self._gap_ms:
            return None
        if n_panes == 1:
            return last
        middle = (first + last) // 2
        gap = self._first_gap(segments, first, middle)
        return self._first_gap(segments, middle, last) if gap is None else gap
