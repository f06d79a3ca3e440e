"""Raw rows that are kept while a reference is collected, an entry for each pane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flink_jobs.core.events import PaneEvents
from flink_jobs.core.sampling import smallest
from flink_jobs.core.state.entries import Entries
from flink_jobs.core.state.rows import StoredRows, store_rows
from flink_jobs.core.state.status import ViewStatus
from flink_jobs.intake.event_columns import EventColumns, concatenate


class CollectedRows:
    """The rows of the reference that a view is collecting.

    Parameters
    ----------
    entries : Entries
    status : ViewStatus
        Of the view; holds the numbers of the entries.
    """

    def __init__(self, entries: Entries, status: ViewStatus) -> None:
        self._entries = entries
        self._status = status

    def add(self, pane: PaneEvents) -> None:
        """Keep the events of a pane."""
        status = self._status
        n_bytes = self._write(store_rows(pane.events, pane.keys))
        status.n_rows += len(pane)
        status.rows_bytes += n_bytes
        status.last_rows_ms = pane.end_ms

    def bound(self, most: int) -> None:
        """Keep a sample, where there are more than ``most`` rows."""
        status = self._status
        if status.n_rows <= most:
            return
        events, keys = self.all()
        chosen = smallest(keys, most)
        self.clear()
        status.rows_bytes = self._write(store_rows(events.take(chosen), keys[chosen]))
        status.n_rows = most

    def all(self) -> tuple[EventColumns, NDArray[np.uint64]]:
        """Return all rows and their hashes; there is at least one row."""
        stored = [self._read(n) for n in range(self._status.first_rows, self._status.end_rows)]
        events = concatenate([each.events() for each in stored])
        return events, np.concatenate([each.key_array for each in stored])

    def clear(self) -> None:
        """Forget all rows."""
        status = self._status
        for number in range(status.first_rows, status.end_rows):
            self._entries.remove(self._name(number))
        status.first_rows = status.end_rows
        status.n_rows = status.rows_bytes = 0

    def _write(self, rows: StoredRows) -> int:
        number = self._status.end_rows
        self._status.end_rows += 1
        return self._entries.store(self._name(number), rows)

    def _read(self, number: int) -> StoredRows:
        rows = self._entries.load(self._name(number), StoredRows)
        if rows is None:
            raise RuntimeError(f"the state does not hold the entry {self._name(number)}")
        return rows

    def _name(self, number: int) -> str:
        return f"rows/{self._status.name}/{number}"
