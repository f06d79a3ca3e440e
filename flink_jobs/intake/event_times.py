"""Event times as people, files and payloads write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from flink_jobs.intake.unusable import shown_value
from flink_jobs.times import iso_ms

Unit = Literal["s", "ms", "us", "ns"]
# Milliseconds beyond it are not whole numbers of a float any more.
_LARGEST_MS = 2**53
_PER_MS: dict[Unit, tuple[int, int]] = {
    "s": (1_000, 1),
    "ms": (1, 1),
    "us": (1, 1_000),
    "ns": (1, 1_000_000),
}
_MOST_DIGITS = 24
# As spreadsheets and programs write seconds since 1970: 1767225600.25, 1.7672256e+09.
_DECIMAL = re.compile(r"[+-]?[0-9]+\.[0-9]*([eE][+-]?[0-9]{1,2})?")


class EventTimes:
    """Reads event times: numbers since 1970, and texts in ISO 8601.

    Parameters
    ----------
    unit : str
        Of numbers, also of those that are texts: ``s``, ``ms``, ``us`` or ``ns``. What is less than
        a millisecond is cut off.
    zone : str
        Of texts that name none.

    Raises
    ------
    ValueError
        When the zone is unknown.

    Examples
    --------
    >>> EventTimes("s").read(1767225600.25), EventTimes(zone="Europe/Berlin").read("2026-01-01")
    (1767225600250, 1767222000000)
    >>> EventTimes("s").read("1767225600.25")
    1767225600250
    >>> times_ms, wrong = EventTimes().read_all([7, "soon", None])
    >>> times_ms, wrong
    (array([7, 0, 0]), {1: "is 'soon', which is not a time", 2: 'is missing'})
    """

    def __init__(self, unit: Unit = "ms", zone: str = "UTC") -> None:
        self._times, self._per = _PER_MS[unit]
        self._largest = _LARGEST_MS // self._times * self._per
        try:
            self._zone = UTC if zone == "UTC" else ZoneInfo(zone)
        except (KeyError, OSError, ValueError):
            raise ValueError(f"{zone!r} is not a time zone such as Europe/Berlin") from None

    def read(self, value: Any) -> int:
        """Return the milliseconds since 1970 that a value stands for.

        Parameters
        ----------
        value : int, float, str, bytes, date or datetime

        Raises
        ------
        ValueError
            When it is not a time.
        """
        match value:
            case bool():
                pass
            case int():
                return self._of_whole(value)
            case float() if math.isfinite(value) and abs(value) <= self._largest:
                return self._of_float(value)
            case str():
                return self._of_text(value)
            case bytes():
                return self._of_text(value.decode(errors="replace"))
            case date():
                return self._in_zone(value)
            case _:
                pass
        raise ValueError(f"{shown_value(value)}, which is not a time")

    def read_all(self, values: Sequence[Any]) -> tuple[NDArray[np.int64], dict[int, str]]:
        """Return the milliseconds of many values, and by place what is wrong with some.

        Parameters
        ----------
        values : sequence
            None where one is missing. Where something is wrong the time is 0.
        """
        if set(map(type, values)) <= {int}:
            try:
                whole = np.array(values, dtype=np.int64)
            except OverflowError:
                pass
            else:
                if not len(whole) or max(-whole.min(), whole.max()) <= self._largest:
                    return whole * self._times // self._per, {}
        times_ms = np.zeros(len(values), dtype=np.int64)
        wrong: dict[int, str] = {}
        for place, value in enumerate(values):
            if value is None:
                wrong[place] = "is missing"
                continue
            try:
                times_ms[place] = self.read(value)
            except ValueError as error:
                wrong[place] = f"is {error}"
        return times_ms, wrong

    def _of_whole(self, value: int) -> int:
        if abs(value) > self._largest:
            raise ValueError(f"{shown_value(value)}, which is not a time: is the unit another one?")
        return value * self._times // self._per

    def _of_float(self, value: float) -> int:
        if self._per > 1:
            return int(value) // self._per
        # A time in seconds is rounded: 0.256 s times 1,000 is less than 256.
        return math.floor(value) if self._times == 1 else round(value * self._times)

    def _of_text(self, text: str) -> int:
        text = text.strip()
        if text.lstrip("+-").isdecimal() and len(text) <= _MOST_DIGITS:
            return self._of_whole(int(text))
        if _DECIMAL.fullmatch(text):
            return self.read(float(text))
        try:
            if self._zone is UTC:
                return iso_ms(text)
            return self._in_zone(datetime.fromisoformat(text))
        except OverflowError:
            raise ValueError(
                f"{shown_value(text)}, which lies beyond the years 1 to 9999"
            ) from None
        except ValueError:
            raise ValueError(f"{shown_value(text)}, which is not a time") from None

    def _in_zone(self, value: date) -> int:
        if not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        return iso_ms(value if value.tzinfo else value.replace(tzinfo=self._zone))
