"""Errors while following a topic or sending a command."""

from __future__ import annotations


class FollowError(RuntimeError):
    """A topic that cannot be read or written; the message says what to do."""
