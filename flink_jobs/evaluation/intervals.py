"""Stretches of time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Spans = NDArray[np.int64]
"""Stretches of time that neither overlap nor touch, in order, shape (n, 2)."""


def merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """The union of spans; those that touch are joined."""
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif end > start:
            merged.append([start, end])
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


def intersection(a: Spans, b: Spans) -> Spans:
    """What lies in both."""
    parts = [
        (max(start, other_start), min(end, other_end))
        for start, end in a.tolist()
        for other_start, other_end in _near(b, start, end)
    ]
    return merged(parts)


def _near(spans: Spans, start: int, end: int) -> list[list[int]]:
    first = int(np.searchsorted(spans[:, 1], start, side="right"))
    last = int(np.searchsorted(spans[:, 0], end, side="left"))
    near: list[list[int]] = spans[first:last].tolist()
    return near


def total(spans: Spans) -> int:
    """How long they are together."""
    return int((spans[:, 1] - spans[:, 0]).sum())
