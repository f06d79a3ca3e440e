"""Shares of categories as bars and as rows of a table."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.records.alerts import CategoryShare
from flink_jobs.reports.charts import shares


def category(text: str, before: float, now: float, **marks: bool) -> CategoryShare:
    return CategoryShare(category=text, ref_share=before, test_share=now, **marks)


def test_of_many_categories_those_that_moved_most_are_bars_and_the_rest_is_one() -> None:
    moved = [category("new", 0.0, 0.5, is_new=True)]
    moved += [category(f"c{place}", 0.01, 0.005) for place in range(100)]

    bars = shares.of(moved, (0.0, 0.0))

    rows = shares.table(bars.listed)
    assert rows[0] == ("new (new)", "0 %", "50 %")
    assert len(shares.chart(bars.drawn).layout.yaxis.tickvals) == 7
    assert len(rows) == 31
    assert rows[-1][0] == "(all others)"


_counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=50)


@given(_counts, st.integers(0, 20), st.integers(1, 20))
def test_the_bars_of_a_table_sum_to_all_events(
    counts: list[tuple[int, int]], n_missing_before: int, n_missing_now: int
) -> None:
    n_before = max(1, sum(before for before, _ in counts) + n_missing_before)
    n_now = sum(now for _, now in counts) + n_missing_now
    each = [category(f"c{n}", b / n_before, w / n_now) for n, (b, w) in enumerate(counts)]
    missing = n_missing_before / n_before, n_missing_now / n_now

    listed = shares.of(each, missing).listed

    if any(before for before, _ in counts) or n_missing_before:
        assert sum(bar.reference for bar in listed) == pytest.approx(1.0)
    assert sum(bar.window for bar in listed) == pytest.approx(1.0)


def test_a_column_without_any_value_is_drawn_all_the_same() -> None:
    assert shares.table(shares.of([], (1.0, 1.0)).listed) == [("(missing)", "100 %", "100 %")]


def test_texts_from_outside_are_no_markup_in_a_chart() -> None:
    hostile = "<a href='https://example.org'>x</a>\u202e"
    both = [category(hostile, 1.0, 0.0, is_gone=True), category("b", 0.0, 1.0, is_new=True)]

    chart = shares.chart(shares.of(both, (0.0, 0.0)).drawn)

    written = [*chart.data[0].text, *chart.layout.yaxis.ticktext]
    # The marks of what is new and gone are ours.
    written = [re.sub(r"<br>\((new|gone)\)$", "", text) for text in written]
    assert not any("<" in text or "\u202e" in text for text in written)
