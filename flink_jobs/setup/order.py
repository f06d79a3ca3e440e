"""The order in which events of files and partitions come, and what a job needs to know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from flink_jobs.setup.sample import Sample
from flink_jobs.setup.times import TimeUnit, lateness_ms, moment_ms
from flink_jobs.setup.timing import nice_ms

_DEFAULT_MS = 5_000


@dataclass(frozen=True)
class Order:
    """How events lie in time.

    Attributes
    ----------
    span_ms : tuple of int
        The first and the last moment.
    late_ms : int
        How far an event lies behind the newest before it, at most.
    share_late : float
    are_side_by_side : bool
        Whether the files of a folder overlap in time, or their names are not in order of time.
    """

    span_ms: tuple[int, int]
    late_ms: int = 0
    share_late: float = 0.0
    are_side_by_side: bool = False

    @property
    def length_ms(self) -> int:
        """From the first moment to the last."""
        return self.span_ms[1] - self.span_ms[0]

    @property
    def bound_ms(self) -> int:
        """The bound of lateness that lets all pass; 0 where the default does."""
        return nice_ms(1.5 * self.late_ms) if self.late_ms > _DEFAULT_MS / 2 else 0

    @property
    def is_none(self) -> bool:
        """True if the rows are in no order of time at all."""
        return self.late_ms > self.length_ms / 4 and self.share_late > 0.2


def order_of(
    sample: Sample, times_ms: NDArray[np.float64], column: str = "", unit: TimeUnit = "ms"
) -> Order:
    """Look at the order of the times of a sample, file by file or partition by partition.

    Parameters
    ----------
    sample : Sample
    times_ms : ndarray of float64
    column : str
        The column of a table that holds them, whose bounds a file may know.
    unit : str
        Of its numbers.

    Examples
    --------
    >>> sample = Sample("a.csv", "a", "table", trees=[{}] * 3)
    >>> order_of(sample, np.array([1e12, 1e12 + 60_000, 1e12 + 20_000])).bound_ms
    60000
    """
    known = times_ms[np.isfinite(times_ms)]
    if not len(known):
        return Order((0, 0))
    runs = [run for run in _runs(sample, times_ms) if np.isfinite(run).any()]
    late = [lateness_ms(run) for run in runs]
    bounds = [(np.nanmin(run), np.nanmax(run)) for run in runs]
    overlap = any(end > start for (_, end), (start, _) in pairwise(bounds))
    ends = [each.bounds[column] for each in sample.files if column in each.bounds]
    known = np.concatenate([known, [moment_ms(end, unit) for pair in ends for end in pair]])
    return Order(
        (int(np.nanmin(known)), int(np.nanmax(known))),
        max(late_ms for late_ms, _ in late),
        max(share for _, share in late),
        sample.holder != "topic" and len(runs) > 1 and overlap,
    )


def _runs(sample: Sample, times_ms: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    if sample.holder == "topic" and len(sample.records) == len(times_ms):
        numbers = np.array([record.partition for record in sample.records])
        for number in np.unique(numbers):
            yield times_ms[numbers == number]
    elif len(sample.files) > 1:
        for part in sample.files:
            yield times_ms[slice(*part.rows)]
    else:
        yield times_ms
