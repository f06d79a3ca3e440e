"""Columns of categories and booleans as codes of texts, without an object for each value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flink_jobs.config.columns import BOOLEAN_TEXTS, Column
from flink_jobs.intake.texts import category_text
from flink_jobs.intake.unusable import shown_value

_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


class Coded(NamedTuple):
    """A column as codes of texts; NaN where a value is missing or wrong.

    ``wrong`` says by row what is wrong with a value.
    """

    codes: NDArray[np.float64]
    texts: list[str]
    wrong: dict[int, str]


def codes_of(column: Column, values: pa.Array) -> Coded:
    """Return the codes of a category or a boolean.

    A category is text, a whole number or a boolean; of numbers that are floats since some are
    missing, 3.0 is 3. A boolean is one, 1 or 0, or the text of one of these in any case.

    Examples
    --------
    >>> plan = Column("plan", "category", "feature")
    >>> codes_of(plan, pa.array(["basic", "plus", None, "basic"]))
    Coded(codes=array([ 0.,  1., nan,  0.]), texts=['basic', 'plus'], wrong={})
    >>> codes_of(plan, pa.array([1.0, 2.5])).wrong
    {1: 'is 2.5, which is not a category'}
    """
    encoded = _encoded(values)
    if encoded is None:
        what = f"is of the type {values.type}, which is not a {column.type}"
        return Coded(np.full(len(values), np.nan), [], dict.fromkeys(range(len(values)), what))
    read = _boolean if column.type == "boolean" else _category
    code_of, texts, wrong = _read_dictionary(read, encoded.dictionary.to_pylist(), column.type)
    indices = encoded.indices.fill_null(len(code_of) - 1).to_numpy(zero_copy_only=False)
    codes = code_of[indices]
    if not wrong:
        return Coded(codes, texts, {})
    rows = np.flatnonzero(np.isin(indices, list(wrong))).tolist()
    return Coded(codes, texts, {row: wrong[int(indices[row])] for row in rows})


def _encoded(values: pa.Array) -> pa.DictionaryArray | None:
    """Return the values by number; None where Arrow cannot, as of lists."""
    try:
        if pa.types.is_temporal(values.type):
            # Python has no nanoseconds, and texts of its own for dates.
            values = values.cast(pa.string())
        elif pa.types.is_float16(values.type):
            values = values.cast(pa.float32())
        if pa.types.is_dictionary(values.type):
            # A dictionary is that of the file so far, which may hold many more than these rows.
            if len(values.dictionary) <= max(len(values), len(BOOLEAN_TEXTS)):
                return values
            values = values.dictionary_decode()
        return values.dictionary_encode()
    except pa.ArrowNotImplementedError:
        return None


def _read_dictionary(
    read: Callable[[Any], str | None], values: list[Any], type_name: str
) -> tuple[NDArray[np.float64], list[str], dict[int, str]]:
    """Return the code of each value of a dictionary and, at the end, that of a missing one."""
    code_of = np.full(len(values) + 1, np.nan)
    known: dict[str, int] = {}
    wrong: dict[int, str] = {}
    for place, value in enumerate(values):
        try:
            text = read(value)
        except ValueError as error:
            wrong[place] = f"is {error}, which is not a {type_name}"
            continue
        if text is not None:
            code_of[place] = known.setdefault(text, len(known))
    return code_of, list(known), wrong


def _category(value: Any) -> str | None:
    match value:
        case None:
            return None
        case float() if value != value:
            return None
        case float() if not value.is_integer():
            raise ValueError(repr(value))
        case bytes():
            return category_text(_utf8(value))
        case str() | bool() | int() | float():
            return category_text(value)
        case _:
            # Decimals, which have one text each.
            return category_text(str(value))


def _boolean(value: Any) -> str | None:
    if value is None or value != value:
        return None
    text = _utf8(value) if isinstance(value, bytes) else str(value)
    truth = _TRUTHS.get(text.strip().lower())
    if truth is None:
        raise ValueError(shown_value(text if isinstance(value, bytes) else value))
    return BOOLEAN_TEXTS[truth]


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{shown_value(value)}, which is not UTF-8") from None
