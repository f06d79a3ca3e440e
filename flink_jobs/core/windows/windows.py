"""Definitions of test windows: when they close, and the slices that they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from flink_jobs.config.tables.windows import CountWindow, TimeWindow, WindowTable
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.state.watch import Watch
from flink_jobs.core.windows.closed_window import ClosedWindow, Piece
from flink_jobs.core.windows.count_windows import CountWindows
from flink_jobs.core.windows.session_windows import SessionWindows
from flink_jobs.core.windows.time_windows import TimeWindows

__all__ = ["ClosedWindow", "Piece", "Windows", "make_windows"]


class Windows(Protocol):
    """A definition of test windows over a model's slices.

    ``slices`` are those of one watcher that hold events, oldest first; slices that no window needs
    any more may be among them.
    """

    min_events: int

    def begin(self, watch: Watch, from_ms: int) -> None:
        """Start monitoring with the pane that starts at ``from_ms``, and with position 0."""
        ...

    def cut(
        self, slices: Slices, start_ms: int, first_event: int, n_events: int
    ) -> Iterator[Piece]:
        """Cut the events of a pane where edges of windows lie.

        Parameters
        ----------
        slices : Slices
        start_ms : int
            Of the pane.
        first_event, n_events : int
            Position of the pane's first event, and their number, at least 1.
        """
        ...

    def close(
        self, watch: Watch, slices: Slices, n_monitored: int, until_ms: int
    ) -> Iterator[ClosedWindow]:
        """Yield, oldest first, the windows due by ``until_ms`` or the position ``n_monitored``.

        Each window comes once; one that was tested early comes again if more events followed.
        """
        ...

    def next_close_ms(self, watch: Watch, slices: Slices) -> int | None:
        """The event time at which the next window with events closes if none follow.

        None where no window holds events, and for count windows.
        """
        ...

    def first_needed(self, watch: Watch, slices: Slices) -> int:
        """Return the place of the first slice that an open, a future or the last window holds."""
        ...


def make_windows(window: WindowTable, remember_last: bool = False, *, width_ms: int) -> Windows:
    """The windows that the configuration asks for, over panes of ``width_ms``.

    With ``remember_last`` the slices of the last window stay needed.

    Examples
    --------
    >>> watch = Watch(name="main")
    >>> windows = make_windows(TimeWindow(size_ms=3_000, slide_ms=1_000), width_ms=1_000)
    >>> windows.begin(watch, 0)
    >>> list(windows.close(watch, Slices(), n_monitored=0, until_ms=9_000))
    []
    """
    if isinstance(window, CountWindow):
        return CountWindows(window, width_ms, remember_last=remember_last)
    if isinstance(window, TimeWindow):
        return TimeWindows(window, width_ms, remember_last=remember_last)
    return SessionWindows(window, width_ms, remember_last=remember_last)
