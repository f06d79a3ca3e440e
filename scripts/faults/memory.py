"""Memory of a TaskManager and its Python workers, and how it grows with the events."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student_t

from flink_jobs.cluster.prerequisites import find_java
from scripts.shared.processes import process_group_members

_N_BLOCKS = 10
_WARM_UP = 0.5


class Growth(NamedTuple):
    """MiB per million events, with a 95 % interval."""

    slope: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.slope:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def python_mib(group: int) -> float:
    """Memory of the Python workers of a process group, shared pages divided among them."""
    total = 0
    for pid in process_group_members(group):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("python"):
                found = re.search(r"^Pss: +(\d+) kB", _smaps(pid), re.MULTILINE)
                total += int(found[1]) if found else 0
    return total / 2**10


def heap_mib(pid: int) -> float:
    """Live objects on the heap of a JVM, counted in the pause of a full collection.

    Resident memory would not show them: it grows to the maximum of the heap whatever lies in it.
    """
    program = find_java().resolve().parent / "jcmd"
    done = subprocess.run(
        [program, str(pid), "GC.class_histogram"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    name, _, n_bytes = done.stdout.splitlines()[-1].split()
    if name != "Total":
        raise RuntimeError(f"jcmd does not say how much of the heap of {pid} is used")
    return int(n_bytes) / 2**20


def growth(n_events: Sequence[int], mib: Sequence[float]) -> Growth | None:
    """The slope over the second half of the events; None where that has fewer than 20 readings.

    Readings follow each other closely and are not independent: the line goes through the means of
    10 blocks of readings, and the interval is Student's with 8 degrees of freedom.

    Examples
    --------
    >>> events = list(range(0, 10_000_000, 10_000))
    >>> found = growth(events, [100.0 + 3e-6 * n for n in events])
    >>> round(found.slope, 6), found.low <= 3 <= found.high
    (3.0, True)
    """
    x, y = np.array(n_events) / 1e6, np.array(mib)
    kept = x >= _WARM_UP * x[-1]
    if np.sum(kept) < 2 * _N_BLOCKS:
        return None
    blocks_x = [block.mean() for block in np.array_split(x[kept], _N_BLOCKS)]
    blocks_y = [block.mean() for block in np.array_split(y[kept], _N_BLOCKS)]
    line = linregress(blocks_x, blocks_y)
    half = float(student_t.ppf(0.975, _N_BLOCKS - 2) * line.stderr)
    slope = float(line.slope)
    return Growth(slope, slope - half, slope + half)


def _smaps(pid: int) -> str:
    return Path(f"/proc/{pid}/smaps_rollup").read_text()
