"""Counts and names as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from flink_jobs.records.alerts import MAIN_DETECTOR, MAIN_VIEW


def count(n: int, thing: str, things: str = "") -> str:
    """So many of a thing.

    Examples
    --------
    >>> count(1, "window"), count(1_200, "window"), count(0, "class", "classes")
    ('1 window', '1,200 windows', '0 classes')
    """
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def first_names(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are.

    Examples
    --------
    >>> first_names(["a", "b", "c"], 2), first_names(["a"], 2)
    ('a, b and 1 more', 'a')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def watcher_name(view: str, detector: str) -> str:
    """Name what watches a model; empty for the one that a simple configuration has.

    Examples
    --------
    >>> watcher_name("inputs", "hourly"), watcher_name("inputs", "main")
    ('inputs · hourly', 'inputs')
    >>> watcher_name("main", "hourly"), watcher_name("main", "main")
    ('hourly', '')
    """
    named = (view if view != MAIN_VIEW else "", detector if detector != MAIN_DETECTOR else "")
    return " · ".join(filter(None, named))


def stream_name(model: str, view: str, detector: str) -> str:
    """Name a model with what watches it, where it is not the only one of a simple configuration.

    Examples
    --------
    >>> stream_name("fraud", "inputs", "main"), stream_name("fraud", "main", "main")
    ('fraud · inputs', 'fraud')
    """
    return " · ".join(filter(None, (model, watcher_name(view, detector))))
