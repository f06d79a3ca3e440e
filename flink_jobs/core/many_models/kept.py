"""Alerts that are not decided yet, each an entry of its own: written once, removed once."""

from __future__ import annotations

from flink_jobs.core.state.entries import Entries
from flink_jobs.records.alerts import Alert

_NUMBERS = "numbers"


class KeptAlerts:
    """Alerts by number.

    Parameters
    ----------
    entries : Entries

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.core.state.model_state import InMemoryEntries
    >>> from flink_jobs.records.schemas import read_example
    >>> alert = msgspec.json.decode(read_example("alert"), type=Alert)
    >>> kept = KeptAlerts(Entries(InMemoryEntries()))
    >>> number = kept.keep(alert, at_ms=7)
    >>> kept.get(number) == alert, [at_ms for _, at_ms, _ in kept.all()]
    (True, [7])
    """

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._first, self._end = entries.load(_NUMBERS, tuple[int, int]) or (0, 0)
        self._there = {n for n in range(self._first, self._end) if self._find(n) is not None}

    def keep(self, alert: Alert, at_ms: int) -> int:
        """Keep an alert, and return its number; numbers grow."""
        number, self._end = self._end, self._end + 1
        self._there.add(number)
        self._entries.store(_name(number), (at_ms, alert))
        self._entries.store(_NUMBERS, (self._first, self._end))
        return number

    def replace(self, number: int, alert: Alert, at_ms: int) -> None:
        """Keep another alert under a number."""
        self._entries.store(_name(number), (at_ms, alert))

    def get(self, number: int) -> Alert:
        """Return an alert."""
        return self._load(number)[1]

    def take(self, number: int) -> Alert:
        """Return an alert and keep it no longer."""
        alert = self.get(number)
        self.drop(number)
        return alert

    def drop(self, number: int) -> None:
        """Keep an alert no longer."""
        self._entries.remove(_name(number))
        self._there.remove(number)
        while self._first < self._end and self._first not in self._there:
            self._first += 1

    def all(self) -> list[tuple[int, int, Alert]]:
        """List number, time and alert of all that are kept, by number."""
        return [(number, *self._load(number)) for number in sorted(self._there)]

    def _load(self, number: int) -> tuple[int, Alert]:
        kept = self._find(number)
        assert kept is not None  # noqa: S101 - a number is given to what was kept
        return kept

    def _find(self, number: int) -> tuple[int, Alert] | None:
        return self._entries.load(_name(number), tuple[int, Alert])


def _name(number: int) -> str:
    return f"alert/{number}"
