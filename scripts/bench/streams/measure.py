"""The cost of an event, and the size of what a detector keeps, as its stream grows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors import (
    BinnedEDetector,
    ClassifierEDetector,
    ConformalEDetector,
    KernelEDetector,
    SlidingKS,
    SlidingMMD,
    SlidingRFFMMD,
)
from detectors.base import FloatArray
from scripts.bench.harness import Spread, ratios

MARKS = (10_000, 100_000, 1_000_000)
N_REF, N_COLUMNS, WINDOW = 2_000, 10, 200
ROWS = 50
"""Rows of an update, as a pane would bring."""
_TIMED_UPDATES = 60
_RUN_TIME = 1e6


class Watch(Protocol):
    """Common interface of all detectors of a stream."""

    def fit(self, x_ref: FloatArray, /) -> object:
        """Take a reference."""
        ...

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """All that it keeps."""
        ...


def _row_by_row(detector: SlidingKS | SlidingMMD | SlidingRFFMMD, rows: FloatArray) -> None:
    for row in rows:
        detector.update(row)


def _at_once(detector: BinnedEDetector | KernelEDetector, rows: FloatArray) -> None:
    detector.update(rows, float(len(rows)))


@dataclass(frozen=True)
class Case:
    """A detector, and how a part of a stream reaches it."""

    make: Callable[[], Watch]
    feed: Callable[..., None]


CASES: Mapping[str, Case] = {
    "BinnedEDetector (`counts_e_detector`)": Case(lambda: BinnedEDetector(_RUN_TIME), _at_once),
    "KernelEDetector": Case(lambda: KernelEDetector(_RUN_TIME), _at_once),
    "ConformalEDetector": Case(lambda: ConformalEDetector(_RUN_TIME), _at_once),
    "ClassifierEDetector": Case(lambda: ClassifierEDetector(_RUN_TIME), _at_once),
    "SlidingKS": Case(lambda: SlidingKS(WINDOW), _row_by_row),
    "SlidingMMD": Case(lambda: SlidingMMD(WINDOW), _row_by_row),
    "SlidingRFFMMD": Case(lambda: SlidingRFFMMD(WINDOW), _row_by_row),
}


@dataclass(frozen=True)
class Mark:
    """One detector before a mark.

    Attributes
    ----------
    n_events : int
    us, us_of_new : float
        Median processor time of an event, and that of a detector that began with the mark.
    ratios : Spread
        Of the two, update by update in turn.
    kept_bytes : int
        All that it keeps.
    memory_bytes : int or None
        The part of it that updates change; None where it is not told apart.
    """

    n_events: int
    us: float
    us_of_new: float
    ratios: Spread
    kept_bytes: int
    memory_bytes: int | None


@dataclass(frozen=True)
class Measured:
    """The marks of each detector, and the load average before and after."""

    marks: Mapping[str, Sequence[Mark]]
    load: tuple[float, float]


def measure(marks: Sequence[int] = MARKS) -> Measured:
    """Feed a stream to each detector up to the last mark."""
    before = os.getloadavg()[0]
    found = {name: _marks(case, marks) for name, case in CASES.items()}
    return Measured(found, (before, os.getloadavg()[0]))


def _marks(case: Case, marks: Sequence[int]) -> list[Mark]:
    rng = np.random.default_rng(0)
    x_ref = rng.normal(size=(N_REF, N_COLUMNS))
    aged, n_events, found = case.make(), 0, []
    aged.fit(x_ref)

    def rows() -> FloatArray:
        return rng.normal(size=(ROWS, N_COLUMNS))

    for mark in marks:
        while n_events < mark - _TIMED_UPDATES * ROWS:
            case.feed(aged, rows())
            n_events += ROWS
        new = case.make()
        new.fit(x_ref)
        for _ in range(WINDOW // ROWS):
            case.feed(new, rows())
        pairs = [(_us(case, aged, rows()), _us(case, new, rows())) for _ in range(_TIMED_UPDATES)]
        n_events += _TIMED_UPDATES * ROWS
        of_aged, of_new = (list(each) for each in zip(*pairs, strict=True))
        found.append(
            Mark(
                n_events, median(of_aged), median(of_new), ratios(of_aged, of_new),
                sum(array.nbytes for array in aged.to_arrays().values()), _memory(aged),
            )
        )  # fmt: skip
    return found


def _us(case: Case, detector: Watch, rows: FloatArray) -> float:
    begun = time.process_time_ns()
    case.feed(detector, rows)
    return max(1, time.process_time_ns() - begun) / 1_000.0 / len(rows)


def _memory(detector: Watch) -> int | None:
    memory = getattr(detector, "memory", None)
    return None if memory is None else int(memory.nbytes)
