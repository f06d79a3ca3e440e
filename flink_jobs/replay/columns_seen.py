"""The columns that held a value at all: one that never does is most often a path that is wrong."""

from __future__ import annotations

import numpy as np

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.layouts import Layout, Layouts
from flink_jobs.intake.panes import Pane


class ColumnsSeen:
    """Looks at panes until each column has had a value.

    Parameters
    ----------
    config : DriftJobConfig

    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._layouts = Layouts(config)
        self._known: dict[int, Layout] = {}
        self._is_unseen: dict[int, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}

    def take(self, pane: Pane) -> None:
        """Look at the events of a pane."""
        layout = self._layouts.of(pane.model)
        # Layouts live as long as this does, so that their ids are theirs.
        is_unseen = self._is_unseen.get(id(layout))
        if is_unseen is None:
            is_unseen = np.ones(layout.n_slots, dtype=np.bool_)
            self._known[id(layout)], self._is_unseen[id(layout)] = layout, is_unseen
        if is_unseen.any() and len(pane.events):
            is_unseen &= np.isnan(pane.events.x).all(axis=0)

    @property
    def seen(self) -> set[str]:
        """The columns that had a value."""
        return self._names(is_seen=True)

    @property
    def unseen(self) -> set[str]:
        """The columns that had none, of models of which another may have had one."""
        return self._names(is_seen=False)

    def _names(self, *, is_seen: bool) -> set[str]:
        return {
            slot.column.name
            for key, layout in self._known.items()
            for slot, is_unseen in zip(layout.slots, self._is_unseen[key], strict=True)
            if bool(is_unseen) is not is_seen
        }
