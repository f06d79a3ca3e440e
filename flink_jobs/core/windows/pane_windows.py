"""What windows of time and sessions have in common: they consist of whole panes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

from flink_jobs.config.tables.windows import SessionWindow, TimeWindow
from flink_jobs.core.state.segments import Segment
from flink_jobs.core.state.state import Watch
from flink_jobs.core.windows.closed_window import (
    ClosedWindow,
    WindowKind,
    end_position_of,
    position_of,
    remember,
    start_of,
)


class Span(NamedTuple):
    """A window that is not closed: its panes are ``segments[first:stop]``, at least one.

    ``close_ms`` is when it closes if no further event comes.
    """

    start_ms: int
    end_ms: int
    close_ms: int
    first: int
    stop: int


class PaneWindows(ABC):
    """Windows of whole panes.

    What closes when follows from the panes alone: calls of :meth:`close` in between change nothing.

    Parameters
    ----------
    window : TimeWindow or SessionWindow
    width_ms : int
        Width of the panes.
    remember_last : bool
        Whether the events of the last window are kept for commands.
    """

    kind: ClassVar[WindowKind]

    def __init__(
        self, window: TimeWindow | SessionWindow, width_ms: int, *, remember_last: bool
    ) -> None:
        self.min_events = window.min_events
        self._early_events = window.early_events
        self._max_events = window.max_events
        self._width_ms = width_ms
        self._remember_last = remember_last

    def begin(self, watch: Watch, from_ms: int) -> None:
        """Start with the panes from ``from_ms`` on, whose events count from 0."""
        watch.closed_until = self._closed_before(from_ms)
        watch.early_until = None
        watch.last_window = None

    def close(
        self, watch: Watch, segments: Sequence[Segment], n_monitored: int, until_ms: int
    ) -> Iterator[ClosedWindow]:
        """Windows without any event are passed over, so a long silence costs nothing."""
        while (span := self._next(segments, watch.closed_until)) is not None:
            early = self._next_early(watch, segments, span)
            if early is not None and early.close_ms < span.close_ms and early.close_ms <= until_ms:
                watch.early_until = early.start_ms
                yield self._window(watch, segments, early, closed_early=True)
            elif span.close_ms <= until_ms:
                watch.closed_until = span.end_ms
                if not self._was_tested(watch, segments, span):
                    yield self._window(watch, segments, span, closed_early=False)
            else:
                return

    def next_close_ms(self, watch: Watch, segments: Sequence[Segment]) -> int | None:
        """The event time at which the next window with events closes if none follow."""
        span = self._next(segments, watch.closed_until)
        return None if span is None else span.close_ms

    def still_needed(self, watch: Watch, segments: Sequence[Segment]) -> list[Segment]:
        """The next window to close is the earliest that needs anything."""
        first = bisect_left(segments, self._needed_from_ms(watch), key=start_of)
        if watch.last_window is not None:
            kept = bisect_left(segments, watch.last_window.first_event, key=position_of)
            first = min(first, kept)
        return list(segments[first:])

    @abstractmethod
    def _closed_before(self, from_ms: int) -> int:
        """``Watch.closed_until`` of windows that begin at ``from_ms``."""

    @abstractmethod
    def _needed_from_ms(self, watch: Watch) -> int:
        """The earliest start of a pane that an open or future window may hold."""

    @abstractmethod
    def _next(self, segments: Sequence[Segment], closed_until: int) -> Span | None:
        """The first window with events that is not closed."""

    @abstractmethod
    def _next_started_after(self, segments: Sequence[Segment], after_ms: int) -> Span | None:
        """The first window with events that starts after an open one; None if it ends before."""

    def _next_early(self, watch: Watch, segments: Sequence[Segment], span: Span) -> Span | None:
        """The next early test, as the part of its window that it sees; ``span`` closes next.

        An earlier open window holds at least as many events as a later one, so early tests come in
        the order of windows.
        """
        if not self._early_events:
            return None
        candidate: Span | None = span
        if watch.early_until is not None and span.start_ms <= watch.early_until:
            candidate = self._next_started_after(segments, watch.early_until)
        if candidate is None:
            return None
        start_ms, end_ms, _, first, stop = candidate
        enough = segments[first].first_event + self._early_events
        last = bisect_left(segments, enough, first, stop, key=end_position_of)
        if last == stop:
            return None
        pane_end_ms = segments[last].start_ms + self._width_ms
        return Span(start_ms, end_ms, pane_end_ms, first, last + 1)

    def _was_tested(self, watch: Watch, segments: Sequence[Segment], span: Span) -> bool:
        """Whether the early test of a window saw all that it holds."""
        if watch.early_until is None or span.start_ms > watch.early_until:
            return False
        before_last = segments[span.stop - 1].first_event - segments[span.first].first_event
        return before_last < self._early_events

    def _window(
        self, watch: Watch, segments: Sequence[Segment], span: Span, *, closed_early: bool
    ) -> ClosedWindow:
        inside = segments[span.first : span.stop]
        tested, rows = _newest(inside, self._max_events)
        first_event = inside[0].first_event
        window = ClosedWindow(
            kind=self.kind,
            start_ms=span.start_ms,
            end_ms=self._end_ms(span, closed_early=closed_early),
            closed_ms=span.close_ms,
            first_event=first_event,
            n_events=end_position_of(inside[-1]) - first_event,
            segments=tested,
            rows=rows,
            closed_early=closed_early,
        )
        if self._remember_last:
            remember(watch, window)
        return window

    def _end_ms(self, span: Span, *, closed_early: bool) -> int:
        """The end that a window shows."""
        return span.end_ms


def _newest(inside: Sequence[Segment], most: int) -> tuple[Sequence[Segment], slice]:
    """The panes with the newest ``most`` events, and which of their rows these are; 0 for all."""
    n_rows = 0
    for place in range(len(inside) - 1, -1, -1) if most else ():
        n_rows += len(inside[place])
        if n_rows >= most:
            return inside[place:], slice(n_rows - most, n_rows)
    return inside, slice(None)
