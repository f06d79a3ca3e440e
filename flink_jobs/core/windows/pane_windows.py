"""Common base of windows of time and sessions: they consist of whole panes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from flink_jobs.config.tables.windows import SessionWindow, TimeWindow
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.state.watch import Watch
from flink_jobs.core.windows.closed_window import ClosedWindow, Piece, WindowKind


class Span(NamedTuple):
    """A window that is not closed: its slices are those from ``first`` to before ``stop``.

    There is at least one. ``close_ms`` is when it closes if no further event comes.
    """

    start_ms: int
    end_ms: int
    close_ms: int
    first: int
    stop: int


class PaneWindows(ABC):
    """Windows of whole panes.

    What closes when follows from the panes alone: calls of :meth:`close` in between change nothing.
    One call follows on each pane before the next comes, so that an early test sees the open slice
    as it is with the pane that brings enough events.

    Parameters
    ----------
    window : TimeWindow or SessionWindow
    width_ms : int
        Width of the panes.
    remember_last : bool
        Whether the slices of the last window are kept for commands.
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
        watch.early_until, watch.early = None, {}
        watch.last_window = None

    def cut(
        self, slices: Slices, start_ms: int, first_event: int, n_events: int
    ) -> Iterator[Piece]:
        """A pane lies in one slice; to leave out all but the newest, each is its own."""
        slice_ms = start_ms if self._max_events else self._slice_start(slices, start_ms)
        continues = len(slices) > 0 and slices[-1].start_ms == slice_ms
        yield Piece(slice(0, n_events), None if continues else slice_ms)

    def close(
        self, watch: Watch, slices: Slices, n_monitored: int, until_ms: int
    ) -> Iterator[ClosedWindow]:
        """Windows without any event are passed over, so a long silence costs nothing."""
        while (span := self._next(slices, watch.closed_until)) is not None:
            early = self._next_early(watch, slices, span)
            if early is not None and early.close_ms < span.close_ms and early.close_ms <= until_ms:
                watch.early_until = early.start_ms
                watch.early[early.start_ms] = slices[early.stop - 1].end_event
                yield self._window(watch, slices, early, closed_early=True)
            elif span.close_ms <= until_ms:
                watch.closed_until = span.end_ms
                if watch.early.pop(span.start_ms, None) != slices[span.stop - 1].end_event:
                    yield self._window(watch, slices, span, closed_early=False)
            else:
                return

    def next_close_ms(self, watch: Watch, slices: Slices) -> int | None:
        """The event time at which the next window with events closes if none follow."""
        span = self._next(slices, watch.closed_until)
        return None if span is None else span.close_ms

    def first_needed(self, watch: Watch, slices: Slices) -> int:
        """The next window to close is the earliest that needs anything."""
        first = slices.first_from(self._needed_from_ms(watch))
        if watch.last_window is not None:
            first = min(first, slices.first_holding(watch.last_window.first_event))
        return first

    @abstractmethod
    def _slice_start(self, slices: Slices, start_ms: int) -> int:
        """The start of the slice to which a pane belongs."""

    @abstractmethod
    def _closed_before(self, from_ms: int) -> int:
        """``Watch.closed_until`` of windows that begin at ``from_ms``."""

    @abstractmethod
    def _needed_from_ms(self, watch: Watch) -> int:
        """The earliest start of a slice that an open or future window may hold."""

    @abstractmethod
    def _next(self, slices: Slices, closed_until: int) -> Span | None:
        """The first window with events that is not closed."""

    @abstractmethod
    def _next_started_after(self, slices: Slices, after_ms: int) -> Span | None:
        """The first window with events that starts after an open one; None if it ends before."""

    def _next_early(self, watch: Watch, slices: Slices, span: Span) -> Span | None:
        """The next early test, as the part of its window that it sees; ``span`` closes next.

        An earlier open window holds at least as many events as a later one, so early tests come in
        the order of windows.
        """
        if not self._early_events:
            return None
        candidate: Span | None = span
        if watch.early_until is not None and span.start_ms <= watch.early_until:
            candidate = self._next_started_after(slices, watch.early_until)
        if candidate is None:
            return None
        start_ms, end_ms, _, first, stop = candidate
        # The first slice with which there are enough.
        enough = slices[first].first_event + self._early_events
        last = max(first, slices.first_holding(enough - 1))
        if last >= stop:
            return None
        return Span(start_ms, end_ms, slices[last].end_ms, first, last + 1)

    def _window(
        self, watch: Watch, slices: Slices, span: Span, *, closed_early: bool
    ) -> ClosedWindow:
        first = span.first
        if self._max_events:
            first = max(first, slices.first_within(self._max_events, first, span.stop))
        window = ClosedWindow(
            kind=self.kind,
            start_ms=span.start_ms,
            end_ms=self._end_ms(span, closed_early=closed_early),
            closed_ms=span.close_ms,
            first_event=slices[span.first].first_event,
            n_events=slices.between(span.first, span.stop).n_events,
            slices=slices.between(first, span.stop),
            closed_early=closed_early,
        )
        if self._remember_last:
            watch.remember(window.slices)
        return window

    def _end_ms(self, span: Span, *, closed_early: bool) -> int:
        """The end that a window shows."""
        return span.end_ms
