"""Columns of event times, whatever type a table gives them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flink_jobs.intake.event_times import EventTimes

Unit = Literal["s", "ms", "us", "ns"]
# Beyond it milliseconds are not whole numbers of a float any more.
_LARGEST_MS = 2**53
_TIMES = {"s": 1_000, "ms": 1, "us": 1, "ns": 1}
_PER = {"s": 1, "ms": 1, "us": 1_000, "ns": 1_000_000}
_NANOSECONDS_PER_MS = 1_000_000
_UTC = "UTC"
# Arrow knows no summer time after 2037.
_FIRST_S, _LAST_S = 0, 2_114_380_800
_DECIMAL = r"^[+-]?[0-9]+\.[0-9]*([eE][+-]?[0-9]{1,2})?$"
# Beyond, nanoseconds leave 64 bits, of which Arrow does not tell.
_FIRST_YEAR, _END_YEAR = "1678", "2262"


class TimesReader:
    """Reads the event times of columns: a cast where one is enough, else value by value.

    Parameters
    ----------
    unit : str
        Of numbers, also of those in text.
    zone : str
        Of dates, times and texts that name none.

    Examples
    --------
    >>> TimesReader().read(pa.array(["7", None, "soon"]))
    (array([7, 0, 0]), {1: 'is missing', 2: "is 'soon', which is not a time"})
    >>> TimesReader(zone="Europe/Berlin").read(pa.array(["2026-01-01", "2026-01-01 01:00"]))[0]
    array([1767222000000, 1767225600000])
    """

    def __init__(self, unit: Unit = "ms", zone: str = _UTC) -> None:
        self._unit, self._zone = unit, zone
        self._times = EventTimes(unit, zone)

    def read(self, column: pa.Array) -> tuple[NDArray[np.int64], dict[int, str]]:
        """Return milliseconds since 1970, and what is wrong with the rows that hold no time."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        times_ms = self._at_once(column)
        if times_ms is not None:
            return times_ms, dict.fromkeys(np.flatnonzero(_is_null(column)).tolist(), "is missing")
        values, beyond = _values(column)
        times_ms, wrong = self._times.read_all(values)
        return times_ms, wrong | dict.fromkeys(beyond, "lies beyond the years 1 to 9999")

    def _at_once(self, column: pa.Array) -> NDArray[np.int64] | None:
        """Return the times where a few casts read them all, 0 of nulls; None where not."""
        kind = column.type
        try:
            if pa.types.is_null(kind):
                return np.zeros(len(column), dtype=np.int64)
            if pa.types.is_integer(kind):
                return self._of_whole(column)
            if pa.types.is_floating(kind):
                return self._of_floats(column)
            if pa.types.is_timestamp(kind):
                return _floored(self._in_zone(column))
            if pa.types.is_date(kind):
                return _floored(self._in_zone(column.cast(pa.timestamp("ms"))))
            return self._of_texts(column.cast(pa.string()))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None

    def _of_whole(self, column: pa.Array) -> NDArray[np.int64] | None:
        return self._scaled(_filled(column.cast(pa.int64())))

    def _of_floats(self, column: pa.Array) -> NDArray[np.int64] | None:
        values = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        if not np.isfinite(values).all() or not self._are_in_range(values):
            return None
        if self._unit == "s":
            # 0.256 s times 1,000 is less than 256.
            return np.asarray(np.round(values * 1_000).astype(np.int64))
        if self._unit == "ms":
            return np.asarray(np.floor(values).astype(np.int64))
        return np.asarray(values.astype(np.int64) // _PER[self._unit])

    def _scaled(self, values: NDArray[np.int64]) -> NDArray[np.int64] | None:
        if not self._are_in_range(values):
            return None
        return values * _TIMES[self._unit] // _PER[self._unit]

    def _are_in_range(self, values: NDArray[Any]) -> bool:
        largest = _LARGEST_MS // _TIMES[self._unit] * _PER[self._unit]
        return not len(values) or bool(values.min() >= -largest and values.max() <= largest)

    def _of_texts(self, column: pa.Array) -> NDArray[np.int64] | None:
        try:
            whole = column.cast(pa.int64())
        except pa.ArrowInvalid:
            return self._of_iso_texts(column)
        # To Arrow 0x10 is a number too.
        is_hexadecimal = pc.any(pc.match_substring(column, "x", ignore_case=True)).as_py()
        return None if is_hexadecimal else self._scaled(_filled(whole))

    def _of_iso_texts(self, column: pa.Array) -> NDArray[np.int64] | None:
        edges = pc.min_max(column)
        if not _FIRST_YEAR <= edges["min"].as_py() <= edges["max"].as_py() < _END_YEAR:
            return self._of_decimals(column)
        try:
            return _floored(column.cast(pa.timestamp("ns", _UTC)))
        except pa.ArrowInvalid:
            if pc.any(pc.match_substring_regex(column, _DECIMAL)).as_py():
                return self._of_decimals(column)
            return _floored(self._in_zone(column.cast(pa.timestamp("ns"))))

    def _of_decimals(self, column: pa.Array) -> NDArray[np.int64] | None:
        # Finer units have more digits than a float.
        if self._unit not in ("s", "ms"):
            return None
        are_decimals = pc.all(pc.match_substring_regex(column, _DECIMAL)).as_py()
        return self._of_floats(column.cast(pa.float64())) if are_decimals else None

    def _in_zone(self, column: pa.Array) -> pa.Array:
        """Take times without a zone for those of the zone; what its clocks skip is an error."""
        if column.type.tz is not None or self._zone == _UTC:
            return column
        edges = pc.min_max(column.cast(pa.timestamp("s"), safe=False).cast(pa.int64()))
        if len(column) > column.null_count and not (
            _FIRST_S <= edges["min"].as_py() <= edges["max"].as_py() <= _LAST_S
        ):
            raise pa.ArrowInvalid("the zone's rules are not those of Python then")
        # Of a time that comes twice the first is meant, as Python has it.
        return pc.assume_timezone(column, self._zone, ambiguous="earliest", nonexistent="raise")


def _floored(column: pa.Array) -> NDArray[np.int64]:
    """Return whole milliseconds; what is less is cut off, also before 1970."""
    unit = column.type.unit
    numbers = _filled(column.cast(pa.int64()))
    match unit:
        case "s":
            # Multiplied by Arrow, which says when that is beyond 64 bits.
            return _filled(column.cast(pa.timestamp("ms", column.type.tz)).cast(pa.int64()))
        case "ms":
            return numbers
        case "us":
            return numbers // 1_000
        case _:
            return numbers // _NANOSECONDS_PER_MS


def _filled(column: pa.Array) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False))


def _is_null(column: pa.Array) -> NDArray[np.bool_]:
    if not column.null_count:
        return np.zeros(len(column), dtype=np.bool_)
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _values(column: pa.Array) -> tuple[list[Any], list[int]]:
    """Return the values as Python has them, and the places of those that no calendar has."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Python has no nanoseconds, which count for nothing here.
        column = pc.floor_temporal(column, unit="microsecond").cast(
            pa.timestamp("us", column.type.tz)
        )
    values: list[Any] = []
    beyond: list[int] = []
    for place, cell in enumerate(column):
        try:
            values.append(cell.as_py())
        except (OverflowError, ValueError):
            values.append(0)
            beyond.append(place)
    return values, beyond
