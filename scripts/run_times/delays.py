"""How soon shifts are found by detectors that have, as measured, the same run time.

Each detector gives scores of one table. Where a score first reaches a threshold is when it alarms.
A threshold for each makes the mean time until that, without a shift, the same for all; then streams
shift. None of them keeps what it promises with such a threshold: what is compared is how well a
statistic tells a shift from chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from detectors import (
    BinnedEDetector,
    ClassifierEDetector,
    ConformalEDetector,
    FourierMMDTest,
    KernelEDetector,
    MixedTest,
    SlidingMMD,
    TwoSampleTest,
)
from detectors.base import FloatArray
from scripts.run_times.first_passage import Records, records_of
from scripts.run_times.peer_process import ask
from scripts.run_times.streams import as_numbers, reference_and_table

N_REF, N_TEST, SLIDE = 1_000, 100, 20
N_BEFORE, N_AFTER, N_QUIET = 200, 1_000, 10_000
"""Rows before a shift, after it, and of a stream without one."""
_SMALLEST = 1e-300

Scores = Callable[[FloatArray, FloatArray], Iterator[tuple[int, float]]]


class _Evidence(Protocol):
    def fit(self, x_ref: ArrayLike) -> object: ...

    def update(self, x: ArrayLike, weight: float = 1.0) -> float: ...


@dataclass(frozen=True)
class Passage:
    """One detector on one stream.

    Attributes
    ----------
    detector : str
        One of ``OURS`` or ``THEIRS``.
    number : int
        Of the stream.
    shift : str or None
    stop_at : float or None
        The threshold; None where all scores are wanted.
    """

    detector: str
    number: int
    shift: str | None = None
    stop_at: float | None = None


def passed(task: Passage) -> Records:
    """Run a detector; the scores that were higher than all before them."""
    n_before, n_after = (0, N_QUIET) if task.shift is None else (N_BEFORE, N_AFTER)
    if task.detector in BY_PEERS:
        peer, kind = BY_PEERS[task.detector]
        request = {
            "do": "score", "kind": kind, "n_ref": N_REF, "number": task.number, "n_test": N_TEST,
            "n_before": n_before, "n_after": n_after, "shift": task.shift, "stop_at": task.stop_at,
        }  # fmt: skip
        return [(int(n), float(score)) for n, score in ask(peer, request)["records"]]
    x_ref, rows = reference_and_table(N_REF, task.number, n_before, n_after, task.shift)
    scores = OURS.get(task.detector, _mmd_of_alibi)
    return records_of(scores(x_ref, rows), task.stop_at)


def threshold_for(quiet: Sequence[Records], run_time: float) -> tuple[float, float]:
    """Give the lowest threshold with at least this mean time until an alarm, and that time.

    The mean time is all that was watched until the first alarm of each stream, or its end, over the
    number of alarms.

    Examples
    --------
    >>> quiet = [[(20, 1.0), (300, 2.0)], [(100, 1.5)]]
    >>> threshold_for(quiet, 1_000)
    (2.0, 10300.0)
    """
    scores = sorted({score for records in quiet for _, score in records})
    low, high = 0, len(scores) - 1
    while low < high:
        middle = (low + high) // 2
        if _mean_time(quiet, scores[middle]) >= run_time:
            high = middle
        else:
            low = middle + 1
    return scores[low], _mean_time(quiet, scores[low])


def _mean_time(quiet: Sequence[Records], threshold: float) -> float:
    firsts = [
        next((n_rows for n_rows, score in records if score >= threshold), None) for records in quiet
    ]
    n_alarms = sum(first is not None for first in firsts)
    watched = sum(N_QUIET if first is None else first for first in firsts)
    return watched / max(n_alarms, 1)


def delays(found: Sequence[Records], threshold: float) -> FloatArray:
    """Give the rows from a shift to its alarm, infinite without one.

    Streams that alarmed before the shift are left out.
    """
    firsts = [
        next((n_rows for n_rows, score in records if score >= threshold), math.inf)
        for records in found
    ]
    return np.array([first - N_BEFORE for first in firsts if first > N_BEFORE], dtype=np.float64)


def _windows_of(make: Callable[[], TwoSampleTest], *, needs_numbers: bool) -> Scores:
    """Score a window by the larger p-value of two in a row, as the usual policy does."""

    def scores(x_ref: FloatArray, rows: FloatArray) -> Iterator[tuple[int, float]]:
        if needs_numbers:
            x_ref, rows = as_numbers(x_ref, rows)
        test, rng, before = make().fit(x_ref), np.random.default_rng(0), 1.0
        for end in range(N_TEST, len(rows) + 1, SLIDE):
            p_value = test.test(rows[end - N_TEST : end], rng=rng).p_value
            yield end, -math.log10(max(p_value, before, _SMALLEST))
            before = p_value

    return scores


def _evidence_of(make: Callable[[], _Evidence], *, needs_numbers: bool) -> Scores:
    def scores(x_ref: FloatArray, rows: FloatArray) -> Iterator[tuple[int, float]]:
        if needs_numbers:
            x_ref, rows = as_numbers(x_ref, rows)
        detector = make()
        detector.fit(x_ref)
        for end in range(SLIDE, len(rows) + 1, SLIDE):
            yield end, math.log(detector.update(rows[end - SLIDE : end], weight=float(SLIDE)))

    return scores


def _mmd_of_alibi(x_ref: FloatArray, rows: FloatArray) -> Iterator[tuple[int, float]]:
    """Score each row as ``MMDDriftOnline`` does, a hundred times as fast.

    ``make bench-detectors`` holds both statistics against each other. Like it, this sets two
    windows less a row of the reference aside, and begins with a window of them.
    """
    reference, stream = as_numbers(x_ref, rows)
    n_kept = N_REF - (2 * N_TEST - 1)
    sliding = SlidingMMD(N_TEST).fit(reference[:n_kept])
    for row in reference[-N_TEST:]:
        sliding.update(row)
    for n_rows, row in enumerate(stream, 1):
        statistic = sliding.update(row)
        assert statistic is not None
        yield n_rows, statistic


_RUN_TIME = 1_000.0  # Evidence does not depend on it.

OURS: Mapping[str, Scores] = MappingProxyType(
    {
        "mixed": _windows_of(lambda: MixedTest([0]), needs_numbers=False),
        "mmd_features": _windows_of(FourierMMDTest, needs_numbers=True),
        "counts_e_detector": _evidence_of(
            lambda: BinnedEDetector(_RUN_TIME, categorical_columns=[0]), needs_numbers=False
        ),
        "KernelEDetector": _evidence_of(lambda: KernelEDetector(_RUN_TIME), needs_numbers=True),
        "ConformalEDetector": _evidence_of(
            lambda: ConformalEDetector(_RUN_TIME), needs_numbers=True
        ),
        "ClassifierEDetector": _evidence_of(
            lambda: ClassifierEDetector(_RUN_TIME), needs_numbers=True
        ),
    }
)

BY_PEERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "LSDDDriftOnline": ("alibi", "lsdd"),
        "CVMDriftOnline": ("alibi", "cvm"),
        "ADWIN": ("river", "adwin"),
        "PageHinkley": ("river", "page_hinkley"),
    }
)
"""Worker and kind of those that other libraries compute themselves."""

THEIRS = ("MMDDriftOnline", *BY_PEERS)
