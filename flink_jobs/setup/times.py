"""Field of event time, its unit, and the order in which events come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flink_jobs.setup.facts import Facts
from flink_jobs.setup.names import CALENDAR, EVENT_TIMES, OTHER_TIMES, TIMES, has, words
from flink_jobs.times import iso_ms

TimeUnit = Literal["s", "ms", "us", "ns"]

UNIT_MS: dict[TimeUnit, float] = {"s": 1_000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
# 1990 to 2060: numbers in between are times, if anything says so.
_FIRST_S, _LAST_S = 631_152_000.0, 2_840_140_800.0
_FEWEST_SHARE = 0.95


@dataclass(frozen=True)
class TimeField:
    """A field that may hold event time.

    Attributes
    ----------
    facts : Facts
    times_ms : ndarray of float64, shape (n,)
        NaN where there is none.
    unit : str
        Of numbers; ``ms`` for the others.
    are_texts, are_dates : bool
        Whether times are texts; whether they are days without a time of day.
    has_zone : bool
        Whether they name a zone, or count from 1970.
    is_order : bool
        Whether it is not a time, but a number that grows with the rows.
    score : float
        How well it would do; more is better.
    """

    facts: Facts
    times_ms: NDArray[np.float64]
    unit: TimeUnit = "ms"
    are_texts: bool = False
    are_dates: bool = False
    has_zone: bool = True
    is_order: bool = False
    score: float = 0.0

    @property
    def span_ms(self) -> tuple[int, int]:
        """The first and the last moment."""
        return int(np.nanmin(self.times_ms)), int(np.nanmax(self.times_ms))


def time_fields(fields: Sequence[Facts]) -> list[TimeField]:
    """List the fields that may hold event time, the best one first.

    Examples
    --------
    >>> from flink_jobs.setup.facts import facts_of
    >>> from flink_jobs.setup.formats import Field
    >>> columns = {"birth_date": ["1990-05-01", "1971-02-03"],
    ...            "predicted_at": ["2026-01-01T10:00:00Z", "2026-01-01T10:00:01Z"]}
    >>> found = time_fields([facts_of(Field((name,), rows)) for name, rows in columns.items()])
    >>> [(each.facts.name, each.has_zone, each.are_dates) for each in found]
    [('predicted_at', True, False), ('birth_date', False, True)]
    """
    found = [each for facts in fields if (each := _time_field(facts)) is not None]
    return sorted(found, key=lambda each: -each.score)


def ascending_field(fields: Sequence[Facts], breaks: Sequence[int] = ()) -> TimeField | None:
    """Find a number that grows with the rows, for data without times.

    Parameters
    ----------
    fields : sequence of Facts
    breaks : sequence of int
        Rows at which another file begins: it may begin anew there.
    """
    for facts in fields:
        if facts.kind != "number" or not facts.are_whole or not facts.is_unique:
            continue
        if np.all(steps_of(facts.numbers, breaks) > 0) and facts.numbers.min() >= 0:
            return TimeField(facts, facts.numbers, is_order=True)
    return None


# Columns may hold numbers near the largest: nobody who asks for a configuration is warned of them.
@np.errstate(over="ignore", invalid="ignore")
def steps_of(numbers: NDArray[np.float64], breaks: Sequence[int] = ()) -> NDArray[np.float64]:
    """Return the differences between neighbours, but for those at breaks.

    Examples
    --------
    >>> steps_of(np.array([1.0, 3.0, 0.0, 4.0]), [2])
    array([2., 4.])
    """
    steps = np.diff(numbers)
    kept = [place - 1 for place in breaks if 0 < place < len(numbers)]
    return np.delete(steps, kept)


def lateness_ms(times_ms: NDArray[np.float64]) -> tuple[int, float]:
    """How far behind the newest event before them events come, at most, and the share that does.

    Examples
    --------
    >>> late_ms, share = lateness_ms(np.array([1.0, 5.0, 3.0, 6.0]))
    >>> late_ms, share
    (2, 0.25)
    """
    known = times_ms[np.isfinite(times_ms)]
    if not len(known):
        return 0, 0.0
    behind = np.maximum.accumulate(known) - known
    return int(behind.max()), float(np.mean(behind > 0))


def _time_field(facts: Facts) -> TimeField | None:
    if facts.n_present < _FEWEST_SHARE * facts.n or facts.role:
        return None
    match facts.kind:
        case "moment":
            return _of_moments(facts)
        case "category":
            return _of_texts(facts)
        case "number":
            return _of_numbers(facts)
        case _:
            return None


def _of_moments(facts: Facts) -> TimeField:
    times = np.array(
        [moment_ms(value) if isinstance(value, date) else np.nan for value in facts.values]
    )
    are_dates = not any(isinstance(value, datetime) for value in facts.values)
    has_zone = any(isinstance(v, datetime) and v.tzinfo is not None for v in facts.values)
    score = _score(facts, times) + (0 if are_dates else 2)
    return TimeField(facts, times, are_dates=are_dates, has_zone=has_zone, score=score)


def moment_ms(value: Any, unit: TimeUnit = "ms") -> float:
    """Milliseconds of a moment, or of a number of units since 1970; NaN of anything else.

    Examples
    --------
    >>> moment_ms(date(2026, 1, 1)), moment_ms(5, "s")
    (1767225600000.0, 5000.0)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) * UNIT_MS[unit]
    if not isinstance(value, date):
        return np.nan
    try:
        return float(iso_ms(value))
    except (ValueError, OverflowError):
        return np.nan


def _of_texts(facts: Facts) -> TimeField | None:
    some = [text for text in facts.texts[:200] if text is not None]
    if not some or np.mean([_iso(text) is not None for text in some[:20]]) < _FEWEST_SHARE:
        return None
    parsed = [None if text is None else _iso(text) for text in facts.texts]
    times = np.array([np.nan if each is None else iso_ms(each) for each in parsed], dtype=float)
    if np.isfinite(times).sum() < _FEWEST_SHARE * facts.n_present:
        return None
    are_dates = all(len(text.strip()) <= 10 for text in some)
    has_zone = np.mean([e is not None and e.tzinfo is not None for e in parsed]) > _FEWEST_SHARE
    score = _score(facts, times) + (0 if are_dates else 2)
    return TimeField(
        facts, times, are_texts=True, are_dates=are_dates, has_zone=bool(has_zone), score=score
    )


def _iso(text: str) -> datetime | None:
    # Python takes 20260101 and 2026-W01 as dates, too: a text without dashes is a number.
    if len(text) < 8 or "-" not in text[4:8]:
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _of_numbers(facts: Facts) -> TimeField | None:
    """Take numbers that lie between 1990 and 2060 in one unit, if their name or order says so."""
    known = facts.numbers[np.isfinite(facts.numbers)]
    middle = float(np.median(known))
    for unit, unit_ms in UNIT_MS.items():
        seconds = middle * unit_ms / 1_000
        if not _FIRST_S <= seconds <= _LAST_S:
            continue
        is_named = has(facts.name, TIMES) or words(facts.name)[-1:] in (["ms"], ["s"], ["ns"])
        is_ascending = len(known) > 1 and np.mean(np.diff(known) >= 0) > _FEWEST_SHARE
        if not (is_named or (is_ascending and facts.n_distinct > facts.n / 2)):
            return None
        times = np.floor(facts.numbers * unit_ms)
        score = _score(facts, times) + (2 if is_named else 0)
        return TimeField(facts, times, unit=unit, score=score)
    return None


def _score(facts: Facts, times_ms: NDArray[np.float64]) -> float:
    known = times_ms[np.isfinite(times_ms)]
    steps = np.diff(known)
    score = 4.0 * float(np.mean(steps >= 0)) if len(steps) else 0.0
    score += 2.0 * has(facts.name, TIMES)
    score += 2.0 * has(facts.name, EVENT_TIMES)
    score -= 3.0 * has(facts.name, OTHER_TIMES)
    score -= 3.0 * (has(facts.name, CALENDAR) and not has(facts.name, TIMES - CALENDAR))
    score -= 4.0 * facts.is_constant
    return score - 4.0 * facts.share_missing
