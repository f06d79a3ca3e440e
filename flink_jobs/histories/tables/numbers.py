"""Columns of numbers, whatever type a table gives them."""

from __future__ import annotations

import contextlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flink_jobs.intake.unusable import shown_value
from flink_jobs.intake.values import MISSING_NUMBERS


def numbers_of(
    column: pa.Array, *, is_written: bool = False
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return a column as numbers, NaN where one is missing, and the rows that hold something else.

    A boolean is 1 or 0; a date or a time of a day counts in milliseconds, from 1970 or from
    midnight. A text is a missing number where it is empty or one of NA, N/A, #N/A, NaN, NULL, None
    and <NA>, in any case.

    Parameters
    ----------
    column : pyarrow.Array
    is_written : bool
        Whether other text may be a number, as in CSV. A column that had the type to hold numbers
        holds text for a reason.

    Examples
    --------
    >>> numbers_of(pa.array(["1.5", None, "n/a", "many"]), is_written=True)
    (array([1.5, nan, nan, nan]), {3: "is 'many', which is not a number"})
    >>> numbers_of(pa.array(["1.5"]))
    (array([nan]), {0: "is the text '1.5', which is not a number"})
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    column = _as_text(column)
    if pa.types.is_string(column.type):
        return _of_texts(column, is_written=is_written)
    try:
        return _floats(_counted(column)), {}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    values, wrong = np.full(len(column), np.nan), {}
    for place, value in enumerate(column.to_pylist()):
        try:
            values[place] = np.nan if _is_missing(value) else float(value)
        except (TypeError, ValueError):
            wrong[place] = f"is {shown_value(value)}, which is not a number"
    return values, wrong


def _of_texts(column: pa.Array, *, is_written: bool) -> tuple[NDArray[np.float64], dict[int, str]]:
    if is_written:
        with contextlib.suppress(pa.ArrowInvalid):
            return _floats(column), {}
        with contextlib.suppress(pa.ArrowInvalid):
            return _floats(_without_missing(column)), {}
    values, wrong = np.full(len(column), np.nan), {}
    what = "" if is_written else "the text "
    for place, text in enumerate(column.to_pylist()):
        if _is_missing(text):
            continue
        try:
            if not is_written:
                raise ValueError
            values[place] = float(text)
        except ValueError:
            wrong[place] = f"is {what}{shown_value(text)}, which is not a number"
    return values, wrong


def _as_text(column: pa.Array) -> pa.Array:
    """Return bytes that are UTF-8 as the text that they are, and long text as text."""
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_large_string(kind):
        with contextlib.suppress(pa.ArrowInvalid):
            return column.cast(pa.string())
        return pa.array([_decoded(value) for value in column.to_pylist()], pa.string())
    return column


def _counted(column: pa.Array) -> pa.Array:
    """Return dates, times and durations as whole milliseconds, decimals as they are written."""
    kind = column.type
    if pa.types.is_decimal(kind):
        # Cast at once, 0.07 may become the neighbour of what 0.07 is elsewhere.
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        in_ms = pa.timestamp("ms", getattr(kind, "tz", None))
        return column.cast(in_ms, safe=False).cast(pa.int64())
    if pa.types.is_time(kind):
        return column.cast(pa.time32("ms"), safe=False).cast(pa.int32())
    if pa.types.is_duration(kind):
        return column.cast(pa.duration("ms"), safe=False).cast(pa.int64())
    return column


def _without_missing(column: pa.Array) -> pa.Array:
    """Return text with null in the place of each word for a missing number."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    return pc.if_else(pc.is_in(words, pa.array(MISSING_NUMBERS)), None, column)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING_NUMBERS)


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _floats(column: pa.Array) -> NDArray[np.float64]:
    numbers = column.cast(pa.float64(), safe=False)
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
