"""The stored entries of one model."""

from __future__ import annotations

from typing import Any, Protocol


class ModelState(Protocol):
    """Entries of one model, by name."""

    def get(self, name: str) -> bytes | None:
        """Return an entry; None where there is none."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write an entry, in the place of one of the same name."""
        ...

    def delete(self, name: str) -> None:
        """Remove an entry, where there is one."""
        ...


class InMemoryEntries:
    """Entries in memory, for tests.

    Attributes
    ----------
    entries : dict of str to bytes

    Examples
    --------
    >>> state = InMemoryEntries()
    >>> state.put("status", b"block")
    >>> state.get("status"), state.get("reference/main")
    (b'block', None)
    """

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        """Return an entry; None where there is none."""
        return self.entries.get(name)

    def put(self, name: str, data: bytes) -> None:
        """Write an entry, in the place of one of the same name."""
        self.entries[name] = data

    def delete(self, name: str) -> None:
        """Remove an entry, where there is one."""
        self.entries.pop(name, None)


class LiveEntries(InMemoryEntries):
    """Entries of a replay, which nothing interrupts: values stay objects and are not encoded.

    Attributes
    ----------
    objects : dict of str to object
        The monitor changes some of them in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, Any] = {}
