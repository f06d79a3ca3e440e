from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from detectors import InvalidParameterError, InvalidStateError, KSTest
from detectors.two_sample.chi_square.chi_square import ChiSquareTest
from detectors.two_sample.mixed import MixedTest


def rows(rng, n, *, loc=0.0, n_categories=3) -> np.ndarray:
    """A numeric, a categorical and a numeric column; the middle one has codes from 0."""
    numeric = rng.normal(loc=(loc, 0.0), size=(n, 2))
    return np.column_stack([numeric[:, 0], rng.integers(0, n_categories, n), numeric[:, 1]])


def test_each_column_is_compared_as_the_test_for_its_kind_compares_it(rng):
    x_ref, x_test = rows(rng, 80), rows(rng, 50, loc=0.5)

    mixed = MixedTest([1]).fit(x_ref).test(x_test, rng=rng)
    ks = KSTest().fit(x_ref[:, [0, 2]]).test(x_test[:, [0, 2]], rng=rng)
    chi_square = ChiSquareTest().fit(x_ref[:, [1]]).test(x_test[:, [1]], rng=rng)

    for name in ("dimension_statistics", "dimension_p_values"):
        expected = np.insert(getattr(ks, name), 1, getattr(chi_square, name))
        np.testing.assert_array_equal(getattr(mixed, name), expected)
    assert mixed.effect_size == max(ks.effect_size, chi_square.effect_size)


def test_the_p_value_is_corrected_for_all_columns(rng):
    result = MixedTest([1]).fit(rows(rng, 80)).test(rows(rng, 50, loc=0.5), rng=rng)

    assert result.p_value == 3 * result.dimension_p_values.min()
    assert result.statistic == pytest.approx(-np.log10(result.p_value))


def test_a_move_is_found_in_either_kind_of_column(rng):
    test = MixedTest([1]).fit(rows(rng, 200))

    number_moved = test.test(rows(rng, 100, loc=1.0), rng=rng)
    category_appeared = test.test(rows(rng, 100, n_categories=4), rng=rng)

    assert number_moved.p_value < 1e-4
    assert number_moved.dimension_p_values.argmin() == 0
    assert category_appeared.p_value < 1e-4
    assert category_appeared.dimension_p_values.argmin() == 1


def test_without_numeric_columns_it_judges_as_chi_square(rng):
    x_ref, x_test = rng.integers(0, 3, (60, 2)), rng.integers(0, 4, (40, 2))

    mixed, chi_square = MixedTest([0, 1]).fit(x_ref), ChiSquareTest().fit(x_ref)
    one, other = (test.test(x_test, rng=np.random.default_rng(0)) for test in (mixed, chi_square))

    assert (one.statistic, one.p_value) == (other.statistic, other.p_value)
    assert one.effect_size == other.effect_size
    np.testing.assert_array_equal(mixed.event_scores(x_test), chi_square.event_scores(x_test))


def test_event_scores_add_up_those_of_both_tests(rng):
    x_ref, x_test = rows(rng, 80), rows(rng, 50, loc=0.5, n_categories=4)

    scores = MixedTest([1]).fit(x_ref).event_scores(x_test)

    numeric = KSTest().fit(x_ref[:, [0, 2]]).event_scores(x_test[:, [0, 2]])
    categorical = ChiSquareTest().fit(x_ref[:, [1]]).event_scores(x_test[:, [1]])
    np.testing.assert_allclose(scores, numeric + categorical, atol=1e-15)


def test_missing_values_are_allowed_in_both_kinds_of_column(rng):
    x_ref, x_test = rows(rng, 100), rows(rng, 100)
    x_ref[:5] = x_test[:5] = np.nan
    test = MixedTest([1]).fit(x_ref)

    equally_many = test.test(x_test, rng=rng)
    x_test[:50, 1] = np.nan
    more = test.test(x_test, rng=rng)

    assert equally_many.p_value > 0.001
    assert more.p_value < 1e-6
    assert more.dimension_p_values.argmin() == 1
    assert np.isfinite(test.event_scores(x_test)).all()


@pytest.mark.parametrize("columns", [[3], [1, 7]])
def test_a_column_outside_the_reference_is_refused_in_fit(columns, rng):
    with pytest.raises(InvalidParameterError, match="not one of the 3 columns"):
        MixedTest(columns).fit(rows(rng, 20))


@pytest.mark.parametrize("columns", [[], [-1], [1, 1], [0.0], [True], ["1"]])
def test_columns_that_are_not_different_indices_are_refused(columns):
    with pytest.raises(InvalidParameterError):
        MixedTest(columns)


def test_the_columns_and_the_draws_are_restored(rng):
    x_ref, x_test = rows(rng, 80), rows(rng, 50, loc=0.5)
    test = MixedTest((1,), n_draws=19).fit(x_ref)

    arrays = test.to_arrays()
    restored = MixedTest.from_arrays(arrays)

    assert arrays["categorical_columns"].tolist() == [1]
    assert arrays["n_draws"] == 19
    assert restored.test(x_test, rng=rng).p_value == test.test(x_test, rng=rng).p_value


@pytest.mark.parametrize(
    "change",
    [
        {"categorical_columns": np.array([5])},
        {"categorical_columns": np.array([], dtype=np.int64)},
        {"categorical_columns": np.array([-1])},
        {"categorical_columns": np.array([1.0])},
        {"n_draws": np.array(0)},
    ],
)
def test_stored_arrays_of_another_form_are_refused(change, rng):
    arrays = MixedTest([1]).fit(rows(rng, 20)).to_arrays()

    with pytest.raises(InvalidStateError):
        MixedTest.from_arrays({**arrays, **change})


@settings(max_examples=60)
@given(
    ref=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=15),
    test=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=15),
    level=st.sampled_from([0.001, 0.05, 0.5, 0.9]),
)
def test_the_critical_statistic_is_reached_exactly_where_the_p_value_reaches_the_level(
    ref, test, level
):
    mixed = MixedTest([1]).fit(np.array(ref, dtype=float))
    result = mixed.test(np.array(test, dtype=float), rng=np.random.default_rng(0))

    reached = result.statistic >= mixed.critical_statistic(level, result)

    assert reached == (result.p_value <= level)


@pytest.mark.statistics
def test_false_alarms_stay_at_or_below_the_level():
    rng = np.random.default_rng(3)
    n_repeats, level, n_alarms = 300, 0.1, 0
    for _ in range(n_repeats):
        test = MixedTest([1], n_draws=199).fit(rows(rng, 40))
        n_alarms += test.test(rows(rng, 30), rng=rng).p_value <= level

    assert binomtest(n_alarms, n_repeats).proportion_ci(0.999).low <= level
    assert n_alarms > 0
