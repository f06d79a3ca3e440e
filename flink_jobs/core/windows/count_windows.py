"""Windows of a fixed number of events."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from flink_jobs.config.tables.windows import CountWindow
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.state.watch import Watch
from flink_jobs.core.windows.closed_window import ClosedWindow, Piece


class CountWindows:
    """Windows of the positions ``[i * slide, i * slide + size)``.

    Positions count a model's events after the reference, in the order of panes and of rows within a
    pane. Edges of windows are multiples of the greatest common divisor of size and slide, at which
    panes are cut.
    """

    min_events = 1

    def __init__(self, window: CountWindow, width_ms: int, *, remember_last: bool = False) -> None:
        self._size = window.size
        self._slide = window.slide
        self._slice_size = gcd(window.size, window.slide)
        self._remember_last = remember_last

    def begin(self, watch: Watch, from_ms: int) -> None:
        """The first window starts with the first event after the reference."""
        watch.closed_until = 0
        watch.early_until, watch.early = None, {}
        watch.last_window = None

    def cut(
        self, slices: Slices, start_ms: int, first_event: int, n_events: int
    ) -> Iterator[Piece]:
        """Cut at each multiple of the length of a slice."""
        begin = 0
        while begin < n_events:
            into = (first_event + begin) % self._slice_size
            end = min(n_events, begin + self._slice_size - into)
            yield Piece(slice(begin, end), None if into else start_ms)
            begin = end

    def close(
        self, watch: Watch, slices: Slices, n_monitored: int, until_ms: int
    ) -> Iterator[ClosedWindow]:
        """A window closes with its last event; ``until_ms`` says nothing here."""
        for end in range(self._next_end(watch.closed_until), n_monitored + 1, self._slide):
            window = self._window(end - self._size, slices)
            watch.closed_until = end
            if self._remember_last:
                watch.remember(window.slices)
            yield window

    def next_close_ms(self, watch: Watch, slices: Slices) -> int | None:
        """No passing of time closes a window."""
        return None

    def first_needed(self, watch: Watch, slices: Slices) -> int:
        """Slices are kept until their last event is no longer needed."""
        needed = self._next_end(watch.closed_until) - self._size
        if watch.last_window is not None:
            needed = min(needed, watch.last_window.first_event)
        return slices.first_holding(needed)

    def _next_end(self, after: int) -> int:
        """The first window end after the position ``after``."""
        earlier = (after - self._size) // self._slide if after >= self._size else -1
        return (earlier + 1) * self._slide + self._size

    def _window(self, first: int, slices: Slices) -> ClosedWindow:
        begin = slices.first_holding(first)
        inside = slices.between(begin, slices.first_holding(first + self._size - 1) + 1)
        return ClosedWindow(
            kind="count",
            start_ms=inside[0].first_ms,
            end_ms=inside[-1].last_ms,
            closed_ms=inside[-1].end_ms,
            first_event=first,
            n_events=self._size,
            slices=inside,
        )
