"""The columns that moved in a model's last window with an alert, in the words of its alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from flink_jobs.records.alerts import Alert, AlertKind, CategoryShare, Cause, ColumnShift
from flink_jobs.records.shown import shown
from flink_jobs.reports import column_words
from flink_jobs.reports.charts import figures
from flink_jobs.reports.charts import moved as glance
from flink_jobs.reports.words import number

MOST_DRAWN = 6
"""Columns with bars or ranges; of the others only words are shown."""
MOST_COLUMNS = 300
_MOST_CATEGORIES = 5
_MOST_OF_A_NAME = 200
_MOST_OF_A_TEXT = 40


class ShareRow(Struct, frozen=True, kw_only=True):
    """A category's shares before and now; ``mark`` is empty, ``new`` or ``gone``."""

    text: str
    ref_share: float
    test_share: float
    mark: str = ""


class RangeRow(Struct, frozen=True, kw_only=True):
    """The 5, 50 and 95 % quantiles of one side, as numbers and in words with their unit."""

    text: str
    quantiles: list[float]
    words: str


class ColumnEntry(Struct, frozen=True, kw_only=True):
    """One column that moved; all text is escaped.

    Attributes
    ----------
    name : str
    type : str
        The type, with the unit of numbers.
    words, strength, missing : str
        How it moved, its p-value and effect size, and the shares of missing values.
    shares : list of ShareRow
        Of a category or boolean, and the missing values of any column that has some.
    ranges : list of RangeRow
        Of a number: the reference and the window.
    """

    name: str
    type: str
    words: str
    strength: str
    missing: str
    shares: list[ShareRow]
    ranges: list[RangeRow]


class Moved(Struct, frozen=True, kw_only=True):
    """The columns of one alert, what moved most first.

    Attributes
    ----------
    alert_id : str
    kind : AlertKind
    start_ms, end_ms : int
        Of the window.
    n_ref, n_test : int or None
        Events of the samples that are compared.
    is_sample : bool
        Whether there were more events than that: the alert itself tells of all of them.
    columns : list of ColumnEntry
        At most 300; the first 6 have shares or ranges.
    confined : list of str
        In which segments alone a column moved; escaped.
    words, drawn : str, dict
        All of them at one glance, in words and as plotly.js takes it.
    """

    alert_id: str
    kind: AlertKind
    start_ms: int
    end_ms: int
    n_ref: int | None
    n_test: int | None
    is_sample: bool
    columns: list[ColumnEntry]
    confined: list[str] = []
    words: str = ""
    drawn: dict[str, Any] = {}


def tells_what_moved(alert: Alert) -> bool:
    """Tell whether an alert is of a window that drifts and names columns."""
    is_open = alert.kind is not AlertKind.RECOVERED
    return alert.cause is Cause.DRIFT and is_open and bool(alert.top_columns)


def moved_of(alert: Alert) -> Moved:
    """Return what an alert says of columns, in a form that a page can draw.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> moved = moved_of(msgspec.json.decode(read_example("alert"), type=Alert))
    >>> [(each.name, each.type, each.missing) for each in moved.columns]
    [('plan', 'category', 'missing 0 % → 1.2 %'), ('tenure', 'number, months', 'none missing')]
    >>> [each.words for each in moved.columns[1].ranges]
    ['12.1 months (1 to 48)', '30.4 months (2 to 61.5)']
    >>> moved.confined
    ['only where `region` is EU: `plan` (0.81 there, 0.02 elsewhere)']
    """
    sample = alert.sample
    telling = column_words.telling(alert.top_columns)[:MOST_COLUMNS]
    return Moved(
        alert_id=alert.alert_id,
        kind=alert.kind,
        start_ms=alert.window.start_ms,
        end_ms=alert.window.end_ms,
        n_ref=sample.n_ref if sample else None,
        n_test=sample.n_test if sample else None,
        is_sample=sample is not None
        and (sample.n_ref < alert.reference.n_events or sample.n_test < alert.window.n_tested),
        columns=[_entry(each, is_drawn=at < MOST_DRAWN) for at, each in enumerate(telling)],
        confined=[column_words.confined(each) for each in alert.segments],
        words=glance.sentence(telling),
        drawn=figures.for_page(glance.chart(telling)),
    )


def _entry(column: ColumnShift, *, is_drawn: bool) -> ColumnEntry:
    has_missing = column.ref_missing or column.test_missing
    return ColumnEntry(
        name=shown(column_words.name(column), _MOST_OF_A_NAME),
        type=column_words.type_words(column),
        words=column_words.moved(column),
        strength=column_words.strength(column),
        missing=f"missing {column_words.missing(column)}" if has_missing else "none missing",
        shares=_shares(column) if is_drawn else [],
        ranges=_ranges(column) if is_drawn else [],
    )


def _shares(column: ColumnShift) -> list[ShareRow]:
    rows = [_share(each) for each in _in_order(column)[:_MOST_CATEGORIES]]
    if column.ref_missing or column.test_missing:
        before, now = column.ref_missing, column.test_missing
        rows.append(ShareRow(text="(missing)", ref_share=before, test_share=now))
    return rows


def _in_order(column: ColumnShift) -> Sequence[CategoryShare]:
    if column.type != "boolean":
        return column.categories
    return sorted(column.categories, key=lambda each: each.category, reverse=True)


def _share(category: CategoryShare) -> ShareRow:
    return ShareRow(
        text=shown(category.category, _MOST_OF_A_TEXT) or "(empty)",
        ref_share=category.ref_share,
        test_share=category.test_share,
        mark=column_words.change(category),
    )


def _ranges(column: ColumnShift) -> list[RangeRow]:
    sides = (("reference", column.ref_quantiles), ("window", column.test_quantiles))
    unit = column_words.unit(column)
    rows = []
    for text, quantiles in sides:
        if quantiles is not None:
            low, median, high = column_words.scaled(column, quantiles)
            middle = " ".join(filter(None, (number(median), unit)))
            ends = column_words.readable([low, high])
            words = f"{middle} ({number(ends[0])} to {number(ends[1])})"
            rows.append(RangeRow(text=text, quantiles=[low, median, high], words=words))
    return rows
