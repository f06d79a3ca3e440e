"""Typed entries of one model: the one place where state becomes bytes and bytes become state."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

from flink_jobs.core.state.model_state import LiveEntries, ModelState

STATE_VERSION = 1
"""The first byte of every entry."""

_PREFIX = bytes([STATE_VERSION])
_encoder = msgspec.msgpack.Encoder()
_Kind = TypeVar("_Kind")


class StateVersionError(ValueError):
    """State bytes of a version that this code does not read."""


class Entries:
    """The entries of one model, as what they mean.

    Parameters
    ----------
    state : ModelState

    Attributes
    ----------
    n_written : int
        Bytes that went into the state.

    Examples
    --------
    >>> from flink_jobs.core.state.model_state import InMemoryEntries
    >>> entries = Entries(InMemoryEntries())
    >>> entries.store("numbers", [1, 2])
    4
    >>> entries.load("numbers", list[int])
    [1, 2]
    """

    def __init__(self, state: ModelState) -> None:
        self._state = state
        self._live = state.objects if isinstance(state, LiveEntries) else None
        self.n_written = 0

    def load(self, name: str, kind: type[_Kind]) -> _Kind | None:
        """Read an entry.

        Raises
        ------
        StateVersionError
            When the bytes come from a version that this code does not read.
        """
        if self._live is not None:
            return self._live.get(name)
        data = self._state.get(name)
        return None if data is None else decode(name, data, kind)

    def store(self, name: str, value: Any) -> int:
        """Write an entry, and return its size in bytes; 0 where it stays an object."""
        if self._live is not None:
            self._live[name] = value
            return 0
        data = encode(value)
        self._state.put(name, data)
        self.n_written += len(data)
        return len(data)

    def remove(self, name: str) -> None:
        """Remove an entry."""
        if self._live is not None:
            self._live.pop(name, None)
        else:
            self._state.delete(name)


def encode(value: Any) -> bytes:
    """Return the bytes of an entry."""
    return _PREFIX + _encoder.encode(value)


def decode(name: str, data: bytes, kind: type[_Kind]) -> _Kind:
    """Read the bytes of an entry; raises as :meth:`Entries.load`."""
    if data[:1] != _PREFIX:
        found = data[0] if data else "none"
        raise StateVersionError(
            f"the state's entry {name!r} has version {found}, and this code reads version "
            f"{STATE_VERSION}: go on with the code that wrote it, or start the job without its "
            "checkpoint or savepoint"
        )
    try:
        return cast(_Kind, _decoder(cast(Any, kind)).decode(memoryview(data)[1:]))
    except msgspec.DecodeError as error:
        raise StateVersionError(
            f"the state's entry {name!r} is of another kind: {error}"
        ) from error


@lru_cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)
