from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.reducers.indicators import MOST_INDICATORS, Indicators, indicators_per_column
from detectors.reducers.robust_scale import BOUND

CODES = st.lists(st.integers(0, 6).map(float) | st.just(np.nan), min_size=2, max_size=80)


@given(CODES, CODES)
def test_every_value_is_in_one_indicator_and_frequent_ones_in_their_own(ref, values):
    ref, values = np.array(ref), np.array(values)
    indicators = Indicators.of(ref, most=3)

    rows = indicators.apply(values)

    assert ((rows > 0.0).sum(axis=1) == 1).all()
    named = {str(code) for code in ref if list(map(str, ref)).count(str(code)) >= 10}
    assert {str(code) for code in indicators.codes} <= named
    assert indicators.codes.size == min(3, len(named))


@given(CODES)
def test_two_rows_are_as_far_apart_as_those_of_a_number(ref):
    ref = np.array(ref)
    rows = Indicators.of(ref, most=16).apply(ref)

    squared = ((rows[:, np.newaxis] - rows) ** 2).sum(axis=2)

    # A category that nearly all rows have gives less than that, and never more.
    assert squared.mean() <= 2.0 + 1e-9
    if 0.0 < squared.max() < BOUND**2 - 1e-9:
        assert squared.mean() == pytest.approx(2.0)


def test_a_row_that_leaves_the_only_category_is_the_bound_away():
    indicators = Indicators.of(np.zeros(50), most=16)

    before, after = indicators.apply(np.array([0.0, 1.0]))

    assert np.linalg.norm(after - before) == pytest.approx(BOUND)
    assert indicators.is_new(np.array([0.0, 1.0, np.nan])).tolist() == [False, True, True]


def test_ten_thousand_codes_give_a_bounded_number_of_indicators(rng):
    column = np.floor(10_000 * rng.random(50_000) ** 3)

    indicators = Indicators.of(column, MOST_INDICATORS)

    assert indicators.apply(column[:10]).shape[1] <= MOST_INDICATORS + 1


def test_equally_frequent_codes_are_kept_from_the_lowest_on():
    column = np.repeat([5.0, 3.0, 9.0, 1.0], 10)

    assert Indicators.of(column, most=2).codes.tolist() == [1.0, 3.0]


def test_rare_codes_are_known_though_they_have_no_indicator_of_their_own():
    indicators = Indicators.of(np.array([0.0] * 50 + [7.0]), most=16)

    assert indicators.codes.tolist() == [0.0]
    assert indicators.place(np.array([7.0, 8.0, np.nan])).tolist() == [1, 1, 1]
    assert not indicators.is_new(np.array([7.0, 8.0])).any()


@pytest.mark.parametrize("n_categorical", [1, 10, 32, 100, 200, 1_000])
def test_many_columns_share_a_bounded_number_of_indicators(n_categorical):
    most = indicators_per_column(n_categorical)

    assert 2 <= most <= MOST_INDICATORS
    assert most * n_categorical <= max(512, 2 * n_categorical)
