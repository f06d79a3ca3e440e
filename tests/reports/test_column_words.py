"""How a column moved, as people read it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.records.alerts import CategoryShare, ColumnShift
from flink_jobs.reports.column_words import moved, pair, sentence


def number(**changes: Any) -> ColumnShift:
    given: dict[str, Any] = {
        "column": "tenure",
        "type": "number",
        "statistic": 0.5,
        "p_value": 1e-9,
        "ref_quantiles": [1.0, 12.1, 48.0],
        "test_quantiles": [1.0, 12.1, 48.0],
    }
    return ColumnShift(**(given | changes))


def category(*shares: tuple[str, float, float], **changes: Any) -> ColumnShift:
    given: dict[str, Any] = {
        "column": "plan",
        "type": "category",
        "statistic": 0.4,
        "p_value": 1e-9,
        "categories": [
            CategoryShare(category=text, ref_share=before, test_share=now)
            for text, before, now in shares
        ],
    }
    return ColumnShift(**(given | changes))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (number(test_quantiles=[2.0, 30.4, 61.0], direction="up"), "median 12.1 → 30.4, up"),
        (number(test_quantiles=[0.0, 3.0, 9.0], direction="down"), "median 12.1 → 3, down"),
        (number(test_quantiles=[-90.0, 12.1, 148.0]), "90 % within 1 to 48 → -90 to 148"),
        (number(direction="up"), "up, the median 12.1 as before"),
        (number(ref_missing=0.0, test_missing=0.12, statistic=0.12), "missing 0 % → 12 %"),
        (
            number(test_quantiles=None, test_missing=1.0, statistic=1.0),
            "missing 0 % → 100 %; median 12.1 → none",
        ),
        (number(ref_quantiles=None, test_quantiles=None, direction="down"), "down"),
        (number(ref_quantiles=None, test_quantiles=None), "changed"),
        (category(("family", 0.0, 0.4)), "`family` 0 % → 40 %"),
        (category(("", 0.0, 0.4)), "(empty) 0 % → 40 %"),
        (category(("true", 0.1, 0.35), ("false", 0.9, 0.65), type="boolean"), "true 10 % → 35 %"),
        (category(("false", 1.0, 0.9), type="boolean"), "false 100 % → 90 %"),
        (
            category(("family", 0.0, 0.4), ref_missing=0.5, test_missing=0.1),
            "missing 50 % → 10 %; `family` 0 % → 40 %",
        ),
    ],
)
def test_a_column_is_told_by_what_moved_in_it(column: ColumnShift, said: str) -> None:
    assert moved(column) == said


def test_a_small_share_of_missing_values_is_told_last() -> None:
    column = number(test_quantiles=[2.0, 30.4, 61.0], direction="up", test_missing=0.01)

    assert moved(column) == "median 12.1 → 30.4, up; missing 0 % → 1 %"


def test_p_value_and_effect_size_stand_next_to_it() -> None:
    assert sentence(category(("family", 0.0, 0.4), p_value=0.0)) == (
        "`plan`: `family` 0 % → 40 % (p < 1e-300, effect size 0.4)"
    )


def test_no_more_categories_are_named_than_asked_for() -> None:
    column = category(*((str(place), 0.1, 0.2) for place in range(5)))

    assert [moved(column, most).count("→") for most in (1, 3)] == [1, 3]


_numbers = st.floats(-1e140, 1e140)


@given(_numbers, _numbers)
def test_two_numbers_that_read_alike_are_close(before: float, now: float) -> None:
    first, second = pair(before, now)

    assert first != second or math.isclose(before, now, rel_tol=1e-3)
    assert max(len(first), len(second)) <= len("-999,999,999,999")


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_and_texts_from_outside_stay_one_short_line(name: str, text: str) -> None:
    told = sentence(category((text, 0.0, 0.4), column=name))

    assert told.isprintable()
    assert len(told) < 200
    assert told.count("`") <= 4


def test_new_and_gone_categories_are_named_as_such_and_the_rest_is_counted() -> None:
    column = ColumnShift(
        column="plan",
        type="category",
        statistic=0.6,
        p_value=1e-9,
        categories=[
            CategoryShare(category="family", ref_share=0.0, test_share=0.4, is_new=True),
            CategoryShare(category="basic", ref_share=0.2, test_share=0.0, is_gone=True),
        ],
        n_new=4,
        n_gone=2,
        new_share=0.52,
    )

    assert moved(column) == (
        "`family` 0 % → 40 % (new), `basic` 20 % → 0 % (gone), 3 more new (12 %), 1 more gone"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unit": "months"}, "median 12.1 → 30.4 months, up"),
        ({"unit": "\x1b[2J"}, r"median 12.1 → 30.4 \x1b[2J, up"),
        (
            {
                "kind": "probability",
                "ref_quantiles": [0.0, 0.121, 0.5],
                "test_quantiles": [0.0, 0.304, 0.5],
            },
            "median 12.1 → 30.4 %, up",
        ),
        ({"test_quantiles": None, "unit": "€", "direction": "none"}, "median 12.1 € → none"),
    ],
)
def test_numbers_have_their_unit_and_probabilities_are_in_per_cent(
    changes: dict[str, Any], said: str
) -> None:
    column = number(**({"test_quantiles": [2.0, 30.4, 61.0], "direction": "up"} | changes))

    assert moved(column) == said


def test_the_probability_of_a_class_is_called_so() -> None:
    column = number(column="dog", kind="class_probabilities", direction="up")

    assert sentence(column).startswith("probability of `dog`: up, the median 1,210 % as before")
