"""The usable events of one pane, as parts take them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flink_jobs.core.sampling import event_keys
from flink_jobs.core.views.columns import columns_at, rows_with_parts
from flink_jobs.intake.event_columns import EventColumns


@dataclass(frozen=True, eq=False)
class PaneEvents:
    """The usable events of the pane ``[start_ms, end_ms)``.

    Attributes
    ----------
    start_ms, end_ms : int
    events : EventColumns
    seed : int
        Of the hashes by which samples are chosen.
    """

    start_ms: int
    end_ms: int
    events: EventColumns
    seed: int

    def __len__(self) -> int:
        return len(self.events)

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """The hashes by which samples are chosen, shape (n,)."""
        return event_keys(self.events, self.seed)

    def of_view(self, places: tuple[int, ...], parts: int) -> PaneEvents:
        """Return the events that a view takes, with its columns; hashes are computed once.

        Parameters
        ----------
        places : tuple of int
            Of the view's floats.
        parts : int
            Those that an event must have, as bits.
        """
        rows = rows_with_parts(self.events, parts)
        events = self.events if rows is None else self.events.take(rows)
        seen = columns_at(events, places)
        if seen.parts is not None:
            # What is left is whole, as far as the view can tell.
            seen = replace(seen, parts=None)
        return self._with(seen, self.keys if rows is None else self.keys[rows])

    def take(self, rows: slice) -> PaneEvents:
        """Return some consecutive events."""
        if rows == slice(0, len(self)):
            return self
        return self._with(self.events.take(rows), self.keys[rows])

    def _with(self, events: EventColumns, keys: NDArray[np.uint64]) -> PaneEvents:
        taken = PaneEvents(self.start_ms, self.end_ms, events, self.seed)
        taken.__dict__["keys"] = keys
        return taken
