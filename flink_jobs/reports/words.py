"""Numbers and times as people read them."""

from __future__ import annotations

from collections.abc import Iterable

from flink_jobs.records.alerts import Alert, AlertKind, Cause, Ending
from flink_jobs.times import LAST_MS, duration, moment

__all__ = [
    "about",
    "clock",
    "duration",
    "listed",
    "number",
    "p_value",
    "share",
]

_LARGEST_IN_FULL = 1e12


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits.

    Examples
    --------
    >>> number(0.41234), number(1234.5), number(3.0), number(None), number(1e140)
    ('0.412', '1,234', '3', '–', '1e+140')
    """
    if value is None or value != value:
        return "–"
    is_long = 1_000 <= abs(value) < _LARGEST_IN_FULL
    return f"{value:,.0f}" if is_long else f"{value:.{digits}g}"


def share(value: float | None) -> str:
    """A share in per cent.

    Examples
    --------
    >>> share(0.5), share(0.00012), share(1.0), share(0.0), share(None)
    ('50 %', '0.012 %', '100 %', '0 %', '–')
    """
    return "–" if value is None or value != value else f"{100 * value:.3g} %"


def listed(parts: Iterable[str]) -> str:
    """Parts of a sentence.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def clock(time_ms: float) -> str:
    """A moment of event time in UTC.

    Examples
    --------
    >>> clock(1_767_225_600_000), clock(1_767_225_605_000), clock(LAST_MS)
    ('2026-01-01 00:00', '2026-01-01 00:00:05', 'no end')
    """
    return "no end" if time_ms >= LAST_MS else moment(time_ms).removesuffix(" UTC")


def p_value(value: float) -> str:
    """A p-value; one that is too small for a number has a bound.

    Examples
    --------
    >>> p_value(0.00123), p_value(2.2e-308)
    ('p 0.0012', 'p < 1e-300')
    """
    return f"p {value:.2g}" if value >= 1e-300 else "p < 1e-300"


def about(alert: Alert) -> str:
    """An alert in a few words."""
    words = [str(alert.kind)]
    if alert.cause is not Cause.DRIFT:
        words.append(str(alert.cause).replace("_", " "))
    if alert.kind is AlertKind.RECOVERED and alert.ending not in (None, Ending.NORMAL):
        words.append(f"({str(alert.ending).replace('_', ' ')})")
    return " ".join(words)
