"""Moments and stretches of event time: their bounds, how they are read and how they are shown."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

NEVER_MS = -(2**62)
"""Before every event time."""

FOREVER_MS = 2**62
"""After every event time."""

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The first and the last millisecond that have a date: years 1 and 9999."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


def iso_ms(value: str | date) -> int:
    """Milliseconds since 1970 of a time in ISO 8601; without a zone it is in UTC.

    Parameters
    ----------
    value : str, datetime or date
        A date is its midnight.

    Raises
    ------
    ValueError
        If a text is not a time.

    Examples
    --------
    >>> iso_ms("2026-01-01T01:00:00+01:00"), iso_ms(date(2026, 1, 1))
    (1767225600000, 1767225600000)
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    # A division of whole microseconds: a float of seconds is off by a millisecond now and then.
    return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND


def utc(time_ms: float) -> datetime:
    """The moment, or the nearest one that has a date: a wrong unit can lie before the year 1."""
    return _EPOCH + timedelta(milliseconds=max(FIRST_MS, min(int(time_ms), LAST_MS)))


def moment(time_ms: float) -> str:
    """A moment of event time for people.

    Examples
    --------
    >>> moment(1_767_225_600_000), moment(-(2**53))
    ('2026-01-01 00:00 UTC', '0001-01-01 00:00 UTC')
    """
    when = utc(time_ms)
    return f"{when.date()} {_clock(when)} UTC"


def span(start_ms: int, end_ms: int) -> str:
    """A stretch of event time for people; the date of the end only where it differs.

    Examples
    --------
    >>> span(1_767_225_600_000, 1_767_226_200_000)
    '2026-01-01 00:00–00:10 UTC'
    >>> span(1_767_225_599_500, 1_767_225_630_000)
    '2025-12-31 23:59:59.500–2026-01-01 00:00:30 UTC'
    """
    start, end = utc(start_ms), utc(end_ms)
    last = _clock(end) if start.date() == end.date() else f"{end.date()} {_clock(end)}"
    return f"{start.date()} {_clock(start)}–{last} UTC"


def clock(time_ms: float) -> str:
    """A moment of event time without its day.

    Examples
    --------
    >>> clock(1_767_226_200_000)
    '00:10'
    """
    return _clock(utc(time_ms))


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


def duration(time_ms: float | None) -> str:
    """A length of time for people, by its two largest units; seconds to three digits.

    Examples
    --------
    >>> duration(600_000), duration(93_784_000), duration(1_520), duration(7), duration(None)
    ('10 min', '1 d 2 h', '1.52 s', '7 ms', '–')
    """
    if time_ms is None:
        return "–"
    if time_ms < 1_000:
        return f"{time_ms:.3g} ms"
    if time_ms < 59_950:
        return f"{time_ms / 1_000:.3g} s"
    parts: list[tuple[int, str]] = []
    rest_ms = round(time_ms / 1_000) * 1_000
    for unit_ms, unit in _UNITS[:-1]:
        n, rest_ms = divmod(rest_ms, unit_ms)
        if n or parts:
            parts.append((n, unit))
    return " ".join(f"{n:,} {unit}" for n, unit in parts[:2] if n)


def unit_of(time_ms: float) -> tuple[int, str]:
    """The largest unit of time that ``time_ms`` holds, in ms, and its name.

    Examples
    --------
    >>> unit_of(59_999), unit_of(60_000), unit_of(0)
    ((1000, 's'), (60000, 'min'), (1, 'ms'))
    """
    return next(((ms, name) for ms, name in _UNITS if time_ms >= ms), _UNITS[-1])


def _clock(when: datetime) -> str:
    text = f"{when:%H:%M}"
    if when.microsecond:
        return f"{text}:{when:%S}.{when.microsecond // 1000:03}"
    return f"{text}:{when:%S}" if when.second else text
