"""The cost of an event after a million others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from scripts.bench.detectors.worker import Worker
from scripts.bench.harness import Spread, ratios

NAME = "long-stream"
MARKS = [10_000, 100_000, 1_000_000]
_TIME_TOLERANCE = 1.1
_MEMORY_TOLERANCE = 1.05


@dataclass(frozen=True)
class Mark:
    """Time per event before a mark, and memory there.

    Attributes
    ----------
    n_events : int
        Events that the detector had taken in.
    seconds, seconds_of_new : float
        Median time per event, of this detector and of one that had just begun.
    ratios : Spread
        Of the two, chunk by chunk.
    rss_bytes : int
        Resident memory of the process.
    """

    n_events: int
    seconds: float
    seconds_of_new: float
    ratios: Spread
    rss_bytes: int


@dataclass(frozen=True)
class LongResult:
    """All marks, and the load average before and after."""

    marks: list[Mark]
    load: tuple[float, float]

    @property
    def flat(self) -> bool:
        """True where the last mark takes no more time than a new detector, and no more memory."""
        first, last = self.marks[0], self.marks[-1]
        return (
            last.ratios.median <= _TIME_TOLERANCE
            and last.rss_bytes <= _MEMORY_TOLERANCE * first.rss_bytes
        )


def measure_long_stream(worker: Worker, ends: Sequence[int] = MARKS) -> LongResult:
    """Feed events to one detector up to each of the marks."""
    before = os.getloadavg()[0]
    worker.prepare(NAME, "online_mmd_long", {"window_size": 100, "marks": [*ends]})
    marks = [_mark(**worker.run(NAME)["value"]) for _ in ends]
    return LongResult(marks, (before, os.getloadavg()[0]))


def _mark(n_events: int, seconds: list[float], seconds_of_new: list[float], rss_bytes: int) -> Mark:
    of_both = ratios(seconds, seconds_of_new)
    return Mark(n_events, median(seconds), median(seconds_of_new), of_both, rss_bytes)
