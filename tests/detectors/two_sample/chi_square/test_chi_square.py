from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors import (
    InvalidParameterError,
    InvalidStateError,
    NonFiniteError,
)
from detectors.two_sample.chi_square.chi_square import (
    ChiSquareTest,
    corrected_comparison,
    critical_surprise,
)
from detectors.two_sample.chi_square.distribution import chi_square_p_value
from detectors.two_sample.chi_square.tables import cramers_v_squared

TABLES = (
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=5)
    .map(lambda cells: np.array(cells).T)
    .map(lambda table: table[:, table.sum(axis=0) > 0])
    .filter(lambda table: (table.sum(axis=1) > 0).all())
)


def column(counts) -> np.ndarray:
    """One column in which category i occurs ``counts[i]`` times."""
    return np.repeat(np.arange(len(counts), dtype=float), counts)[:, np.newaxis]


def compare(ref_counts, test_counts, **parameters):
    test = ChiSquareTest(**parameters).fit(column(ref_counts))
    return test.test(column(test_counts), rng=np.random.default_rng(0))


def enumerated_p_value(counts) -> float:
    """The p-value from all tables with the same margins, by SciPy's probabilities and statistic."""
    totals, n_test = counts.sum(axis=0), counts[1].sum()
    observed = cramers_v_squared(counts)
    tables = [
        np.stack([totals - test, test])
        for test in map(np.array, itertools.product(*(range(m + 1) for m in totals)))
        if test.sum() == n_test
    ]
    return math.fsum(
        stats.multivariate_hypergeom.pmf(table[1], totals, n_test)
        for table in tables
        if cramers_v_squared(table) >= observed - 1e-12
    )


@given(TABLES)
def test_the_statistic_equals_that_of_scipy(counts):
    # scipy.stats.chi2_contingency(counts, correction=False).statistic
    expected = stats.chi2_contingency(counts, correction=False).statistic

    assert counts.sum() * cramers_v_squared(counts) == pytest.approx(expected, abs=1e-10)


def test_golden_values_of_a_large_table():
    counts = np.array([[120, 310, 205, 65, 300], [100, 130, 120, 25, 125]])

    result = compare(*counts)

    # SciPy 1.17: chi2_contingency(counts, correction=False)
    expected = stats.chi2_contingency(counts, correction=False)
    assert expected.dof == 4
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-10)
    assert 1500 * result.dimension_statistics[0] ** 2 == pytest.approx(expected.statistic)
    assert result.statistic == pytest.approx(-np.log10(expected.pvalue))


@settings(max_examples=60)
@given(TABLES.filter(lambda table: np.prod(table.sum(axis=0) + 1) <= 2_000))
def test_small_tables_have_the_p_value_that_enumeration_gives(counts):
    p_value = chi_square_p_value(counts, 9, np.random.default_rng(0))

    assert p_value == pytest.approx(enumerated_p_value(counts), rel=1e-9)


@given(TABLES, st.integers(0, 99))
def test_neither_the_order_of_categories_nor_that_of_samples_matters(counts, seed):
    order = np.random.default_rng(seed).permutation(counts.shape[1])
    p_values = [
        chi_square_p_value(table, 9, np.random.default_rng(0))
        for table in (counts, counts[:, order], counts[::-1])
    ]

    np.testing.assert_allclose(p_values, p_values[0], rtol=1e-9)


def test_exact_p_values_keep_their_accuracy_where_they_are_tiny():
    counts = np.array([[40, 0], [0, 30]])

    p_value = chi_square_p_value(counts, 9, np.random.default_rng(0))

    assert p_value == pytest.approx(1 / math.comb(70, 30), rel=1e-9)


def test_a_category_that_appears_or_vanishes_is_a_cell_of_zero():
    appears, vanishes = compare([30, 30, 0], [10, 10, 20]), compare([30, 20, 10], [50, 50, 0])

    assert appears.p_value < 1e-5
    assert vanishes.p_value == pytest.approx(
        enumerated_p_value(np.array([[30, 20, 10], [50, 50, 0]])), rel=1e-9
    )


def test_a_category_that_neither_sample_has_does_not_exist():
    with_gap, without = compare([30, 0, 20], [10, 0, 25]), compare([30, 20], [10, 25])

    assert (with_gap.statistic, with_gap.p_value) == (without.statistic, without.p_value)


def test_one_common_category_never_alarms():
    result = compare([40], [17])

    assert (result.statistic, result.p_value, result.effect_size) == (0.0, 1.0, 0.0)


def test_equal_shares_are_no_distance_at_all():
    assert compare([20, 40, 60], [5, 10, 15]).dimension_statistics.tolist() == [0.0]


def test_samples_without_a_common_category_are_as_far_as_can_be():
    result = compare([50, 40, 0, 0], [0, 0, 9, 13])

    assert result.dimension_statistics.tolist() == [1.0]
    assert result.effect_size > 0.99


def test_samples_with_values_of_their_own_in_every_row_say_nothing():
    result = compare([1] * 15, [0] * 15 + [1] * 15)

    assert (result.p_value, result.effect_size) == (1.0, 0.0)


def test_a_missing_value_is_a_category_of_its_own(rng):
    x_ref = np.array([0.0] * 50 + [np.nan] * 50)[:, np.newaxis]
    test = ChiSquareTest().fit(x_ref)

    same = test.test(np.array([[0.0], [np.nan]] * 20), rng=rng)
    more = test.test(np.array([[0.0]] * 2 + [[np.nan]] * 38), rng=rng)

    assert (same.p_value, same.dimension_statistics[0]) == (1.0, 0.0)
    assert more.p_value < 1e-5
    assert more.missing is not None


def test_negative_zero_is_zero(rng):
    assert ChiSquareTest().fit([[0.0], [0.0]]).test([[-0.0]], rng=rng).p_value == 1.0


def test_the_p_value_is_corrected_for_the_number_of_columns(rng):
    x_ref, x_test = rng.integers(0, 3, (60, 4)), rng.integers(0, [3, 3, 3, 4], (40, 4))

    result = ChiSquareTest().fit(x_ref).test(x_test, rng=rng)

    assert result.p_value == min(1.0, 4 * result.dimension_p_values.min())
    assert result.dimension_p_values.argmin() == 3


def test_the_same_samples_always_have_the_same_p_value(rng):
    # 10 classes in 20 rows leave classes empty in almost every sample.
    x_ref, x_test = rng.integers(0, 10, (20, 1)), rng.integers(0, 10, (20, 1))
    test = ChiSquareTest().fit(x_ref)

    p_values = {test.test(x_test, rng=np.random.default_rng(seed)).p_value for seed in range(20)}

    assert len(p_values) == 1


def test_random_tables_agree_with_the_chi_square_distribution_where_it_holds(rng):
    # The smallest expected count is 4.7, just too small for the asymptotic p-value.
    counts = np.array([[500, 410, 300, 210, 44], [70, 30, 24, 26, 5]])

    p_value = chi_square_p_value(counts, 19_999, rng)

    assert p_value == pytest.approx(stats.chi2_contingency(counts).pvalue, rel=0.15)


def test_a_column_that_left_all_its_categories_alarms_however_many_columns_there_are(rng):
    x_ref, x_test = rng.integers(0, 12, (1_000, 40)), rng.integers(0, 12, (100, 40))
    x_test[:, 7] = rng.integers(12, 20, 100)

    result = ChiSquareTest().fit(x_ref).test(x_test, rng=rng)

    assert int(result.dimension_p_values.argmin()) == 7
    assert 0.0 < result.p_value < 1e-50


def test_a_move_that_no_random_table_reaches_has_a_p_value_below_theirs(rng):
    # 25 of 50 new rows fall into a category that holds a twentieth of the old ones.
    result = compare([250, 250] + [50] * 10, [5, 5, 25, 2, 2, 2, 2, 2, 2, 1, 1, 1], n_draws=99)

    assert 1e-30 < result.p_value < 1e-6


def test_what_underflows_is_given_as_a_positive_p_value():
    result = compare([4000] * 3 + [0], [0] * 3 + [4000])

    assert 0.0 < result.p_value < 1e-300
    assert np.isfinite(result.statistic)


def test_the_effect_size_does_not_grow_with_the_number_of_rows():
    small, large = (
        compare([30, 20, 10], [10, 20, 30]),
        compare([3000, 2000, 1000], [1000, 2000, 3000]),
    )

    assert small.effect_size == pytest.approx(large.effect_size, abs=0.02)
    assert large.statistic > small.statistic


@settings(max_examples=100)
@given(
    ref=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=20),
    test=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=20),
    level=st.sampled_from([0.001, 0.01, 0.05, 0.2, 0.5, 0.9]),
)
def test_the_critical_statistic_is_reached_exactly_where_the_p_value_reaches_the_level(
    ref, test, level
):
    chi_square = ChiSquareTest().fit(np.array(ref, dtype=float))
    result = chi_square.test(np.array(test, dtype=float), rng=np.random.default_rng(0))

    reached = result.statistic >= chi_square.critical_statistic(level, result)

    assert reached == (result.p_value <= level)


@settings(max_examples=300)
@given(st.floats(1e-300, 1.0), st.integers(-3, 3))
def test_levels_within_a_rounding_error_of_the_p_value_are_judged_alike(p_value, ulps):
    result = corrected_comparison(np.zeros(1), np.array([p_value]), 0.0)
    level = min(p_value + ulps * np.spacing(p_value), 1.0 - 1e-16)

    reached = result.statistic >= critical_surprise(level, result)

    assert reached == (result.p_value <= level)


def test_events_of_categories_that_rose_score_above_those_of_categories_that_fell(rng):
    test = ChiSquareTest().fit(column([50, 50, 50]))

    scores = test.event_scores(column([5, 15, 30]))

    of_first, of_second, of_third = scores[0], scores[5], scores[20]
    assert of_first < 0.0 < of_third
    assert of_first < of_second < of_third
    assert np.unique(scores).size == 3


def test_an_event_of_a_new_category_has_the_highest_score():
    scores = ChiSquareTest().fit(column([50, 50])).event_scores(column([20, 20, 10]))

    assert set(np.flatnonzero(scores == scores.max())) == set(range(40, 50))


def test_no_score_exceeds_how_far_the_column_moved(rng):
    test = ChiSquareTest().fit(column([50, 50, 0]))

    scores = test.event_scores(column([22, 22, 2]))

    v = test.test(column([22, 22, 2]), rng=rng).dimension_statistics[0]
    assert 0.5 * v < scores.max() <= v < 0.3


def test_scores_weigh_columns_by_how_far_they_moved():
    x_ref = np.column_stack([np.repeat([0.0, 1.0], 50), np.tile([0.0, 1.0], 50)])
    x_test = np.array([[0.0, 1.0]] * 24 + [[0.0, 0.0]] * 25 + [[1.0, 0.0], [1.0, 1.0]])

    scores = ChiSquareTest().fit(x_ref).event_scores(x_test)

    assert scores[:49].min() > scores[49:].max()


def test_a_refused_reference_leaves_nothing_fitted(rng):
    test = ChiSquareTest().fit(column([5, 5]))

    with pytest.raises(NonFiniteError):
        test.fit([[np.inf]])
    with pytest.raises(RuntimeError):
        test.test(column([5, 5]), rng=rng)


@pytest.mark.parametrize("n_draws", [0, -1, 2.5, True, None])
def test_draws_that_are_no_count_are_refused(n_draws):
    with pytest.raises(InvalidParameterError):
        ChiSquareTest(n_draws)


@pytest.mark.parametrize(
    "change",
    [{"n_draws": np.array(0)}, {"n_draws": np.array(9.0)}, {"x_ref": np.array([[np.inf]])}],
)
def test_stored_arrays_of_another_form_are_refused(change):
    arrays = ChiSquareTest().fit(column([5, 5])).to_arrays()

    with pytest.raises(InvalidStateError):
        ChiSquareTest.from_arrays({**arrays, **change})


def test_the_number_of_draws_is_restored():
    test = ChiSquareTest(n_draws=19).fit(column([60] * 16))
    few = column([5, 4, 3, 2, 2, 2, 1, 1, 1])

    restored = ChiSquareTest.from_arrays(test.to_arrays())

    p_value = restored.test(few, rng=np.random.default_rng(0)).p_value
    assert p_value >= 0.05
    assert p_value * 20 == pytest.approx(round(p_value * 20))


@pytest.mark.statistics
@pytest.mark.parametrize("n", [10, 20, 50, 200])
def test_with_ten_classes_and_few_rows_false_alarms_stay_at_the_level(n):
    """Classes that the reference saw a few times share a cell: with 50 rows that is all of them."""
    rng = np.random.default_rng(n)
    n_repeats, level, n_alarms = 400, 0.1, 0
    for _ in range(n_repeats):
        x = rng.integers(0, 10, (2 * n, 1))
        test = ChiSquareTest(n_draws=199).fit(x[:n])
        n_alarms += test.test(x[n:], rng=rng).p_value <= level

    interval = stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999)

    assert interval.low <= level
    assert n < 100 or level <= interval.high


@pytest.mark.statistics
@pytest.mark.parametrize("n", [50, 200])
def test_a_class_that_doubles_is_found_more_often_than_false_alarms_occur(n):
    rng = np.random.default_rng(n)
    shares = np.array([6, 1, 1, 1, 1]) / 10
    n_repeats, level, n_alarms = 200, 0.1, 0
    for _ in range(n_repeats):
        test = ChiSquareTest(n_draws=199).fit(rng.integers(0, 5, (n, 1)))
        n_alarms += test.test(rng.choice(5, (n, 1), p=shares), rng=rng).p_value <= level

    assert stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999).low > level
