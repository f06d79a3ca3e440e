"""Columns of reference and window, drawn from rows and the texts of their categories."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.columns import Column, slots_of
from flink_jobs.reports.charts import shares
from flink_jobs.reports.charts.packing import unpacked
from flink_jobs.reports.evidence import Evidence, Side

SLOTS = slots_of(
    [
        Column("tenure", "number", "feature"),
        Column("plan", "category", "feature"),
        Column("p", "number", "output", kind="probability"),
    ]
)
NAN = float("nan")


def side(rows: Sequence[Sequence[float]], texts: Sequence[str] = ("basic", "family")) -> Side:
    return Side(np.array(rows, dtype=np.float64).reshape(-1, len(SLOTS)), {1: list(texts)})


def plans(texts: Sequence[str | None]) -> Side:
    """Rows of which only the plan matters, in a dictionary of their own."""
    known = list(dict.fromkeys(text for text in texts if text is not None))
    codes = [NAN if text is None else float(known.index(text)) for text in texts]
    return side([[0.0, code, 0.5] for code in codes], known)


def test_shares_are_of_texts_though_both_sides_number_them_differently() -> None:
    evidence = Evidence(SLOTS, plans(["basic", "basic", "plus", None]), plans(["plus", "basic"]))

    found = {each.category: (each.ref_share, each.test_share) for each in evidence.categories(1)}

    assert found == {"basic": (0.5, 0.5), "plus": (0.25, 0.5)}
    assert evidence.missing(1) == (0.25, 0.0)


_plans = st.lists(st.sampled_from(["a", "b", "c", "", None]), min_size=1, max_size=40)


@given(_plans, _plans)
def test_shares_are_those_that_counting_gives(
    before: list[str | None], now: list[str | None]
) -> None:
    evidence = Evidence(SLOTS, plans(before), plans(now))

    found = evidence.categories(1)

    counted = Counter(before), Counter(now)
    for each in found:
        assert each.ref_share == pytest.approx(counted[0][each.category] / len(before))
        assert each.test_share == pytest.approx(counted[1][each.category] / len(now))
    moves = [abs(each.test_share - each.ref_share) for each in found]
    assert moves == sorted(moves, reverse=True)
    assert {each.category for each in found} == {*before, *now} - {None}


def test_a_category_is_drawn_as_bars_and_a_number_as_a_histogram() -> None:
    evidence = Evidence(SLOTS, side([[1, 0, 0.5], [2, 0, 0.1]]), side([[9, 1, 0.5]]))

    plan, tenure = evidence.draw("plan"), evidence.draw("tenure")

    assert plan is not None
    assert plan.rows == [("basic (gone)", "100 %", "0 %"), ("family (new)", "0 %", "100 %")]
    assert tenure is not None
    assert [trace["type"] for trace in tenure.chart["data"]] == ["bar", "scatter"]
    assert float(unpacked(tenure.chart["data"][0]["y"]).sum()) == pytest.approx(1.0)


def test_a_probability_is_drawn_on_a_scale_of_log_odds() -> None:
    evidence = Evidence(SLOTS, side([[1, 0, 0.5], [2, 0, 0.0001]]), side([[9, 1, 0.5]]))

    drawn = evidence.draw("p")

    assert drawn is not None
    assert "50 %" in drawn.chart["layout"]["xaxis"]["ticktext"]


def test_missing_numbers_have_a_row_of_their_own() -> None:
    evidence = Evidence(SLOTS, side([[1, 0, 0], [2, 0, 0]]), side([[NAN, 0, 0], [2, 0, 0]]))

    drawn = evidence.draw("tenure")

    assert drawn is not None
    assert drawn.rows[-1] == ("missing", "0 %", "50 %")


@pytest.mark.parametrize("column", ["plan", "tenure"])
def test_nothing_is_drawn_without_events_or_of_a_column_that_is_not_there(column: str) -> None:
    rows = side([[1, 0, 0]])

    assert Evidence(SLOTS, side([]), rows).draw(column) is None
    assert Evidence(SLOTS, rows, rows).draw("another") is None


def test_a_column_without_any_value_is_drawn_all_the_same() -> None:
    evidence = Evidence(SLOTS, side([[NAN] * 3]), side([[NAN] * 3]))

    drawn = [evidence.draw(slot.name) for slot in SLOTS]

    assert all(drawn)
    assert drawn[1] is not None
    assert drawn[1].rows == [("(missing)", "100 %", "100 %")]


def test_of_many_categories_those_that_moved_most_are_bars_and_the_rest_is_one() -> None:
    before = plans([f"c{place}" for place in range(100)])
    evidence = Evidence(SLOTS, before, plans(["new"] * 50 + [f"c{n}" for n in range(50)]))

    drawn = evidence.draw("plan")

    assert drawn is not None
    assert drawn.rows[0] == ("new (new)", "0 %", "50 %")
    assert len(drawn.chart["layout"]["yaxis"]["tickvals"]) == 7
    assert len(drawn.rows) == 31
    assert drawn.rows[-1][0] == "(all others)"


def test_texts_from_outside_are_no_markup_in_a_chart() -> None:
    hostile = "<a href='https://example.org'>x</a>\u202e"

    bars = shares.of(Evidence(SLOTS, plans([hostile]), plans(["b"])).categories(1), (0.0, 0.0))
    chart: dict[str, Any] = shares.chart(bars.drawn)

    written = [*chart["data"][0]["text"], *chart["layout"]["yaxis"]["ticktext"]]
    # The marks of what is new and gone are ours.
    written = [re.sub("<br><b>(new|gone)</b>$", "", text) for text in written]
    assert not any("<" in text or "\u202e" in text for text in written)


def test_a_table_of_200_columns_finds_its_column_by_name() -> None:
    slots = slots_of(Column(f"x{place}", "number", "feature") for place in range(200))
    rng = np.random.default_rng(0)
    before, now = (Side(rng.normal(size=(50, 200))) for _ in range(2))

    evidence = Evidence(slots, before, now)

    assert evidence.place("x199") == 199
    assert evidence.draw("x199") is not None
