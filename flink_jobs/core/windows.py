"""Which test windows close when, and which events they hold.

Time windows cover ``[i * slide_ms, i * slide_ms + size_ms)`` for every integer ``i``. Count windows
cover the positions ``[i * slide, i * slide + size)`` of a model's events after the reference, in
the order of panes and of (partition, offset) within a pane. A time window that starts before the
first pane with events after the reference is not tested, since it would be only partly filled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config import CountWindow, TimeWindow
from flink_jobs.core.state import Segment, Status, join_x
from flink_jobs.panes import EventColumns, concatenate


@dataclass(frozen=True, eq=False)
class ClosedWindow:
    """A test window all of whose events have been seen.

    ``segments`` are the panes that hold its events, ``rows`` the part of their joined rows that
    belongs to the window.
    """

    kind: Literal["time", "count"]
    start_ms: int
    end_ms: int
    first_event: int
    n_events: int
    segments: Sequence[Segment]
    rows: slice

    @property
    def z(self) -> NDArray[np.float64]:
        """The reduced events, shape (n_tested, n_dimensions)."""
        return join_x(self.segments)[self.rows]

    @property
    def n_tested(self) -> int:
        """Events left after sampling."""
        return len(range(sum(len(s) for s in self.segments))[self.rows])

    def columns(self) -> EventColumns:
        """The events with their identifiers and coordinates."""
        return concatenate([s.columns() for s in self.segments]).take(self.rows)


class Windows(Protocol):
    """A definition of test windows over a model's panes."""

    min_events: int

    def begin(self, status: Status, from_ms: int) -> None:
        """Start monitoring with the pane that starts at ``from_ms``."""
        ...

    def close(
        self, status: Status, segments: Sequence[Segment], until_ms: int
    ) -> Iterator[ClosedWindow]:
        """Yield, oldest first, the windows that end at or before ``until_ms``; each once."""
        ...

    def still_needed(self, status: Status, segments: list[Segment]) -> list[Segment]:
        """Drop the segments that no open or future window holds."""
        ...


class TimeWindows:
    """Windows of event time, made of whole panes."""

    def __init__(self, window: TimeWindow) -> None:
        self._size_ms = window.size_ms
        self._slide_ms = window.slide_ms
        self.min_events = window.min_events

    def begin(self, status: Status, from_ms: int) -> None:
        """The first window tested is the first one that starts at or after ``from_ms``."""
        status.closed_until = from_ms + self._size_ms - 1

    def close(
        self, status: Status, segments: Sequence[Segment], until_ms: int
    ) -> Iterator[ClosedWindow]:
        """Windows without any event are passed over, so a long silence costs nothing."""
        if segments:
            last_end_ms = segments[-1].start_ms + self._size_ms
            after_ms = max(status.closed_until, segments[0].start_ms)
            for end_ms in self._ends(after_ms, min(until_ms, last_end_ms)):
                inside = [s for s in segments if end_ms - self._size_ms <= s.start_ms < end_ms]
                if inside:
                    yield self._window(end_ms, inside)
        status.closed_until = max(status.closed_until, until_ms)

    def still_needed(self, status: Status, segments: list[Segment]) -> list[Segment]:
        """The next window to close is the earliest that needs anything."""
        next_start_ms = self._next_end(status.closed_until) - self._size_ms
        return [s for s in segments if s.start_ms >= next_start_ms]

    def _ends(self, after_ms: int, until_ms: int) -> range:
        return range(self._next_end(after_ms), until_ms + 1, self._slide_ms)

    def _next_end(self, after_ms: int) -> int:
        """The first window end after ``after_ms``."""
        start_ms = ((after_ms - self._size_ms) // self._slide_ms + 1) * self._slide_ms
        return start_ms + self._size_ms

    def _window(self, end_ms: int, inside: Sequence[Segment]) -> ClosedWindow:
        return ClosedWindow(
            kind="time",
            start_ms=end_ms - self._size_ms,
            end_ms=end_ms,
            first_event=inside[0].first_event,
            n_events=sum(s.n_seen for s in inside),
            segments=inside,
            rows=slice(None),
        )


class CountWindows:
    """Windows of a fixed number of events."""

    min_events = 1

    def __init__(self, window: CountWindow) -> None:
        self._size = window.size
        self._slide = window.slide

    def begin(self, status: Status, from_ms: int) -> None:
        """The first window starts with the first event after the reference."""
        status.closed_until = 0

    def close(
        self,
        status: Status,
        segments: Sequence[Segment],
        until_ms: int,
    ) -> Iterator[ClosedWindow]:
        """A window closes with its last event; ``until_ms`` says nothing here."""
        for end in range(self._next_end(status.closed_until), status.n_monitored + 1, self._slide):
            yield self._window(end - self._size, segments)
            status.closed_until = end

    def still_needed(self, status: Status, segments: list[Segment]) -> list[Segment]:
        """Whole segments are kept until their last event is no longer needed."""
        next_start = self._next_end(status.closed_until) - self._size
        return [s for s in segments if s.first_event + len(s) > next_start]

    def _next_end(self, after: int) -> int:
        """The first window end after the position ``after``."""
        earlier = (after - self._size) // self._slide if after >= self._size else -1
        return (earlier + 1) * self._slide + self._size

    def _window(self, first: int, segments: Sequence[Segment]) -> ClosedWindow:
        end = first + self._size
        inside = [s for s in segments if s.first_event < end and s.first_event + len(s) > first]
        begin = first - inside[0].first_event
        first_time_ms = int(inside[0].columns().times_ms[begin])
        last_time_ms = int(inside[-1].columns().times_ms[end - 1 - inside[-1].first_event])
        return ClosedWindow(
            kind="count",
            start_ms=first_time_ms,
            end_ms=last_time_ms,
            first_event=first,
            n_events=self._size,
            segments=inside,
            rows=slice(begin, begin + self._size),
        )


def make_windows(window: TimeWindow | CountWindow) -> Windows:
    """The windows that the configuration asks for."""
    return TimeWindows(window) if isinstance(window, TimeWindow) else CountWindows(window)
