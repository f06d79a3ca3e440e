"""Resident memory of a TaskManager and its Python workers, and how it grows with the events."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from resource import getpagesize
from typing import NamedTuple

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student_t

from scripts.shared.processes import process_group_members

_N_BLOCKS = 10
_WARM_UP = 0.3


class Reading(NamedTuple):
    """Memory after so many events, in MiB."""

    n_events: int
    java_mib: float
    python_mib: float


class Growth(NamedTuple):
    """MiB per million events, with a 95 % interval, and the level at the end in MiB."""

    slope: float
    low: float
    high: float
    last_mib: float

    def __str__(self) -> str:
        return f"{self.slope:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def read_memory(group: int, n_events: int) -> Reading:
    """Memory of the processes of a group, by what they run; those that just ended have none."""
    sums = {"java": 0, "python": 0}
    for pid in process_group_members(group):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            program = Path(f"/proc/{pid}/comm").read_text().strip()
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            for kind in sums:
                if program.startswith(kind):
                    sums[kind] += pages * getpagesize()
    return Reading(n_events, sums["java"] / 2**20, sums["python"] / 2**20)


def growth(n_events: Sequence[int], mib: Sequence[float]) -> Growth:
    """The slope after the first 30 % of the events.

    Readings follow each other closely and are not independent: the line goes through the means of
    10 blocks of readings, and the interval is Student's with 8 degrees of freedom.

    Examples
    --------
    >>> events = list(range(0, 10_000_000, 10_000))
    >>> found = growth(events, [100.0 + 3e-6 * n for n in events])
    >>> round(found.slope, 6), round(found.last_mib)
    (3.0, 129)
    """
    x, y = np.array(n_events) / 1e6, np.array(mib)
    kept = x >= _WARM_UP * x[-1]
    blocks_x = [block.mean() for block in np.array_split(x[kept], _N_BLOCKS)]
    blocks_y = [block.mean() for block in np.array_split(y[kept], _N_BLOCKS)]
    line = linregress(blocks_x, blocks_y)
    half = float(student_t.ppf(0.975, _N_BLOCKS - 2) * line.stderr)
    slope = float(line.slope)
    return Growth(slope, slope - half, slope + half, float(blocks_y[-1]))
