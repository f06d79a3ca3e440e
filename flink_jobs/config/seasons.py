"""The rhythms of people that a reference is too short to hold."""

from __future__ import annotations

from flink_jobs.config.tables.references import FirstTime, ReferenceTable, Seasonal, Trailing
from flink_jobs.times import duration

_DAY_MS, _WEEK_MS = 86_400_000, 604_800_000


def lasting_ms(reference: ReferenceTable) -> int | None:
    """Give the time that a reference lasts by its table; None where its events decide."""
    match reference:
        case FirstTime(duration_ms=ref_ms) | Trailing(size_ms=ref_ms) | Seasonal(period_ms=ref_ms):
            return ref_ms
        case _:
            return None


def seasons_left_out(ref_ms: int) -> str:
    """Say what a reference of this length cannot know; empty where it covers a week.

    A window of the night then drifts against a reference of the morning, rightly and of no use.

    Parameters
    ----------
    ref_ms : int
        How much event time the reference covers; of the same hours of other days, a day.

    Examples
    --------
    >>> print(seasons_left_out(600_000))
    it covers 10 min: what changes with the hour of the day or the day of the week looks like drift
    >>> seasons_left_out(604_800_000)
    ''
    """
    if ref_ms >= _WEEK_MS:
        return ""
    hour = "the hour of the day or " if ref_ms < _DAY_MS else ""
    rhythm = f"what changes with {hour}the day of the week looks like drift"
    return f"it covers {duration(ref_ms)}: {rhythm}"
