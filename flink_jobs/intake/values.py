"""Single values of columns: what is taken, and what a refusal says of the others.

A number is a number; a category is a text, a whole number or a boolean, which become their texts. A
number with a fraction is not a category: 0.1 + 0.2 and 0.3 would be two. A boolean is true, false,
1 or 0. What is nested is none of these. Where a value may be missing, null and NaN are missing.
"""

from __future__ import annotations

import math
from typing import Any

from flink_jobs.config.columns import Column
from flink_jobs.intake.unusable import (
    UnusableEventError,
    encodable,
    not_finite,
    shown_value,
    without_value,
    wrong_length,
)
from flink_jobs.records.dead_letters import Reason

_EXPECTED = {
    "number": "a number",
    "category": "a text, a whole number, true or false",
    "boolean": "true, false, 1 or 0",
    "vector": "a list of numbers",
}
MISSING_NUMBERS = ("", "na", "n/a", "#n/a", "nan", "null", "none", "<na>")
"""In lower case: the texts that stand for a missing number. As categories they are what they are:
``NA`` is Namibia."""


class EnormousInteger(int):
    """The first digits of an integer that is too long to be read."""


def read_value(column: Column, value: Any, event_id: str | None) -> Any:
    """Return a value as a decoder of good events gives it: None where it is missing.

    Parameters
    ----------
    column : Column
    value : object
        As Python's own JSON decoder gives it.
    event_id : str or None
        For the error.

    Raises
    ------
    UnusableEventError
        Which names the column, and says what was found and what is expected.

    Examples
    --------
    >>> read_value(Column("plan", "category", "feature"), 7, "a")
    '7'
    >>> read_value(Column("age", "number", "feature"), "many", "a")
    Traceback (most recent call last):
        ...
    flink_jobs.intake.unusable.UnusableEventError: invalid_event: age is 'many', expected a number
    """
    match column.type:
        case "vector":
            return _vector(column, value, event_id)
        case "number":
            return _number(column.name, column.may_be_missing, value, event_id)
        case _:
            return _category(column, value, event_id)


def refused(name: str, value: Any, expected: str, event_id: str | None) -> UnusableEventError:
    """Describe an event of which a value is of another type than its column."""
    detail = f"{name} is {shown_value(value)}, expected {expected}"
    return UnusableEventError(Reason.INVALID_EVENT, detail, event_id)


def is_missing_number(text: str) -> bool:
    """Tell whether a text stands for a number that is missing.

    Examples
    --------
    >>> is_missing_number("n/a"), is_missing_number(" "), is_missing_number("0")
    (True, True, False)
    """
    return text.strip().lower() in MISSING_NUMBERS


def _number(name: str, may_be_missing: bool, value: Any, event_id: str | None) -> float | None:
    is_missing_text = isinstance(value, str) and is_missing_number(value)
    if value is None or value != value or is_missing_text:
        if may_be_missing:
            return None
        raise not_finite(name, event_id)
    if isinstance(value, EnormousInteger):
        raise refused(name, value, "a number in range", event_id)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(name, value, _EXPECTED["number"], event_id)
    try:
        number = float(value)
    except OverflowError:
        raise refused(name, value, "a number in range", event_id) from None
    if math.isinf(number):
        raise not_finite(name, event_id)
    return number


def _category(column: Column, value: Any, event_id: str | None) -> str | bool | None:
    if value is None or value != value:
        if column.may_be_missing:
            return None
        raise without_value(column.name, event_id)
    # 3.0 is what 3 becomes in a column of numbers of which some are missing. Beyond 2**53 a float
    # is no longer one whole number.
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    whole = int(value) if is_whole else value
    if column.type == "boolean" and isinstance(whole, bool | int) and whole in (0, 1):
        return bool(whole)
    is_category = isinstance(whole, str | bool | int) and not isinstance(whole, EnormousInteger)
    if column.type == "category" and is_category:
        return whole if isinstance(whole, bool) else encodable(str(whole))
    raise refused(column.name, value, _EXPECTED[column.type], event_id)


def _vector(column: Column, value: Any, event_id: str | None) -> tuple[float | None, ...]:
    if value is None and column.may_be_missing:
        return (None,) * column.size
    if value is None:
        raise wrong_length(column.name, 0, column.size, event_id)
    if not isinstance(value, list):
        raise refused(column.name, value, f"a list of {column.size} numbers", event_id)
    numbers = tuple(
        _number(f"{column.name}[{place}]", column.may_be_missing, each, event_id)
        for place, each in enumerate(value)
    )
    if len(numbers) != column.size:
        raise wrong_length(column.name, len(numbers), column.size, event_id)
    return numbers
