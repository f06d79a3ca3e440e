"""Errors of the demonstration, apart from its parts."""

from __future__ import annotations


class DemoError(RuntimeError):
    """The demonstration cannot go on; the message says what to do or where to look."""
