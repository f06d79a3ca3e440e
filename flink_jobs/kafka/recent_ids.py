"""Remembers the identifiers seen last, so that duplicates are recognised in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class RecentIds:
    """The ``capacity`` identifiers that were added or asked for last.

    Parameters
    ----------
    capacity : int
        At least 1. An identifier of 32 characters takes about 0.2 kB.

    Raises
    ------
    ValueError
        When ``capacity`` is less than 1.

    Examples
    --------
    >>> recent = RecentIds(capacity=2)
    >>> [recent.add(each) for each in ("a", "b", "a", "c", "a", "b")]
    [True, True, False, True, False, True]
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._capacity = capacity
        self._ids: OrderedDict[Hashable, None] = OrderedDict()

    def add(self, identifier: Hashable) -> bool:
        """Remember an identifier; whether it is new. A known one counts as just seen."""
        is_new = identifier not in self._ids
        self._ids[identifier] = None
        self._ids.move_to_end(identifier)
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
        return is_new

    def __len__(self) -> int:
        return len(self._ids)
