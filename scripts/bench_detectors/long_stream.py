"""Whether an event costs the same after a million others."""

from __future__ import annotations

import os
from dataclasses import dataclass

from scripts.bench_detectors.worker import Worker

NAME = "long-stream"
MARKS = [10_000, 100_000, 1_000_000]
_TIME_TOLERANCE = 1.25
_MEMORY_TOLERANCE = 1.05


@dataclass(frozen=True)
class Mark:
    """Time per event in the last 10,000 events before a mark, and the memory there."""

    n_events: int
    seconds_min: float
    seconds_median: float
    rss_bytes: int


@dataclass(frozen=True)
class LongResult:
    """All marks, and the load average before and after."""

    marks: list[Mark]
    load: tuple[float, float]

    @property
    def flat(self) -> bool:
        """Whether neither time nor memory rose from the first mark to the last."""
        first, last = self.marks[0], self.marks[-1]
        return (
            last.seconds_min <= _TIME_TOLERANCE * first.seconds_min
            and last.rss_bytes <= _MEMORY_TOLERANCE * first.rss_bytes
        )


def measure_long_stream(worker: Worker) -> LongResult:
    """Feed a million events to one detector."""
    before = os.getloadavg()[0]
    worker.prepare(NAME, "online_mmd_long", {"window_size": 100, "marks": MARKS})
    marks = [Mark(**worker.run(NAME)["value"]) for _ in MARKS]
    return LongResult(marks, (before, os.getloadavg()[0]))
