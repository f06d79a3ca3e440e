from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from detectors import InvalidParameterError, InvalidStateError, KSTest, MMDTest, TooFewRowsError
from detectors.two_sample.permutation import observed_membership, permuted_statistics


def naive_unbiased_mmd2(x, y, bandwidth):
    def kernel(a, b):
        return math.exp(-float(((a - b) ** 2).sum()) / bandwidth)

    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    between = sum(kernel(a, b) for a in x for b in y)
    return within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * between / (n * m)


@pytest.mark.parametrize(("n_ref", "n_test"), [(2, 2), (2, 9), (25, 14)])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_the_statistic_equals_the_sum_over_all_pairs(n_ref, n_test, offset, rng):
    x, y = rng.normal(size=(n_ref, 3)) + offset, rng.normal(0.5, 1, (n_test, 3)) + offset

    result = MMDTest(n_permutations=9, bandwidth=2.5).fit(x).test(y, rng=rng)

    assert result.statistic == pytest.approx(naive_unbiased_mmd2(x, y, 2.5), abs=1e-12)


def test_the_median_bandwidth_is_that_of_all_pairs_of_the_pooled_sample(rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(15, 3))
    pooled = np.concatenate([x, y])
    pairs = [((a - b) ** 2).sum() for i, a in enumerate(pooled) for b in pooled[:i]]

    result = MMDTest(n_permutations=9).fit(x).test(y, rng=rng)

    expected = naive_unbiased_mmd2(x, y, float(np.median(pairs)))
    assert result.statistic == pytest.approx(expected, abs=1e-12)


def test_the_null_statistics_are_those_of_relabelled_rows(rng):
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(4, 2))
    pooled = np.concatenate([x, y])
    result = MMDTest(n_permutations=5, bandwidth=1.0).fit(x).test(y, rng=np.random.default_rng(1))

    def relabelled(memberships: np.ndarray) -> np.ndarray:
        return np.array(
            [naive_unbiased_mmd2(pooled[b == 1], pooled[b == 0], 1.0) for b in memberships.T]
        )

    expected = permuted_statistics(
        relabelled, observed_membership(6, 4), 5, np.random.default_rng(1)
    )

    # Single precision, raised by more than its rounding, so that what ties counts as reaching.
    np.testing.assert_allclose(result.null_statistics, expected, atol=3e-7)
    assert (result.null_statistics >= expected).all()


def test_the_effect_size_is_the_root_of_the_statistic_and_never_negative(rng):
    x = rng.normal(size=(40, 2))
    moved = MMDTest(9).fit(x).test(x + 3.0, rng=rng)
    same = MMDTest(9).fit(x).test(x, rng=rng)

    assert moved.effect_size == math.sqrt(moved.statistic)
    assert same.statistic < 0.0
    assert same.effect_size == 0.0


def test_the_dimensions_are_attributed_as_by_the_ks_test(rng):
    x, y = rng.normal(size=(40, 3)), rng.normal([0, 1, 0], size=(30, 3))

    by_mmd = MMDTest(9).fit(x).test(y, rng=rng)
    by_ks = KSTest().fit(x).test(y, rng=rng)

    np.testing.assert_array_equal(by_mmd.dimension_statistics, by_ks.dimension_statistics)
    np.testing.assert_array_equal(by_mmd.dimension_p_values, by_ks.dimension_p_values)
    np.testing.assert_array_equal(by_mmd.dimension_shifts, by_ks.dimension_shifts)


def test_equal_seeds_give_equal_results_and_others_do_not(rng):
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(20, 2))
    test = MMDTest(99).fit(x)

    first, again, other = (test.test(y, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first.null_statistics, again.null_statistics)
    assert first.p_value == again.p_value
    assert (first.null_statistics != other.null_statistics).any()


def test_samples_of_one_repeated_row_never_alarm(rng):
    result = MMDTest(99).fit(np.full((50, 3), 0.1)).test(np.full((20, 3), 0.1), rng=rng)

    assert result.p_value == 1.0


def test_a_constant_sample_that_moved_alarms(rng):
    result = MMDTest(99).fit(np.full((50, 3), 0.1)).test(np.full((20, 3), 0.2), rng=rng)

    assert result.p_value == 0.01


def test_critical_statistic_and_p_value_judge_alike(rng):
    test = MMDTest(39).fit(rng.normal(size=(30, 2)))
    for shift in np.linspace(0.0, 1.0, 12):
        result = test.test(rng.normal(shift, 1, (20, 2)), rng=rng)
        for level in (0.01, 0.025, 0.05, 0.3):
            reached = result.statistic >= test.critical_statistic(level, result)
            assert reached == (result.p_value <= level)


def test_a_result_without_null_statistics_has_no_critical_statistic(rng):
    x = rng.normal(size=(30, 2))
    result = KSTest().fit(x).test(x, rng=rng)

    with pytest.raises(InvalidParameterError, match="null statistics"):
        MMDTest().fit(x).critical_statistic(0.05, result)


def test_one_row_is_too_few_for_the_unbiased_statistic(rng):
    with pytest.raises(TooFewRowsError):
        MMDTest().fit(np.ones((1, 2)))
    with pytest.raises(TooFewRowsError):
        MMDTest().fit(np.ones((5, 2))).test(np.ones((1, 2)), rng=rng)


def test_event_scores_are_the_negative_witness_function(rng):
    x, y = rng.normal(size=(12, 2)), rng.normal(1, 1, (7, 2))

    def kernel(a, b):
        return math.exp(-float(((a - b) ** 2).sum()) / 2.0)

    expected = [np.mean([kernel(e, t) for t in y]) - np.mean([kernel(e, r) for r in x]) for e in y]

    scores = MMDTest(bandwidth=2.0).fit(x).event_scores(y)
    np.testing.assert_allclose(scores, expected, atol=1e-12)


def test_events_unlike_the_reference_score_most(rng):
    y = np.concatenate([rng.normal(size=(60, 2)), rng.normal(6, 0.5, size=(20, 2))])

    scores = MMDTest().fit(rng.normal(size=(200, 2))).event_scores(y)

    assert set(np.argsort(scores)[-20:]) == set(range(60, 80))


@pytest.mark.statistics
@pytest.mark.parametrize("decimals", [12, 0])
def test_under_the_null_p_values_are_uniform_or_larger(decimals):
    rng = np.random.default_rng(11)
    n_repeats, p_values = 400, []
    for _ in range(n_repeats):
        x = rng.normal(size=(50, 2)).round(decimals)
        p_values.append(MMDTest(19).fit(x[:30]).test(x[30:], rng=rng).p_value)

    for level in (0.05, 0.1, 0.3, 0.5):
        n_alarms = int(np.sum(np.array(p_values) <= level))
        interval = stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999)
        assert interval.low <= level
        assert interval.high >= level or decimals == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_permutations": 0},
        {"n_permutations": 2.0},
        {"n_permutations": True},
        {"bandwidth": 0.0},
        {"bandwidth": -1.0},
        {"bandwidth": math.inf},
        {"bandwidth": math.nan},
        {"bandwidth": "mean"},
    ],
)
def test_parameters_outside_their_range_are_refused(parameters):
    with pytest.raises(InvalidParameterError):
        MMDTest(**parameters)


@pytest.mark.parametrize("bandwidth", ["median", 3.5])
def test_the_parameters_are_restored(bandwidth, rng):
    test = MMDTest(n_permutations=7, bandwidth=bandwidth).fit(rng.normal(size=(9, 2)))

    restored = MMDTest.from_arrays(test.to_arrays())

    for name, array in test.to_arrays().items():
        np.testing.assert_array_equal(restored.to_arrays()[name], array)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"n_permutations": np.array([0])},
        {"n_permutations": np.array([9.0])},
        {"bandwidth": np.array([-1.0])},
        {"bandwidth": np.array([1.0, 2.0])},
        {"kernel": np.frombuffer(b"cubic", dtype=np.uint8)},
        {"kernel": np.array([1.0])},
    ],
)
def test_stored_parameters_outside_their_range_are_refused(spoilt, rng):
    arrays = MMDTest(bandwidth=2.0).fit(rng.normal(size=(3, 2))).to_arrays()

    with pytest.raises(InvalidStateError):
        MMDTest.from_arrays({**arrays, **spoilt})


def test_rows_that_repeat_tie_with_their_permutations_and_count():
    # Every relabelling that keeps the counts of 0 and 1 has the same statistic; k reaches all.
    x = np.array([[0.0]] * 7 + [[1.0]] * 7)
    rng = np.random.default_rng(0)
    result = MMDTest(n_permutations=200).fit(x).test(x, rng=rng)

    reaching = np.count_nonzero(result.null_statistics >= result.statistic)
    exact = np.count_nonzero(result.null_statistics.round(6) >= round(result.statistic, 6))

    assert reaching == exact


def test_another_kernel_is_used_and_survives_storage(rng):
    x, y = rng.normal(size=(30, 2)), rng.normal(1.0, 1.0, size=(20, 2))
    gaussian = MMDTest(n_permutations=19).fit(x).test(y, rng=np.random.default_rng(0))
    laplace = MMDTest(n_permutations=19, kernel="laplace").fit(x)
    expected = laplace.test(y, rng=np.random.default_rng(0))

    restored = MMDTest.from_arrays(laplace.to_arrays()).test(y, rng=np.random.default_rng(0))

    assert restored.statistic == expected.statistic != gaussian.statistic


def test_an_unknown_kernel_is_refused():
    with pytest.raises(InvalidParameterError, match="gaussian"):
        MMDTest(kernel="cubic")


def test_a_change_in_the_share_of_missing_values_is_found(rng):
    x, y = rng.normal(size=(100, 3)), rng.normal(size=(80, 3))
    y[:40, 1] = np.nan

    result = MMDTest(n_permutations=199).fit(x).test(y, rng=rng)

    assert result.p_value == 1 / 200


def test_a_shift_behind_one_missing_value_is_found_and_one_missing_value_is_no_shift(rng):
    x, same, moved = rng.normal(size=(100, 3)), rng.normal(size=(80, 3)), rng.normal(2, 1, (80, 3))
    same[3, 1] = moved[3, 1] = np.nan
    test = MMDTest(n_permutations=199).fit(x)

    assert test.test(moved, rng=rng).p_value == 1 / 200
    assert test.test(same, rng=rng).p_value > 0.05


samples = st.integers(2, 25).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.floats(-1e3, 1e3, width=32))
)


@settings(max_examples=60)
@given(x=samples, y=samples)
def test_both_samples_may_change_places(x, y):
    rng = np.random.default_rng(0)

    one = MMDTest(n_permutations=1, bandwidth=7.0).fit(x).test(y, rng=rng).statistic
    other = MMDTest(n_permutations=1, bandwidth=7.0).fit(y).test(x, rng=rng).statistic

    assert one == pytest.approx(other, abs=1e-12)


@settings(max_examples=60)
@given(x=samples, y=samples, seed=st.integers(0, 99))
def test_row_order_does_not_change_the_statistic(x, y, seed):
    order = np.random.default_rng(seed)
    rng = np.random.default_rng(0)

    straight = MMDTest(n_permutations=1).fit(x).test(y, rng=rng).statistic
    shuffled = MMDTest(n_permutations=1).fit(order.permutation(x))
    shuffled_statistic = shuffled.test(order.permutation(y), rng=rng).statistic

    assert straight == pytest.approx(shuffled_statistic, abs=1e-12)


def test_a_reference_used_again_gives_what_a_fresh_one_gives(rng):
    x, first, second = (rng.normal(size=(40, 4)) for _ in range(3))
    used = MMDTest(n_permutations=39).fit(x)
    used.test(first, rng=np.random.default_rng(1))
    used.event_scores(first)

    again = used.test(second, rng=np.random.default_rng(2))
    fresh = MMDTest(n_permutations=39).fit(x).test(second, rng=np.random.default_rng(2))

    assert (again.statistic, again.p_value) == (fresh.statistic, fresh.p_value)
    np.testing.assert_array_equal(again.null_statistics, fresh.null_statistics)


@pytest.mark.statistics
def test_p_values_are_uniform_where_nothing_has_moved():
    rng = np.random.default_rng(23)
    n_repeats = 1_000
    p_values = np.empty(n_repeats)
    for repeat in range(n_repeats):
        rows = rng.normal(size=(45, 3))
        p_values[repeat] = (
            MMDTest(n_permutations=19).fit(rows[:25]).test(rows[25:], rng=rng).p_value
        )

    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9):
        interval = stats.binomtest(int((p_values <= level).sum()), n_repeats).proportion_ci(0.999)
        assert interval.low <= level <= interval.high
