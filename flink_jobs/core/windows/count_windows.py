"""Windows of a fixed number of events."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from flink_jobs.config.tables.windows import CountWindow
from flink_jobs.core.state.segments import Segment
from flink_jobs.core.state.state import Watch
from flink_jobs.core.windows.closed_window import (
    ClosedWindow,
    end_position_of,
    position_of,
    remember,
)


class CountWindows:
    """Windows of the positions ``[i * slide, i * slide + size)``.

    Positions count a model's events after the reference, in the order of panes and of rows within a
    pane. The segments must hold every event: a sampled pane has lost some.
    """

    min_events = 1

    def __init__(self, window: CountWindow, width_ms: int, *, remember_last: bool = False) -> None:
        self._size = window.size
        self._slide = window.slide
        self._width_ms = width_ms
        self._remember_last = remember_last

    def begin(self, watch: Watch, from_ms: int) -> None:
        """The first window starts with the first event after the reference."""
        watch.closed_until = 0
        watch.early_until = None
        watch.last_window = None

    def close(
        self, watch: Watch, segments: Sequence[Segment], n_monitored: int, until_ms: int
    ) -> Iterator[ClosedWindow]:
        """A window closes with its last event; ``until_ms`` says nothing here."""
        for end in range(self._next_end(watch.closed_until), n_monitored + 1, self._slide):
            window = self._window(end - self._size, segments)
            watch.closed_until = end
            if self._remember_last:
                remember(watch, window)
            yield window

    def next_close_ms(self, watch: Watch, segments: Sequence[Segment]) -> int | None:
        """No passing of time closes a window."""
        return None

    def still_needed(self, watch: Watch, segments: Sequence[Segment]) -> list[Segment]:
        """Whole segments are kept until their last event is no longer needed."""
        needed = self._next_end(watch.closed_until) - self._size
        if watch.last_window is not None:
            needed = min(needed, watch.last_window.first_event)
        return list(segments[bisect_right(segments, needed, key=end_position_of) :])

    def _next_end(self, after: int) -> int:
        """The first window end after the position ``after``."""
        earlier = (after - self._size) // self._slide if after >= self._size else -1
        return (earlier + 1) * self._slide + self._size

    def _window(self, first: int, segments: Sequence[Segment]) -> ClosedWindow:
        end = first + self._size
        start = bisect_right(segments, first, key=end_position_of)
        inside = segments[start : bisect_left(segments, end, start, key=position_of)]
        begin = first - inside[0].first_event
        return ClosedWindow(
            kind="count",
            start_ms=int(inside[0].times_ms[begin]),
            end_ms=int(inside[-1].times_ms[end - 1 - inside[-1].first_event]),
            closed_ms=inside[-1].start_ms + self._width_ms,
            first_event=first,
            n_events=self._size,
            segments=inside,
            rows=slice(begin, begin + self._size),
        )
