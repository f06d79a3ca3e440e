"""The three blocks of :class:`MonitorState` as entries, for the monitor that knows no entries."""

from __future__ import annotations

from flink_jobs.core.state.model_state import ModelState


class ThreeBlocks:
    """A :class:`~flink_jobs.core.state.state.MonitorState` that lies in three entries.

    Examples
    --------
    >>> from flink_jobs.core.state.model_state import InMemoryEntries
    >>> entries = InMemoryEntries()
    >>> ThreeBlocks(entries).write_recent(b"block")
    >>> entries.get("recent")
    b'block'
    """

    def __init__(self, entries: ModelState) -> None:
        self._entries = entries

    def read_reference(self) -> bytes | None:
        """The reference block."""
        return self._entries.get("reference")

    def write_reference(self, block: bytes) -> None:
        """Replace the reference block."""
        self._entries.put("reference", block)

    def read_recent(self) -> bytes | None:
        """The recent block."""
        return self._entries.get("recent")

    def write_recent(self, block: bytes) -> None:
        """Replace the recent block."""
        self._entries.put("recent", block)

    def read_history(self) -> bytes | None:
        """The history block."""
        return self._entries.get("history")

    def write_history(self, block: bytes) -> None:
        """Replace the history block."""
        self._entries.put("history", block)
