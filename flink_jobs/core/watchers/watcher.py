"""The protocol of the detectors of a view at work."""

from __future__ import annotations

from typing import Protocol

from flink_jobs.core.state.watch import Watch
from flink_jobs.core.watchers.work import PaneWork
from flink_jobs.records.alerts import Ending


class Watcher(Protocol):
    """One detector of a view at work.

    Attributes
    ----------
    watch : Watch
        What it remembers.
    """

    watch: Watch

    @property
    def n_bytes(self) -> int:
        """Size of its entries."""
        ...

    @property
    def oldest_ms(self) -> int | None:
        """Event time of the oldest event that it may still need; None where it needs none."""
        ...

    def begin(self, from_ms: int) -> None:
        """Begin anew; the lifecycle of incidents goes on."""
        ...

    def take(self, work: PaneWork, first_event: int) -> None:
        """Take the events of a pane, of which the first has this position."""
        ...

    def test_closed(self, until_ms: int) -> None:
        """Write what is due at or before ``until_ms``."""
        ...

    def next_close_ms(self) -> int | None:
        """Return the event time at which something is due if no event comes; None for none."""
        ...

    def snapshot(self) -> None:
        """Put into the status what it holds outside it."""
        ...

    def end(self, at_ms: int, ending: Ending) -> None:
        """End all incidents."""
        ...

    def forget(self) -> None:
        """Forget all events, and remove all entries."""
        ...
