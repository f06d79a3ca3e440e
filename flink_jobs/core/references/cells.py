"""How references that move cut event time into cells, and which cells make a reference."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from flink_jobs.config.tables.references import Seasonal, Trailing

_LONGEST_STEP_BACK_MS = 3 * 3_600_000
"""Clocks have never gone back further."""


class Cells(Protocol):
    """How a kind of moving reference cuts event time."""

    def cell_of(self, at_ms: int) -> int:
        """Return the cell in which a moment lies, by its start."""
        ...

    def wanted(self, at_ms: int) -> list[int]:
        """Return the cells that make the reference of a window that starts at a moment."""
        ...

    def needed_from(self, at_ms: int) -> int:
        """Return the earliest cell that a window that starts at a moment or later needs."""
        ...


class TrailingCells:
    """Steps of a trailing reference.

    Examples
    --------
    >>> TrailingCells(Trailing(size_ms=20, gap_ms=10, step_ms=10)).wanted(105)
    [70, 80]
    """

    def __init__(self, table: Trailing) -> None:
        self._table = table

    def cell_of(self, at_ms: int) -> int:
        """Return the step in which a moment lies."""
        return at_ms - at_ms % self._table.step_ms

    def wanted(self, at_ms: int) -> list[int]:
        """Return the steps of ``size_ms`` that end ``gap_ms`` before the step of a moment."""
        end_ms = self.cell_of(at_ms) - self._table.gap_ms
        return list(range(end_ms - self._table.size_ms, end_ms, self._table.step_ms))

    def needed_from(self, at_ms: int) -> int:
        """Return the first of these."""
        return self.wanted(at_ms)[0]


class SeasonalCells:
    """Slots of a day or a week, by the clock of a time zone.

    A cell is named after the local time at which it starts, as if that were UTC. When clocks go
    back, the hour that comes twice is in the same slots twice.

    Examples
    --------
    >>> cells = SeasonalCells(Seasonal(period="day", slot_ms=3_600_000, n_periods=2))
    >>> [at_ms / 3_600_000 for at_ms in cells.wanted(50 * 3_600_000 + 5)]
    [2.0, 26.0]
    """

    def __init__(self, table: Seasonal) -> None:
        self._table = table
        self._zone = None if table.timezone == "UTC" else ZoneInfo(table.timezone)

    def cell_of(self, at_ms: int) -> int:
        """Return the slot in which a moment lies."""
        local_ms = at_ms + self._offset_ms(at_ms)
        return local_ms - local_ms % self._table.slot_ms

    def wanted(self, at_ms: int) -> list[int]:
        """Return the slots of the same local time in the ``n_periods`` before."""
        cell, table = self.cell_of(at_ms), self._table
        return [cell - n * table.period_ms for n in range(table.n_periods, 0, -1)]

    def needed_from(self, at_ms: int) -> int:
        """Return the first slot that this moment or a later one needs."""
        # Where clocks go back within three hours, later moments have an earlier local time.
        back_ms = max(0, self._offset_ms(at_ms) - self._offset_ms(at_ms + _LONGEST_STEP_BACK_MS))
        earliest_ms = self.cell_of(at_ms) - back_ms
        earliest_ms -= earliest_ms % self._table.slot_ms
        return earliest_ms - self._table.n_periods * self._table.period_ms

    def _offset_ms(self, at_ms: int) -> int:
        if self._zone is None:
            return 0
        moment = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(self._zone)
        offset = moment.utcoffset()
        assert offset is not None  # noqa: S101 - the moment has a zone
        return int(offset.total_seconds() * 1_000)
