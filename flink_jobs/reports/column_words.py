"""How a column moved, in words: ``plan``: ``family`` 0 % → 40 % (new)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detectors.column_shifts import CHANCE_LEVEL
from flink_jobs.records.alerts import CategoryShare, ColumnShift, OutputKind, SegmentMove
from flink_jobs.records.shown import shown
from flink_jobs.reports.words import number, p_value, share

_MOST_OF_A_NAME = 60
_MOST_OF_A_CATEGORY = 40
_MOST_OF_A_UNIT = 22
_MOST_DIGITS = 6
# A move of the median that is smaller than this share of the outer quantiles' is not the story, nor
# is one of the share of missing values that is smaller than this share of the whole move.
_SMALL = 0.1
_LOW, _MEDIAN, _HIGH = range(3)
_UNSEEN = 1e-4
_OF_CLASSES: tuple[OutputKind, ...] = ("class_probabilities", "probabilities")
_PROBABILITIES: tuple[OutputKind, ...] = (*_OF_CLASSES, "probability")


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


def name(column: ColumnShift) -> str:
    """Name a column, the probability of a class as such; not escaped.

    Examples
    --------
    >>> given = {"type": "number", "statistic": 0.1, "p_value": 0.1}
    >>> name(ColumnShift(column="dog", kind="class_probabilities", **given))
    'probability of dog'
    >>> name(ColumnShift(column="outputs[3]", kind="class_probabilities", **given))
    'outputs[3]'
    """
    return f"{_before_name(column)}{column.column}"


def _before_name(column: ColumnShift) -> str:
    # An element of a vector that names no classes is called by its place.
    is_class = column.kind in _OF_CLASSES and not column.column.endswith("]")
    return "probability of " if is_class else ""


def confined(move: SegmentMove) -> str:
    """Say in which segment alone a column moved, escaped.

    Examples
    --------
    >>> print(confined(SegmentMove(segment="region", category="EU", column="plan", statistic=0.81,
    ...                            p_value=1e-90, elsewhere=0.02, n_ref=502, n_test=497)))
    only where `region` is EU: `plan` (0.81 there, 0.02 elsewhere)
    """
    where = f"only where {quoted(move.segment)} is {shown(move.category, _MOST_OF_A_CATEGORY)}"
    sizes = f"{move.statistic:.2g} there, {move.elsewhere:.2g} elsewhere"
    return f"{where}: {quoted(move.column)} ({sizes})"


def is_probability(column: ColumnShift) -> bool:
    """Tell whether the numbers of a column are probabilities, which are shown in per cent."""
    return column.kind in _PROBABILITIES


def unit(column: ColumnShift) -> str:
    """Return the unit in which the numbers of a column are shown; escaped, and empty without one.

    Examples
    --------
    >>> unit(ColumnShift(column="age", type="number", unit="years", statistic=0.1, p_value=0.1))
    'years'
    """
    return "%" if is_probability(column) else shown(column.unit, _MOST_OF_A_UNIT)


def type_words(column: ColumnShift) -> str:
    """Name the type of a column, with the unit of numbers.

    Examples
    --------
    >>> type_words(ColumnShift(column="a", type="number", unit="€", statistic=0, p_value=1))
    'number, €'
    """
    if is_probability(column):
        return "probability"
    return ", ".join(filter(None, (column.type, unit(column))))


def scaled(column: ColumnShift, values: Sequence[float]) -> list[float]:
    """Write values of a column in its :func:`unit`."""
    return [100 * each for each in values] if is_probability(column) else list(values)


def readable(values: Sequence[float]) -> list[float]:
    """Write 0 for what nobody can see beside the largest value.

    Examples
    --------
    >>> readable([2.79e-06, 0.5, 99.8])
    [0.0, 0.5, 99.8]
    """
    least = _UNSEEN * max(map(abs, values), default=0.0)
    return [0.0 if abs(each) < least else each for each in values]


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
    return [each for at, each in enumerate(columns) if not at or each.p_value <= CHANCE_LEVEL]


def sentence(column: ColumnShift, most_categories: int = 2) -> str:
    """Say how a column moved, with its p-value and effect size.

    Examples
    --------
    >>> family = CategoryShare(category="family", ref_share=0.0, test_share=0.4, is_new=True)
    >>> plan = ColumnShift(
    ...     column="plan", type="category", statistic=0.4, p_value=1e-9, categories=[family]
    ... )
    >>> sentence(plan)
    '`plan`: `family` 0 % → 40 % (new) (p 1e-09, effect size 0.4)'
    """
    named = f"{_before_name(column)}{quoted(column.column)}"
    return f"{named}: {moved(column, most_categories)} ({strength(column)})"


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
    ...     unit="months",
    ... )
    >>> moved(tenure)
    'median 12.1 → 30.4 months, up; missing 0 % → 12 %'
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


def missing(column: ColumnShift) -> str:
    """Write the shares of missing values before and now.

    Examples
    --------
    >>> missing(ColumnShift(column="a", type="number", statistic=0, p_value=1, test_missing=0.1))
    '0 % → 10 %'
    """
    return f"{share(column.ref_missing)} → {share(column.test_missing)}"


def missing_note(column: ColumnShift) -> str:
    """Say what is missing, where :func:`moved` does not: it says what changed.

    Examples
    --------
    >>> missing_note(ColumnShift(column="a", type="number", statistic=0, p_value=1))
    'none missing'
    """
    if _missing(column):
        return ""
    is_any = column.ref_missing or column.test_missing
    return f"missing {missing(column)}" if is_any else "none missing"


def change(category: CategoryShare) -> str:
    """Say that a category is new or gone; nothing of any other."""
    return "new" if category.is_new else "gone" if category.is_gone else ""


def _missing(column: ColumnShift) -> str:
    before, now = column.ref_missing, column.test_missing
    is_first_or_last = 0.0 in (before, now) and before != now
    is_small = abs(now - before) < _SMALL * column.statistic
    has_moved = share(before) != share(now) and (is_first_or_last or not is_small)
    return f"missing {missing(column)}" if has_moved else ""


def _categories(column: ColumnShift, most: int) -> str:
    if column.type == "boolean":
        return _boolean(column)
    named = column.categories[:most]
    return ", ".join([*map(_named, named), *_further(column, named)])


def _boolean(column: ColumnShift) -> str:
    """Of a boolean the share of one of its texts says all, but for others than these two."""
    shares = {each.category: each for each in column.categories}
    either = shares.get("true") or shares.get("false") or column.categories[0]
    return f"{shown(either.category, _MOST_OF_A_CATEGORY)} {_shares(either)}"


def _named(category: CategoryShare) -> str:
    mark = change(category)
    said = f"{quoted(category.category, _MOST_OF_A_CATEGORY)} {_shares(category)}"
    return f"{said} ({mark})" if mark else said


def _further(column: ColumnShift, named: Sequence[CategoryShare]) -> Iterator[str]:
    """Count the new and gone categories that are not named."""
    new = [each for each in named if each.is_new]
    if (n_new := column.n_new - len(new)) > 0:
        of_them = column.new_share - sum(each.test_share for each in new)
        yield f"{n_new:,} more new ({share(max(0.0, of_them))})"
    if (n_gone := column.n_gone - sum(each.is_gone for each in named)) > 0:
        yield f"{n_gone:,} more gone"


def _shares(category: CategoryShare) -> str:
    return f"{share(category.ref_share)} → {share(category.test_share)}"


def _number(column: ColumnShift) -> str:
    ref, test = column.ref_quantiles, column.test_quantiles
    way = {"up": "up", "down": "down", "none": ""}[column.direction]
    if ref is None and test is None:
        return way
    after = f" {unit(column)}" if unit(column) else ""
    if ref is None:
        return "had no values before"
    if test is None:
        return f"median {number(scaled(column, ref)[_MEDIAN])}{after} → none"
    return _quantiles(scaled(column, ref), scaled(column, test), after, way)


def _quantiles(ref: Sequence[float], test: Sequence[float], after: str, way: str) -> str:
    if _is_spread(ref, test):
        ref, test = readable(ref), readable(test)
        low, high = pair(ref[_LOW], test[_LOW]), pair(ref[_HIGH], test[_HIGH])
        said = f"90 % within {low[0]} to {high[0]} → {low[1]} to {high[1]}{after}"
    else:
        before, now = pair(ref[_MEDIAN], test[_MEDIAN])
        if before == now:
            return f"{way}, the median {before}{after} as before" if way else ""
        said = f"median {before} → {now}{after}"
    return f"{said}, {way}" if way else said


def _is_spread(ref: Sequence[float], test: Sequence[float]) -> bool:
    """Tell whether the outer quantiles moved and the median hardly did."""
    moves = [abs(now - before) for before, now in zip(ref, test, strict=True)]
    return moves[_MEDIAN] < _SMALL * max(moves[_LOW], moves[_HIGH])
