"""Whether an event costs the same after a million others."""

from __future__ import annotations

import os
from dataclasses import dataclass

from scripts.bench.detectors.worker import Worker

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
    ratio : float
        Median of their ratios, chunk by chunk.
    rss_bytes : int
        Resident memory of the process.
    """

    n_events: int
    seconds: float
    seconds_of_new: float
    ratio: float
    rss_bytes: int


@dataclass(frozen=True)
class LongResult:
    """All marks, and the load average before and after."""

    marks: list[Mark]
    load: tuple[float, float]

    @property
    def flat(self) -> bool:
        """Whether the last mark takes no more time than a new detector, and no more memory."""
        first, last = self.marks[0], self.marks[-1]
        return (
            last.ratio <= _TIME_TOLERANCE and last.rss_bytes <= _MEMORY_TOLERANCE * first.rss_bytes
        )


def measure_long_stream(worker: Worker) -> LongResult:
    """Feed a million events to one detector."""
    before = os.getloadavg()[0]
    worker.prepare(NAME, "online_mmd_long", {"window_size": 100, "marks": MARKS})
    marks = [Mark(**worker.run(NAME)["value"]) for _ in MARKS]
    return LongResult(marks, (before, os.getloadavg()[0]))
