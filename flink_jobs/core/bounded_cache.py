"""A cache that holds values up to a total size."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class BoundedCache(Generic[_Value]):
    """Values by key; random ones go when all together are too large.

    Models come in turn. Where a few more are watched than fit, the value that was used least
    recently is always the next one needed, so that every look-up would miss; with random ones gone
    the share of misses is the share that does not fit.

    Parameters
    ----------
    max_size : int
        Of all values, in the unit of ``size_of``. The newest value stays, however large.
    size_of : callable
        Gives the size of a value.

    Attributes
    ----------
    size : int
        Of all values that are held.

    Examples
    --------
    >>> cache = BoundedCache(10, len)
    >>> cache.get("a", lambda: "made"), cache.get("a", lambda: "made again")
    ('made', 'made')
    """

    def __init__(self, max_size: int, size_of: Callable[[_Value], int]) -> None:
        self._max_size = max_size
        self._size_of = size_of
        self._values: dict[Hashable, tuple[int, _Value]] = {}
        # In any order, and where each key lies among them, so that a random one is found at once.
        self._keys: list[Hashable] = []
        self._places: dict[Hashable, int] = {}
        self.size = 0
        self._random = random.Random(0)  # noqa: S311 - no secret depends on it

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """Return the value of a key, which ``make`` makes where it is not at hand."""
        if key in self._values:
            return self._values[key][1]
        value = make()
        self.put(key, value)
        return value

    def put(self, key: Hashable, value: _Value) -> None:
        """Hold a value, in place of what the key had."""
        self.drop(key)
        size = self._size_of(value)
        while self._keys and self.size + size > self._max_size:
            self.drop(self._random.choice(self._keys))
        self._values[key] = size, value
        self._places[key] = len(self._keys)
        self._keys.append(key)
        self.size += size

    def drop(self, key: Hashable) -> None:
        """Hold the value of a key no longer; nothing happens where there is none."""
        if key not in self._values:
            return
        size, _ = self._values.pop(key)
        self.size -= size
        place, last = self._places.pop(key), self._keys.pop()
        if last != key:
            self._keys[place] = last
            self._places[last] = place
