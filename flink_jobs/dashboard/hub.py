"""Brings what is new to all open pages, a few times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from flink_jobs.dashboard.errors import DashboardError
from flink_jobs.dashboard.feed import Feed
from flink_jobs.dashboard.state import LiveState

TICK_S = 0.3
BEAT_S = 2.0
MOST_PAGES = 32
# A page that takes nothing for 20 s has to begin anew.
_MOST_WAITING = int(20 / TICK_S)


class Hub:
    """Encodes the changes once and gives them to every page.

    Parameters
    ----------
    state : LiveState
    feed : Feed
        Asked how it is.
    facts : dict of str to Any
        What every page is told when it begins.
    is_ending : callable
        Whether the server is about to stop: open streams would keep it from that.
    """

    def __init__(
        self,
        state: LiveState,
        feed: Feed,
        facts: dict[str, Any],
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._state = state
        self._feed = feed
        self._facts = facts
        self._is_ending = is_ending
        self._pages: set[asyncio.Queue[bytes | None]] = set()
        self._beat_s = 0.0

    async def run(self) -> None:
        """Bring changes until the task is cancelled or the server ends."""
        while not self._is_ending():
            self._bring_changes()
            await asyncio.sleep(TICK_S)
        for page in list(self._pages):
            self._leave(page)

    async def follow(self) -> AsyncIterator[bytes]:
        """Server-sent events for one page: all that is known, then what is new."""
        page: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING)
        with self._state.lock:
            # What is new goes to those who are there already; this one gets it with everything.
            self._bring_changes()
            everything = self._state.everything()
        self._pages.add(page)
        try:
            yield b"retry: 2000\n\n" + _event("facts", self._facts)
            yield _event("everything", everything)
            yield _event("beat", self._health())
            while (message := await page.get()) is not None:
                yield message
        finally:
            self._pages.discard(page)

    def require_room(self) -> None:
        """Refuse a page too many.

        Raises
        ------
        DashboardError
        """
        if len(self._pages) >= MOST_PAGES:
            raise DashboardError(f"{MOST_PAGES} pages are open already: close one")

    def _bring_changes(self) -> None:
        changes = self._state.drain()
        if not self._pages:
            return
        encoded = msgspec.json.encode(changes)
        if encoded != b"{}":
            self._bring(_framed("changes", encoded))
        now_s = time.monotonic()
        if now_s - self._beat_s >= BEAT_S:
            self._beat_s = now_s
            self._bring(_event("beat", self._health()))

    def _bring(self, message: bytes) -> None:
        for page in list(self._pages):
            try:
                page.put_nowait(message)
            except asyncio.QueueFull:
                self._leave(page)

    def _leave(self, page: asyncio.Queue[bytes | None]) -> None:
        """End a page's stream; the browser comes again and begins with everything."""
        self._pages.discard(page)
        while not page.empty():
            page.get_nowait()
        page.put_nowait(None)

    def _health(self) -> dict[str, Any]:
        heard_s = self._state.heard_s
        return {
            "heard_ago_s": None if heard_s is None else round(time.monotonic() - heard_s, 1),
            "is_history_read": self._feed.is_history_read,
            "problem": self._feed.problem,
            "n_skipped": self._state.n_skipped,
            "n_forgotten": self._state.n_forgotten,
        }


def _event(name: str, content: Any) -> bytes:
    return _framed(name, msgspec.json.encode(content))


def _framed(name: str, encoded: bytes) -> bytes:
    # JSON holds no line break: whatever a model is called, an event stays one event.
    return b"event: " + name.encode() + b"\ndata: " + encoded + b"\n\n"
