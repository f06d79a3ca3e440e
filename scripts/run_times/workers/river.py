"""river's detectors, which watch one number: of a table each column has one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from river.drift import ADWIN, KSWIN, PageHinkley  # type: ignore[import-not-found]

from scripts.run_times.streams import Rows
from scripts.run_times.workers.protocol import serve

# ADWIN has no statistic: each of these would have alarmed, or not.
_DELTAS = 10.0 ** -np.linspace(0.1, 12.0, 30)


def alarms(
    kind: str, x_ref: Rows, n_test: int, run_time: float, seed: int
) -> Callable[[Any], bool]:
    """Take the defaults, which know no run time; the reference is the stream's beginning."""
    detector = {
        "adwin": ADWIN,
        "page_hinkley": PageHinkley,
        "kswin": lambda: KSWIN(seed=seed),
    }[kind]()
    for value in x_ref[:, 0].tolist():
        detector.update(value)

    def is_alarm(row: Any) -> bool:
        detector.update(float(row[0]))
        return bool(detector.drift_detected)

    return is_alarm


def scores(
    kind: str, x_ref: Rows, rows: Rows, n_test: int, seed: int
) -> Iterator[tuple[int, float]]:
    """Score each row by the column that says most; columns have the reference's unit."""
    deviations = x_ref.std(axis=0)
    unit = np.where(deviations > 0.0, deviations, 1.0)
    before, after = ((each - x_ref.mean(axis=0)) / unit for each in (x_ref, rows))
    score = {"adwin": _adwin, "page_hinkley": _page_hinkley}[kind](x_ref.shape[1])
    for row in before:
        score(row.tolist())
    for n_rows, row in enumerate(after, 1):
        yield n_rows, score(row.tolist())


def _adwin(width: int) -> Callable[[list[float]], float]:
    """Give the smallest delta that alarms, as a negative power of ten."""
    detectors = [[ADWIN(delta=float(delta)) for delta in _DELTAS] for _ in range(width)]
    powers = (-np.log10(_DELTAS)).tolist()

    def score(row: list[float]) -> float:
        found = 0.0
        for value, of_column in zip(row, detectors, strict=True):
            for power, detector in zip(powers, of_column, strict=True):
                detector.update(value)
                if detector.drift_detected:
                    found = max(found, power)
        return found

    return score


def _page_hinkley(width: int) -> Callable[[list[float]], float]:
    detectors = [PageHinkley(threshold=float("inf")) for _ in range(width)]

    def score(row: list[float]) -> float:
        for value, detector in zip(row, detectors, strict=True):
            detector.update(value)
        return max(
            float(max(d._sum_increase - d._min_increase, d._max_decrease - d._sum_decrease))
            for d in detectors
        )

    return score


if __name__ == "__main__":
    serve(alarms, scores)
