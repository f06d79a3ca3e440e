"""Counts dead letters and keeps the first of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter

from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.replay.result import MOST_DEAD_LETTERS

_place = attrgetter("partition", "offset")


class DeadLetterLog:
    """The number of dead letters by reason and by model, and the first ones of the history.

    First in the history, not first to come: so they are the same for any number of processes.
    """

    def __init__(self) -> None:
        self.n_by_reason: Counter[str] = Counter()
        self.n_by_model: Counter[str] = Counter()
        self._kept: list[DeadLetter] = []

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Take dead letters."""
        for letter in letters:
            self.n_by_reason[letter.reason.value] += 1
            if letter.model is not None:
                self.n_by_model[letter.model] += 1
            self._kept.append(letter)
        if len(self._kept) > 2 * MOST_DEAD_LETTERS:
            self._kept = self.first()

    def first(self) -> list[DeadLetter]:
        """The first of them, in the order of the history."""
        return sorted(self._kept, key=_place)[:MOST_DEAD_LETTERS]
