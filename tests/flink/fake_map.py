"""A map state without Flink: that of whichever shard is the current key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class FakeContext:
    """Stands in for a runtime context; ``shard`` is the current key.

    Attributes
    ----------
    maps : dict
        What lies in Flink's state, by shard.
    n_looks : int
        How often it was looked into: each look is a round trip.
    """

    def __init__(self) -> None:
        self.maps: dict[int, dict[str, bytes]] = {}
        self.shard = 0
        self.n_looks = 0

    def get_map_state(self, descriptor: Any) -> FakeContext:
        return self

    @property
    def _map(self) -> dict[str, bytes]:
        return self.maps.setdefault(self.shard, {})

    def get(self, key: str) -> bytes | None:
        self.n_looks += 1
        return self._map.get(key)

    def put(self, key: str, value: bytes) -> None:
        self._map[key] = value

    def remove(self, key: str) -> None:
        del self._map[key]

    def keys(self) -> Iterator[str]:
        self.n_looks += 1
        return iter(list(self._map))
