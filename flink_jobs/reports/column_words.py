"""How a column moved, in words: ``plan``: ``family`` 0 % → 40 %."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flink_jobs.records.alerts import CategoryShare, ColumnShift
from flink_jobs.records.shown import shown
from flink_jobs.reports.words import number, p_value, share

_MOST_OF_A_NAME = 60
_MOST_OF_A_CATEGORY = 40
_MOST_DIGITS = 6
_CHANCE = 0.01
# A move of the median that is smaller than this share of the outer quantiles' is not the story.
_SMALL = 0.1
_LOW, _MEDIAN, _HIGH = range(3)


def quoted(text: str, most: int = _MOST_OF_A_NAME) -> str:
    r"""Put a name or a text from outside between backticks, escaped and cut.

    Examples
    --------
    >>> print(quoted("plan"), quoted(""), quoted("a`: `b\x1b"))
    `plan` (empty) `a': 'b\x1b`
    """
    if not text:
        return "(empty)"
    return f"`{shown(text, most).replace('`', chr(39))}`"


def telling(columns: Sequence[ColumnShift]) -> list[ColumnShift]:
    """Leave out columns that moved no more than chance lets them, but for the first.

    An alert names a fixed number of columns, those first that moved most; where few moved, the rest
    of them did not.

    Examples
    --------
    >>> def moved(column, p_value):
    ...     return ColumnShift(column=column, type="number", statistic=0.1, p_value=p_value)
    >>> [each.column for each in telling([moved("plan", 0.02), moved("age", 0.4)])]
    ['plan']
    """
    return [each for place, each in enumerate(columns) if not place or each.p_value <= _CHANCE]


def sentence(column: ColumnShift, most_categories: int = 2) -> str:
    """Say how a column moved, with its p-value and effect size.

    Examples
    --------
    >>> family = CategoryShare(category="family", ref_share=0.0, test_share=0.4)
    >>> plan = ColumnShift(
    ...     column="plan", type="category", statistic=0.4, p_value=1e-9, categories=[family]
    ... )
    >>> sentence(plan)
    '`plan`: `family` 0 % → 40 % (p 1e-09, effect size 0.4)'
    """
    return f"{quoted(column.column)}: {moved(column, most_categories)} ({strength(column)})"


def strength(column: ColumnShift) -> str:
    """Give the p-value and the effect size of a column.

    The statistic is an effect size: D and the total variation distance lie between 0 and 1 and do
    not grow with the number of events.
    """
    return f"{p_value(column.p_value)}, effect size {number(column.statistic, 2)}"


def moved(column: ColumnShift, most_categories: int = 2) -> str:
    """Say how a column moved.

    Parameters
    ----------
    column : ColumnShift
    most_categories : int, default 2
        The most categories that are named.

    Examples
    --------
    >>> tenure = ColumnShift(
    ...     column="tenure", type="number", statistic=0.5, p_value=1e-9, direction="up",
    ...     ref_quantiles=[1, 12.1, 48], test_quantiles=[2, 30.4, 61], test_missing=0.12,
    ... )
    >>> moved(tenure)
    'median 12.1 → 30.4, up; missing 0 % → 12 %'
    """
    values = _categories(column, most_categories) if column.categories else _number(column)
    missing = _missing(column)
    # What explains at least half of the move is said first.
    is_missing_first = 2 * abs(column.test_missing - column.ref_missing) >= column.statistic
    parts = (missing, values) if is_missing_first else (values, missing)
    return "; ".join(filter(None, parts)) or "changed"


def pair(before: float, now: float) -> tuple[str, str]:
    """Write two numbers with as many digits, 3 to 6, as it takes to tell them apart.

    Examples
    --------
    >>> pair(12.1, 30.4), pair(100.12, 100.34), pair(2.0, 2.0)
    (('12.1', '30.4'), ('100.1', '100.3'), ('2', '2'))
    """
    for digits in range(3, _MOST_DIGITS + 1):
        texts = number(before, digits), number(now, digits)
        if texts[0] != texts[1]:
            return texts
    return number(before), number(now)


def _missing(column: ColumnShift) -> str:
    before, now = share(column.ref_missing), share(column.test_missing)
    return f"missing {before} → {now}" if before != now else ""


def _categories(column: ColumnShift, most: int) -> str:
    is_boolean = column.type == "boolean"
    return ", ".join(_booleans(column) if is_boolean else _named(column.categories[:most]))


def _booleans(column: ColumnShift) -> Iterator[str]:
    """Of a boolean the share of one of its texts says all, but for others than these two."""
    shares = {each.category: each for each in column.categories}
    either = shares.get("true") or shares.get("false") or column.categories[0]
    yield f"{shown(either.category, _MOST_OF_A_CATEGORY)} {_shares(either)}"


def _named(categories: Sequence[CategoryShare]) -> Iterator[str]:
    for each in categories:
        yield f"{quoted(each.category, _MOST_OF_A_CATEGORY)} {_shares(each)}"


def _shares(category: CategoryShare) -> str:
    return f"{share(category.ref_share)} → {share(category.test_share)}"


def _number(column: ColumnShift) -> str:
    ref, test = column.ref_quantiles, column.test_quantiles
    way = {"up": "up", "down": "down", "none": ""}[column.direction]
    if ref is None or test is None:
        if ref is None and test is None:
            return way
        return f"median {number(ref[_MEDIAN])} → none" if ref else "had no values before"
    if _is_spread(ref, test):
        low, high = pair(ref[_LOW], test[_LOW]), pair(ref[_HIGH], test[_HIGH])
        said = f"5 to 95 % {low[0]} to {high[0]} → {low[1]} to {high[1]}"
    else:
        before, now = pair(ref[_MEDIAN], test[_MEDIAN])
        if before == now:
            return f"{way}, the median {before} as before" if way else ""
        said = f"median {before} → {now}"
    return f"{said}, {way}" if way else said


def _is_spread(ref: Sequence[float], test: Sequence[float]) -> bool:
    """Tell whether the outer quantiles moved and the median hardly did."""
    moves = [abs(now - before) for before, now in zip(ref, test, strict=True)]
    return moves[_MEDIAN] < _SMALL * max(moves[_LOW], moves[_HIGH])
