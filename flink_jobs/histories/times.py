"""Event times as people and files write them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flink_jobs.times import iso_ms

_LARGEST_MS = 2**53


def parse_time_ms(value: object) -> int:
    """Milliseconds since 1970 from a number of them, or from a time as ISO 8601 has it.

    A time without a zone is UTC.

    Raises
    ------
    ValueError
        When the value is not a time.

    Examples
    --------
    >>> parse_time_ms("2026-01-01T01:00:00+01:00"), parse_time_ms(5.0), parse_time_ms("7")
    (1767225600000, 5, 7)
    """
    match value:
        case bool():
            pass
        case int() if abs(value) <= _LARGEST_MS:
            return value
        case float() if value.is_integer() and abs(value) <= _LARGEST_MS:
            return int(value)
        case str() if value.lstrip("-").isdecimal() and len(value) <= 17:
            return int(value)
        case str():
            return _iso_ms(value)
        case datetime():
            return iso_ms(value)
        case _:
            pass
    raise ValueError(f"{_short(value)} is not a time")


def _iso_ms(text: str) -> int:
    try:
        return iso_ms(text)
    except ValueError:
        raise ValueError(f"{_short(text)} is not a time") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def times_of(column: pa.Array) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Milliseconds of a column, and what is wrong with the rows that hold no time.

    Examples
    --------
    >>> times_of(pa.array(["7", None, "soon"]))
    (array([7, 0, 0]), {1: 'is missing', 2: "is 'soon', which is not a time"})
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    wrong = dict.fromkeys(np.flatnonzero(_is_null(column)).tolist(), "is missing")
    whole = _whole(column)
    if whole is not None:
        return np.asarray(pc.fill_null(whole, 0).to_numpy(zero_copy_only=False)), wrong
    times_ms = np.zeros(len(column), dtype=np.int64)
    for place, cell in enumerate(column):
        try:
            if (value := cell.as_py()) is not None:
                times_ms[place] = parse_time_ms(_text(value))
        except OverflowError:
            wrong[place] = "lies beyond the years 1 to 9999"
        except ValueError as error:
            wrong[place] = f"is {error}".replace(" is not a time", ", which is not a time")
    return times_ms, wrong


def _is_null(column: pa.Array) -> NDArray[np.bool_]:
    if not column.null_count:
        return np.zeros(len(column), dtype=np.bool_)
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _whole(column: pa.Array) -> pa.Array | None:
    """The column as int64 where that takes one cast; None where each row has to be looked at."""
    kind = column.type
    try:
        if pa.types.is_integer(kind):
            return column.cast(pa.int64())
        if pa.types.is_date(kind):
            return column.cast(pa.timestamp("ms")).cast(pa.int64())
        if pa.types.is_timestamp(kind):
            if kind.unit in ("us", "ns"):
                column = pc.floor_temporal(column, unit="millisecond")
            return column.cast(pa.timestamp("ms", kind.tz)).cast(pa.int64())
        if pa.types.is_null(kind):
            return column.cast(pa.int64())
        return column.cast(pa.string()).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _text(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
