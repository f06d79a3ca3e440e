"""Test windows that are due for their test, and the pieces of panes that they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from flink_jobs.core.slices.slices import Slices

WindowKind = Literal["time", "count", "session"]


class Piece(NamedTuple):
    """Consecutive events of a pane that lie in one slice.

    Attributes
    ----------
    rows : slice
        Which of the pane's events they are.
    start_ms : int or None
        Start of the slice that they begin; None where they continue the last one.
    """

    rows: slice
    start_ms: int | None


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
    slices : Slices
        Those whose events are tested: all of the window, or the newest.
    closed_early : bool
        Whether the window was still open: what follows is in a later window of the same start.
    """

    kind: WindowKind
    start_ms: int
    end_ms: int
    closed_ms: int
    first_event: int
    n_events: int
    slices: Slices
    closed_early: bool = False

    @property
    def n_kept(self) -> int:
        """Events left after all but the newest were left out."""
        return self.slices.n_events
