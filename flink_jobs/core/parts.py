"""The protocol of all that watches a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from flink_jobs.core.events import PaneEvents


class Part(Protocol):
    """One of the parts that a model is watched by.

    A part is made from its configuration and from its own piece of the model's status whenever the
    model is looked at. It changes that piece in place, writes and removes entries of its own, and
    puts its effects into the actions of its :class:`~flink_jobs.core.context.Context`. Time is an
    argument: no part looks at a clock.
    """

    def on_events(self, pane: PaneEvents) -> None:
        """Take the usable events of the next pane, of which there is at least one."""
        ...

    def on_time(self, until_ms: int) -> None:
        """Let event time pass to a moment: :meth:`due_ms`, or an earlier one."""
        ...

    def due_ms(self) -> int | None:
        """Return the next event time at which something happens if no event comes; None for none.

        All parts are told of each such moment in the order of time, so that it shows in no record
        when the monitor was called.
        """
        ...

    def wake_ms(self) -> int | None:
        """Return the event time for which the part needs a timer; None for none.

        It may be later than :meth:`due_ms`, where the next pane is likely to come before.
        """
        ...

    def snapshot(self) -> None:
        """Put into the status what the part holds outside it."""
        ...


def earliest(moments: Iterable[int | None]) -> int | None:
    """Return the first of some moments, None among them being never.

    Examples
    --------
    >>> earliest([7, None, 5]), earliest([None])
    (5, None)
    """
    first: int | None = None
    for each in moments:
        if each is not None and (first is None or each < first):
            first = each
    return first
