from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors import KSTest


def test_golden_values(rng):
    x = np.arange(20.0)

    result = KSTest().fit(x[:, None]).test(x[::2, None] + 6.5, rng=rng)

    assert result.statistic == pytest.approx(0.35, abs=1e-12)
    # SciPy 1.17.1: ks_2samp(np.arange(20.0), np.arange(20.0)[::2] + 6.5, method="exact").pvalue
    assert result.p_value == pytest.approx(0.3686458469067164, rel=1e-12)


def test_the_largest_distance_is_the_statistic(rng):
    result = KSTest().fit(rng.normal(size=(50, 4))).test(rng.normal(size=(30, 4)), rng=rng)

    assert result.statistic == result.dimension_statistics.max()
    assert result.effect_size < result.statistic
    assert (result.n_ref, result.n_test) == (50, 30)
    assert result.null_statistics is None


def test_the_p_value_is_corrected_for_the_number_of_dimensions(rng):
    result = KSTest().fit(rng.normal(size=(50, 4))).test(rng.normal(1, 1, (30, 4)), rng=rng)

    assert result.p_value == 4 * result.dimension_p_values.min()


def test_a_constant_column_that_stays_never_alarms(rng):
    result = KSTest().fit(np.full((500, 3), 0.1)).test(np.full((200, 3), 0.1), rng=rng)

    assert (result.statistic, result.p_value) == (0.0, 1.0)


def test_a_constant_column_that_moved_is_as_far_as_can_be(rng):
    result = KSTest().fit(np.full((500, 1), 0.1)).test(np.full((200, 1), 0.2), rng=rng)

    assert result.statistic == 1.0
    assert result.p_value < 1e-100
    assert result.dimension_shifts[0] == np.inf


def test_negative_zero_equals_zero(rng):
    result = KSTest().fit([[0.0], [0.0]]).test([[-0.0], [-0.0]], rng=rng)

    assert result.p_value == 1.0


def test_one_test_row_can_be_judged(rng):
    test = KSTest().fit(np.arange(99.0)[:, np.newaxis])

    assert test.test([[1000.0]], rng=rng).p_value == pytest.approx(2 / 100)
    assert test.test([[49.0]], rng=rng).p_value == 1.0


@settings(max_examples=150)
@given(
    ref=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=30),
    test=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=30),
    level=st.sampled_from([0.001, 0.01, 0.05, 0.2, 0.5, 0.9]),
)
def test_the_critical_statistic_is_reached_exactly_where_the_p_value_reaches_the_level(
    ref, test, level
):
    ks = KSTest().fit(np.array(ref, dtype=float))
    result = ks.test(np.array(test, dtype=float), rng=np.random.default_rng(0))

    reached = result.statistic >= ks.critical_statistic(level, result)

    assert reached == (result.p_value <= level)


def test_too_small_samples_have_an_infinite_critical_statistic(rng):
    test = KSTest().fit([[1.0], [2.0]])

    assert test.critical_statistic(0.05, test.test([[9.0], [9.5]], rng=rng)) == np.inf


@pytest.mark.statistics
@pytest.mark.parametrize(("n_ref", "n_test"), [(60, 40), (150, 100)])
@pytest.mark.parametrize("ties", [False, True])
def test_under_the_null_false_alarms_stay_at_or_below_the_level(n_ref, n_test, ties):
    rng = np.random.default_rng(7)
    n_repeats, level, n_alarms = 400, 0.1, 0
    for _ in range(n_repeats):
        x = rng.normal(size=(n_ref + n_test, 3))
        x = x.round() if ties else x
        n_alarms += KSTest().fit(x[:n_ref]).test(x[n_ref:], rng=rng).p_value <= level

    interval = stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999)

    assert interval.low <= level
    assert ties or n_alarms > 0


def with_missing(x: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(x.shape) < share, np.nan, x)


def test_a_shift_behind_one_missing_value_is_still_found(rng):
    x_test = rng.normal(3.0, 1.0, size=(200, 2))
    x_test[17, 0] = np.nan

    result = KSTest().fit(rng.normal(size=(200, 2))).test(x_test, rng=rng)

    assert result.p_value < 1e-12
    assert (result.dimension_shifts > 2.0).all()


def test_one_missing_value_raises_no_alarm(rng):
    x = rng.normal(size=(400, 2))
    x_ref, x_test = x[:200], x[200:]
    clean = KSTest().fit(x_ref).test(x_test, rng=rng)
    x_test[17, 0] = np.nan

    result = KSTest().fit(x_ref).test(x_test, rng=rng)

    assert abs(result.statistic - clean.statistic) <= 1 / 200
    assert result.missing.p_value == pytest.approx(1.0)


def test_a_change_in_the_share_of_missing_values_is_a_drift_and_reported(rng):
    x_ref, x_test = rng.normal(size=(500, 3)), rng.normal(size=(500, 3))
    x_ref, x_test = with_missing(x_ref, 0.1, rng), with_missing(x_test, [0.1, 0.5, 0.1], rng)

    result = KSTest().fit(x_ref).test(x_test, rng=rng)

    assert result.p_value < 1e-9
    assert result.missing.p_value < 1e-9
    assert result.missing.p_values.argmin() == result.dimension_statistics.argmax() == 1
    assert np.abs(result.dimension_shifts).max() < 0.3


def test_a_missing_value_is_one_tied_value_above_all_numbers(rng):
    x_ref = with_missing(rng.integers(0, 5, size=(60, 1)).astype(float), 0.3, rng)
    x_test = with_missing(rng.integers(0, 7, size=(40, 1)).astype(float), 0.2, rng)
    expected = stats.ks_2samp(
        np.nan_to_num(x_ref[:, 0], nan=99.0), np.nan_to_num(x_test[:, 0], nan=99.0)
    ).statistic

    result = KSTest().fit(x_ref).test(x_test, rng=rng)

    assert result.statistic == pytest.approx(expected, abs=1e-12)


def test_a_dimension_missing_everywhere_has_not_moved(rng):
    x = np.full((30, 1), np.nan)

    result = KSTest().fit(x).test(x[:10], rng=rng)

    assert (result.statistic, result.p_value, result.dimension_shifts[0]) == (0.0, 1.0, 0.0)


@pytest.mark.statistics
def test_missing_values_at_random_keep_the_level():
    rng = np.random.default_rng(11)
    n_repeats, level, n_alarms, n_missing_alarms = 400, 0.1, 0, 0
    for _ in range(n_repeats):
        x = with_missing(rng.normal(size=(250, 3)), 0.2, rng)
        result = KSTest().fit(x[:150]).test(x[150:], rng=rng)
        n_alarms += result.p_value <= level
        n_missing_alarms += result.missing.p_value <= level

    for count in (n_alarms, n_missing_alarms):
        assert stats.binomtest(count, n_repeats).proportion_ci(0.999).low <= level
        assert count > 0
