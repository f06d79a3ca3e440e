"""A test window with the events that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flink_jobs.core.state.segments import Segment, join_x
from flink_jobs.core.state.state import LastWindow, Watch
from flink_jobs.intake.event_columns import EventColumns, concatenate

WindowKind = Literal["time", "count", "session"]

start_of = attrgetter("start_ms")
position_of = attrgetter("first_event")


def end_position_of(segment: Segment) -> int:
    """The position after the last event of a pane."""
    return segment.first_event + segment.n_seen


@dataclass(frozen=True, eq=False)
class ClosedWindow:
    """A test window that is due for its test.

    Attributes
    ----------
    kind : str
        ``time``, ``count`` or ``session``.
    start_ms, end_ms : int
        The interval ``[start_ms, end_ms)`` of a window of time or of a session; the times of the
        first and the last event of a count window.
    closed_ms : int
        The event time at which the test was due, as :attr:`WindowSummary.closed_ms
        <flink_jobs.records.alerts.WindowSummary>` explains.
    first_event, n_events : int
        Position of the first event, and how many the window holds.
    segments : sequence of Segment
        The panes with the events that are tested.
    rows : slice
        The part of their joined rows that is tested.
    closed_early : bool
        Whether the window was still open: what follows is in a later window of the same start.
    """

    kind: WindowKind
    start_ms: int
    end_ms: int
    closed_ms: int
    first_event: int
    n_events: int
    segments: Sequence[Segment]
    rows: slice
    closed_early: bool = False

    @property
    def z(self) -> NDArray[np.float64]:
        """The reduced events, shape (n_tested, n_dimensions)."""
        return join_x(self.segments)[self.rows]

    @cached_property
    def n_tested(self) -> int:
        """Events left after sampling, and after all but the newest were left out."""
        return len(range(sum(len(s) for s in self.segments))[self.rows])

    @property
    def failure(self) -> str:
        """The reason why some of the events could not be reduced; empty where all were."""
        return next((s.failure for s in self.segments if s.failure), "")

    def columns(self) -> EventColumns:
        """The tested events with their identifiers and coordinates."""
        return concatenate([s.columns() for s in self.segments]).take(self.rows)


def remember(watch: Watch, window: ClosedWindow) -> None:
    """Note which events a command would make the reference: those that are tested."""
    if window.failure:
        return
    rows = range(sum(map(len, window.segments)))[window.rows]
    watch.last_window = LastWindow(
        first_event=window.segments[0].first_event,
        end_event=end_position_of(window.segments[-1]),
        rows=(rows.start, rows.stop),
    )
