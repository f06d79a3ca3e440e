"""Windows for models that work in bursts."""

from __future__ import annotations

from flink_jobs.config.tables.windows import SessionWindow
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.state.watch import Watch
from flink_jobs.core.windows.pane_windows import PaneWindows, Span


class SessionWindows(PaneWindows):
    """Windows from the first pane with events to the last one before ``gap_ms`` without any.

    A session that reaches ``max_size_ms`` ends there, and the next pane with events starts another.
    Sessions do not overlap, so that each is one slice.
    """

    kind = "session"

    def __init__(
        self, window: SessionWindow, width_ms: int, *, remember_last: bool = False
    ) -> None:
        super().__init__(window, width_ms, remember_last=remember_last)
        self._gap_ms = window.gap_ms
        self._max_size_ms = window.max_size_ms

    def _slice_start(self, slices: Slices, start_ms: int) -> int:
        if not len(slices):
            return start_ms
        last = slices[-1]
        is_full = start_ms >= last.start_ms + self._max_size_ms
        return start_ms if is_full or start_ms - last.end_ms >= self._gap_ms else last.start_ms

    def _closed_before(self, from_ms: int) -> int:
        return from_ms

    def _needed_from_ms(self, watch: Watch) -> int:
        return watch.closed_until

    def _next(self, slices: Slices, closed_until: int) -> Span | None:
        first = slices.first_from(closed_until)
        if first == len(slices):
            return None
        start_ms = slices[first].start_ms
        full_ms = start_ms + self._max_size_ms
        stop = slices.first_from(full_ms)
        stop = slices.first_gap(first, stop, self._gap_ms) or stop
        last_end_ms = slices[stop - 1].end_ms
        quiet_ms = last_end_ms + self._gap_ms
        if full_ms <= quiet_ms:
            return Span(start_ms, full_ms, full_ms, first, stop)
        return Span(start_ms, last_end_ms, quiet_ms, first, stop)

    def _next_started_after(self, slices: Slices, after_ms: int) -> Span | None:
        """One session is open at a time."""
        return None

    def _end_ms(self, span: Span, *, closed_early: bool) -> int:
        """An open session ends, as far as anyone knows, with its last pane."""
        return span.close_ms if closed_early else span.end_ms
