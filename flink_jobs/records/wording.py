"""Times and counts as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999


def moment(time_ms: int) -> str:
    """A moment of event time.

    Examples
    --------
    >>> moment(1_767_225_600_000), moment(-(2**53))
    ('2026-01-01 00:00 UTC', '0001-01-01 00:00 UTC')
    """
    when = _utc(time_ms)
    return f"{when.date()} {_clock(when)} UTC"


def span(start_ms: int, end_ms: int) -> str:
    """A stretch of event time; the date of the end only where it differs.

    Examples
    --------
    >>> span(1_767_225_600_000, 1_767_226_200_000)
    '2026-01-01 00:00–00:10 UTC'
    >>> span(1_767_225_599_500, 1_767_225_630_000)
    '2025-12-31 23:59:59.500–2026-01-01 00:00:30 UTC'
    """
    start, end = _utc(start_ms), _utc(end_ms)
    last = _clock(end) if start.date() == end.date() else f"{end.date()} {_clock(end)}"
    return f"{start.date()} {_clock(start)}–{last} UTC"


def clock_span(start_ms: int, end_ms: int) -> str:
    """A stretch of event time within one day, without the day.

    Examples
    --------
    >>> clock_span(1_767_225_600_000, 1_767_226_200_000)
    '00:00–00:10'
    """
    return f"{_clock(_utc(start_ms))}–{_clock(_utc(end_ms))}"


def between(start_ms: float, end_ms: float) -> str:
    """A stretch of event time, to the second; a history without one has 0 and 0.

    Examples
    --------
    >>> between(1_767_225_600_000, 1_767_229_199_999), between(0, 0)
    ('2026-01-01 00:00–00:59:59 UTC', 'no event time')
    """
    if not start_ms and not end_ms:
        return "no event time"
    return span(int(start_ms) // 1_000 * 1_000, int(end_ms) // 1_000 * 1_000)


def count(n: int, thing: str, things: str = "") -> str:
    """So many of a thing.

    Examples
    --------
    >>> count(1, "window"), count(1_200, "window"), count(0, "class", "classes")
    ('1 window', '1,200 windows', '0 classes')
    """
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def _utc(time_ms: int) -> datetime:
    """The nearest time that has a date; those of a wrong unit can lie before the year 1."""
    since = timedelta(milliseconds=max(_FIRST_MS, min(time_ms, _LAST_MS)))
    return datetime(1970, 1, 1, tzinfo=UTC) + since


def _clock(when: datetime) -> str:
    text = f"{when:%H:%M}"
    if when.microsecond:
        return f"{text}:{when:%S}.{when.microsecond // 1000:03}"
    return f"{text}:{when:%S}" if when.second else text


def first_names(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are.

    Examples
    --------
    >>> first_names(["a", "b", "c"], 2), first_names(["a"], 2)
    ('a, b and 1 more', 'a')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
