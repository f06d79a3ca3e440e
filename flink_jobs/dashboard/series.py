"""The last windows of one detector of one view of one model, in memory that does not grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flink_jobs.records.alerts import Score, ScoreStatus

COLUMNS = (
    "start_ms",
    "end_ms",
    "statistic",
    "threshold",
    "p_value",
    "effect_size",
    "n_events",
    "n_tested",
    "is_drift",
    "is_early",
    "status",
)
STATUSES = tuple(ScoreStatus)

_NAN = float("nan")


class Series:
    """The last ``capacity`` windows, as one block of numbers.

    A score takes 88 bytes here and about 2 kB as an object: 400 windows of 1,000 models are 35 MB
    instead of 800.

    Parameters
    ----------
    capacity : int
        At least 1.

    Attributes
    ----------
    n_seen : int
        Windows that were added since the beginning.
    reducer, test : str
        Of the last one.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> series = Series(capacity=2)
    >>> for _ in range(3):
    ...     series.add(msgspec.json.decode(read_example("score"), type=Score))
    >>> series.n_seen, len(series.after(0)["statistic"]), len(series.after(2)["statistic"])
    (3, 2, 1)
    """

    def __init__(self, capacity: int) -> None:
        self.n_seen = 0
        self.reducer = self.test = ""
        self._capacity = capacity
        self._rows = np.empty((capacity, len(COLUMNS)))

    def add(self, score: Score) -> None:
        """Remember a window in the place of the oldest."""
        window, threshold = score.window, score.threshold
        self._rows[self.n_seen % self._capacity] = (
            window.start_ms,
            window.end_ms,
            _or_nan(score.statistic),
            _or_nan(threshold.statistic if threshold else None),
            _or_nan(score.p_value),
            _or_nan(score.effect_size),
            window.n_events,
            window.n_tested,
            _or_nan(score.is_drift),
            window.closed_early,
            STATUSES.index(score.status),
        )
        self.n_seen += 1
        self.reducer, self.test = score.reducer, score.test

    def after(self, n_known: int) -> dict[str, list[Any]]:
        """The windows that came after the first ``n_known``, oldest first, by column.

        What was not computed is NaN, which becomes null in JSON.
        """
        return {name: values.tolist() for name, values in self.kept(n_known).items()}

    def kept(self, n_known: int = 0) -> dict[str, NDArray[np.float64]]:
        """Copy the same windows as arrays."""
        first = max(n_known, self.n_seen - self._capacity, 0)
        rows = self._rows[np.arange(first, self.n_seen) % self._capacity]
        return {name: rows[:, place] for place, name in enumerate(COLUMNS)}


def ratio(score: Score) -> float | None:
    """How much of its threshold the statistic reaches; None where there is none.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> score = msgspec.json.decode(read_example("score"), type=Score)
    >>> ratio(score) == round(score.statistic / score.threshold.statistic, 2)
    True
    """
    threshold = score.threshold.statistic if score.threshold else None
    if score.statistic is None or not threshold:
        return None
    return round(score.statistic / threshold, 2)


def _or_nan(value: float | None) -> float:
    return _NAN if value is None else value
