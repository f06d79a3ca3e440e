"""What alerts say of columns: categories that are new or gone, and the units of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors import ColumnShifts
from flink_jobs.config.columns import Column, Slot, slots_of
from flink_jobs.core.record_parts import Named, column_shifts
from flink_jobs.core.views.encoding import Encoder
from flink_jobs.records.alerts import ColumnShift

PLAN = slots_of([Column("plan", "category", "feature")])
_texts = st.lists(st.sampled_from([*"abcdefgh", "", None]), min_size=1, max_size=60)


def coded(texts: Sequence[str | None]) -> tuple[NDArray[np.float64], dict[int, list[str]]]:
    """Rows of one category with a dictionary of their own, as events have them."""
    known = list(dict.fromkeys(text for text in texts if text is not None))
    codes = [np.nan if text is None else float(known.index(text)) for text in texts]
    return np.array(codes).reshape(-1, 1), {0: known}


def encoder_of(texts: Sequence[str | None], fewest: int = 1) -> Encoder:
    """Tell apart texts that occur so often; the rest is rare."""
    counts = Counter(text for text in texts if text is not None)
    known = [text for text, count in counts.items() if count >= fewest]
    rare = {text: n / len(texts) for text, n in counts.items() if n < fewest}
    return Encoder({0: known}, {0: rare})


def shift_of(
    before: Sequence[str | None],
    now: Sequence[str | None],
    *,
    fewest: int = 1,
    is_of_reference: bool = True,
    encoder: Encoder | None = None,
    slots: tuple[Slot, ...] = PLAN,
) -> ColumnShift:
    encoder = encoder or encoder_of(before, fewest)
    x, texts = coded(now)
    moves = ColumnShifts([0]).fit(encoder.encode(*coded(before))).compare(encoder.encode(x, texts))
    named = Named(encoder, encoder.other_shares(x, texts), len(x), is_of_reference)
    (shift,) = column_shifts(moves, slots, named, 1)
    return shift


@given(_texts, _texts, st.integers(1, 4))
def test_new_categories_are_those_that_the_reference_never_held(
    before: list[str | None], now: list[str | None], fewest: int
) -> None:
    shift = shift_of(before, now, fewest=fewest)

    new = {*now} - {*before, None}
    assert shift.n_new == len(new)
    assert shift.new_share == pytest.approx(sum(text in new for text in now) / len(now))
    assert {each.category for each in shift.categories if each.is_new} <= new


@given(_texts, _texts, st.integers(1, 4))
def test_gone_categories_are_missing_more_surely_than_chance_allows(
    before: list[str | None], now: list[str | None], fewest: int
) -> None:
    shift = shift_of(before, now, fewest=fewest)

    counts = Counter(before)
    gone = {
        text
        for text in {*before} - {*now, None}
        if (1 - counts[text] / len(before)) ** len(now) <= 0.001
    }
    assert shift.n_gone == len(gone)
    assert {each.category for each in shift.categories if each.is_gone} <= gone


def test_a_frequent_category_that_no_event_has_any_more_is_gone() -> None:
    shift = shift_of(["a", "b"] * 50, ["a"] * 50 + [None] * 10)

    assert [(each.category, each.is_gone) for each in shift.categories] == [
        ("b", True),
        ("a", False),
    ]
    assert shift.test_missing == pytest.approx(1 / 6)


def test_nothing_is_called_new_where_the_reference_has_moved_on_and_held_other_texts() -> None:
    fitted_to_an_earlier_one = encoder_of(["a"] * 100)

    later = shift_of(
        ["a"] * 90 + ["b"] * 10,
        ["b"] * 100,
        encoder=fitted_to_an_earlier_one,
        is_of_reference=False,
    )
    same = shift_of(
        ["a"] * 100, ["b"] * 100, encoder=fitted_to_an_earlier_one, is_of_reference=False
    )

    assert (later.n_new, same.n_new) == (0, 1)


def test_nothing_is_called_new_where_not_all_texts_of_the_reference_are_known_by_name() -> None:
    rare = {f"r{place}": 0.0001 for place in range(1_000)}

    shift = shift_of(["a"] * 100, ["r1000"] * 100, encoder=Encoder({0: ["a"]}, {0: rare}))

    assert shift.n_new == 0
    assert "r1000" in [each.category for each in shift.categories]


def test_units_and_kinds_come_from_the_configuration() -> None:
    slots = slots_of(
        [
            Column("tenure", "number", "feature", unit="months"),
            Column(
                "p", "vector", "output", 2, kind="class_probabilities", class_names=("cat", "dog")
            ),
        ]
    )
    moves = ColumnShifts().fit(np.zeros((20, 3))).compare(np.ones((20, 3)))

    shifts = column_shifts(moves, slots, Named(Encoder({}), {}, 20), 3)

    assert [(each.column, each.kind, each.unit) for each in shifts] == [
        ("tenure", None, "months"),
        ("cat", "class_probabilities", ""),
        ("dog", "class_probabilities", ""),
    ]
