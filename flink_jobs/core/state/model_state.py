"""What is remembered of one model: bytes by name.

An entry is what changes together. Those that a pane leaves alone are neither read nor written, and
one that is no longer needed is deleted.
"""

from __future__ import annotations

from typing import Protocol


class ModelState(Protocol):
    """The entries of one model; a name holds no NUL."""

    def get(self, name: str) -> bytes | None:
        """Return an entry; None where there is none."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write an entry, in place of what it held."""
        ...

    def delete(self, name: str) -> None:
        """Remove an entry; nothing happens where there is none."""
        ...


class InMemoryEntries:
    """Entries for backtests and tests.

    Examples
    --------
    >>> state = InMemoryEntries()
    >>> state.put("status", b"collecting")
    >>> state.get("status"), state.get("reference/main")
    (b'collecting', None)
    >>> state.delete("status")
    >>> state.get("status")
    """

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        """Return an entry; None where there is none."""
        return self.entries.get(name)

    def put(self, name: str, data: bytes) -> None:
        """Write an entry, in place of what it held."""
        self.entries[name] = data

    def delete(self, name: str) -> None:
        """Remove an entry; nothing happens where there is none."""
        self.entries.pop(name, None)
