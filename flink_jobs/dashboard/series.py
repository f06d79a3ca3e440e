"""The last windows of one detector of one view of one model, in memory that does not grow."""

from __future__ import annotations

import numpy as np

from flink_jobs.records.alerts import ReferenceSummary, Score
from flink_jobs.reports.streams import COLUMNS, Windows, numbers_of

# A chart marks at most 5 stretches as the reference: one that moves is everywhere.
_MOST_REFERENCES = 6


class Series:
    """The last ``capacity`` windows, as one block of numbers.

    A score takes 104 bytes here and about 2 kB as an object: 400 windows of 1,000 models are 42 MB
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
    references : dict of str to ReferenceSummary
        The last ones that windows were compared with, by fingerprint.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> series = Series(capacity=2)
    >>> for _ in range(3):
    ...     series.add(msgspec.json.decode(read_example("score"), type=Score))
    >>> series.n_seen, len(series.windows()), len(series.references)
    (3, 2, 1)
    """

    def __init__(self, capacity: int) -> None:
        self.n_seen = 0
        self.reducer = self.test = ""
        self.references: dict[str, ReferenceSummary] = {}
        self._capacity = capacity
        self._rows = np.empty((capacity, len(COLUMNS)))

    def add(self, score: Score) -> None:
        """Remember a window in the place of the oldest."""
        self._rows[self.n_seen % self._capacity] = numbers_of(score)
        self.n_seen += 1
        self.reducer, self.test = score.reducer, score.test
        self.references[score.reference.fingerprint] = score.reference
        if len(self.references) > _MOST_REFERENCES:
            del self.references[next(iter(self.references))]

    def windows(self) -> Windows:
        """Copy the windows that are kept, by their end: those of a replay come after later ones."""
        first = max(self.n_seen - self._capacity, 0)
        return Windows.of(self._rows[np.arange(first, self.n_seen) % self._capacity])


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
