r"""The entries of all models as Flink keyed state: one map for each shard of models.

PyFlink sends what changed in one value of state by a blocking round trip of its own, about 0.6 ms;
of a map it sends all that changed in one. So the key is a shard, and its map holds the entries of
all its models as ``<model>\0<entry>``.
"""

from __future__ import annotations

import sys
from collections import defaultdict

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from flink_jobs.core.bounded_cache import BoundedCache

ENTRIES_STATE = "entries"
# Bytes of Python objects apart from their content, in the cache: the entry, its name, their places.
_OVERHEAD_BYTES = 400


class ShardEntries:
    """Entries by model and name, of the shard that is the current key.

    A look into Flink's state costs a round trip of about 1 ms, for an entry that is not there as
    for one that is. Hence the names are kept, read once for each shard, and the entries
    themselves up to a number of bytes. PyFlink's own cache counts entries, however large, and never
    forgets the names of deleted ones: it is switched off, see ``python.map-state.read-cache-size``.

    Parameters
    ----------
    context : RuntimeContext
    most_cached_bytes : int
        Of the entries that are kept at hand.
    """

    def __init__(self, context: RuntimeContext, most_cached_bytes: int) -> None:
        # Raw bytes: without a type PyFlink would pickle the value.
        self._map = context.get_map_state(
            MapStateDescriptor(ENTRIES_STATE, Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE()))
        )
        self._cache: BoundedCache[bytes] = BoundedCache(most_cached_bytes, _size_of)
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._known_shards: set[int] = set()

    def enter(self, shard: int) -> None:
        """Learn what the shard holds, which is the current key, unless that is known."""
        if shard in self._known_shards:
            return
        self._known_shards.add(shard)
        for key in self._map.keys():  # noqa: SIM118 - no dictionary
            model, name = str(key).rsplit("\0", 1)
            self._names[model].add(sys.intern(name))

    def get(self, model: str, name: str) -> bytes | None:
        """Return an entry; None where there is none."""
        if name not in self._names.get(model, ()):
            return None
        key = _key(model, name)
        return self._cache.get(key, lambda: bytes(self._map.get(key)))

    def put(self, model: str, name: str, data: bytes) -> None:
        """Write an entry, in place of what it held."""
        self._names[model].add(sys.intern(name))
        key = _key(model, name)
        self._map.put(key, data)
        self._cache.put(key, data)

    def delete(self, model: str, name: str) -> None:
        """Remove an entry; nothing happens where there is none."""
        names = self._names.get(model, set())
        if name not in names:
            return
        names.remove(name)
        if not names:
            del self._names[model]
        key = _key(model, name)
        self._map.remove(key)
        self._cache.drop(key)

    def n_bytes(self, model: str) -> int:
        """Size of all entries of a model together."""
        names = self._names.get(model, ())
        return sum(len(self.get(model, name) or b"") for name in names)


class FlinkModelState:
    """The entries of one model; its shard is the current key."""

    def __init__(self, entries: ShardEntries, model: str) -> None:
        self._entries = entries
        self._model = model

    def get(self, name: str) -> bytes | None:
        """Return an entry; None where there is none."""
        return self._entries.get(self._model, name)

    def put(self, name: str, data: bytes) -> None:
        """Write an entry, in place of what it held."""
        self._entries.put(self._model, name, data)

    def delete(self, name: str) -> None:
        """Remove an entry; nothing happens where there is none."""
        self._entries.delete(self._model, name)

    def n_bytes(self) -> int:
        """Size of all entries together."""
        return self._entries.n_bytes(self._model)


def _key(model: str, name: str) -> str:
    return f"{model}\0{name}"


def _size_of(data: bytes) -> int:
    return len(data) + _OVERHEAD_BYTES
