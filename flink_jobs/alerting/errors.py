"""What can go wrong while following a topic."""

from __future__ import annotations


class FollowError(RuntimeError):
    """A topic that cannot be followed; the message says what to do."""
