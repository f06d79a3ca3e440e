"""Counts and names as people read them."""

from __future__ import annotations

from collections.abc import Sequence


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
