from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.errors import InvalidParameterError, InvalidStateError
from detectors.two_sample.binned import JensenShannonTest, PSITest, bin_cut
from detectors.two_sample.counts.cells import Rule

each_test = pytest.mark.parametrize("make", [PSITest, JensenShannonTest])

X = [0.0] * 10 + [1.0] * 6 + [2.0] * 4
Y = [0.0] * 8 + [1.0] * 8 + [3.0] * 16


def compared(test, x, y):
    test.fit(np.asarray(x, dtype=float).reshape(len(x), -1))
    return test.test(np.asarray(y, dtype=float).reshape(len(y), -1), rng=np.random.default_rng(5))


def test_golden_values_of_psi():
    # pooled = np.array([18, 14, 4, 16]) / 52
    # p, q = np.array([10, 6, 4, 0]) + 2 * pooled, np.array([8, 8, 0, 16]) + 2 * pooled
    # stats.entropy(p, q) + stats.entropy(q, p)
    result = compared(PSITest(9), X, Y)

    assert result.statistic == pytest.approx(2.161229941649115, abs=1e-12)
    assert 0.0 < result.effect_size < result.statistic


def test_golden_values_of_jensen_shannon():
    # scipy.spatial.distance.jensenshannon([10, 6, 4, 0], [8, 8, 0, 16], base=2)
    result = compared(JensenShannonTest(9), X, Y)

    assert result.statistic == pytest.approx(0.6182885686096771, abs=1e-12)
    assert 0.0 < result.effect_size < result.statistic


def test_samples_without_a_common_value_are_at_jensen_shannon_distance_1():
    assert compared(JensenShannonTest(9), [1.0] * 60, [2.0] * 30).statistic == 1.0


@each_test
def test_missing_values_have_a_bin_of_their_own(make, rng):
    x, y = rng.integers(0, 3, 30).astype(float), rng.integers(0, 3, 20).astype(float)
    x[:3], y[:8] = np.nan, np.nan

    found = compared(make(9), x, y).statistic

    named = compared(make(9), np.nan_to_num(x, nan=7.0), np.nan_to_num(y, nan=7.0)).statistic
    assert found == pytest.approx(named, rel=1e-12)


@each_test
def test_dimensions_with_different_numbers_of_bins_do_not_mix(make, rng):
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    for sample in (x, y):
        sample[:, 1] = sample[:, 1] > 0.0
        sample[::5, 2] = np.nan

    together = compared(make(9), x, y).dimension_statistics

    alone = [compared(make(9), x[:, d], y[:, d]).statistic for d in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_few_values_have_a_bin_each_and_many_have_equal_shares(rng):
    assert bin_cut(np.array([5.0, 9.0] * 4), 3) == (Rule.ALONE, pytest.approx([5.0, 9.0]))
    test = PSITest().fit(rng.normal(size=(1000, 1)))
    assert test.summarise(test.to_arrays()["x_ref"]).tolist() == [100] * 10 + [0]


def test_values_seen_once_have_no_bin_of_their_own():
    assert bin_cut(np.array([5.0, 9.0, 5.0]), 3) == (Rule.UP_TO, pytest.approx([5.0]))


def test_one_value_that_fills_several_quantiles_is_one_edge():
    column = np.concatenate([np.arange(20.0), np.full(80, 20.0), [np.nan]])

    assert bin_cut(column, 10).edges.tolist() == [9.0, 19.0, 20.0]


def test_values_near_the_largest_float_have_bins():
    assert bin_cut(np.array([-1.7e308, 1.7e308, 0.0, 1.0]), 2).edges.tolist() == [0.0]


@each_test
@pytest.mark.parametrize("n_bins", [1, 2.0, True])
def test_a_number_of_bins_outside_its_range_is_refused(make, n_bins):
    with pytest.raises(InvalidParameterError):
        make(9, n_bins)


@each_test
def test_the_number_of_bins_is_stored(make, rng):
    state = make(9, 4).fit(rng.normal(size=(20, 1))).to_arrays()

    assert make.from_arrays(state).to_arrays()["n_bins"].tolist() == [4]
    with pytest.raises(InvalidStateError):
        make.from_arrays({**state, "n_bins": np.array([1])})


@pytest.mark.statistics
def test_the_customary_threshold_alarms_in_most_runs_of_100_rows_and_the_p_value_does_not():
    rng = np.random.default_rng(47)
    n_repeats, level = 400, 0.05
    results = [
        PSITest(19).fit(x[:100]).test(x[100:], rng=rng)
        for x in (rng.normal(size=(200, 1)) for _ in range(n_repeats))
    ]

    n_over = sum(result.statistic > 0.1 for result in results)
    n_alarms = sum(result.p_value <= level for result in results)

    # The docstring says 81 %.
    interval = stats.binomtest(n_over, n_repeats).proportion_ci(0.999)
    assert interval.low <= 0.81 <= interval.high
    interval = stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999)
    assert interval.low <= level <= interval.high


@pytest.mark.statistics
@pytest.mark.parametrize(("n_ref", "n_test"), [(300, 300), (1000, 250)])
def test_psi_where_nothing_moved_is_a_scaled_chi_squared_variable(n_ref, n_test):
    rng = np.random.default_rng(53)
    scale = 1 / n_ref + 1 / n_test
    n_repeats = 400
    n_above = sum(
        compared(PSITest(1), rng.normal(size=n_ref), rng.normal(size=n_test)).statistic
        > scale * stats.chi2(9).median()
        for _ in range(n_repeats)
    )

    interval = stats.binomtest(n_above, n_repeats).proportion_ci(0.999)
    assert interval.low <= 0.5 <= interval.high
