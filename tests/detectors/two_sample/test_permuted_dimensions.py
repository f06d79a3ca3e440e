from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest

from detectors.errors import InvalidParameterError, InvalidStateError
from detectors.two_sample import permuted_dimensions
from detectors.two_sample.binned import JensenShannonTest, PSITest
from detectors.two_sample.cramer_von_mises import CramerVonMisesTest
from detectors.two_sample.energy import EnergyTest
from detectors.two_sample.permutation import pooled_rows
from detectors.two_sample.permuted_dimensions import PermutedDimensionsTest, standardized
from detectors.two_sample.wasserstein import WassersteinTest

JOINTLY = (CramerVonMisesTest, WassersteinTest)
BINNED = (PSITest, JensenShannonTest)
"""Their bins are cut at the reference's quantiles, and their dimensions drawn one by one."""

DIMENSION_TESTS = (*JOINTLY, *BINNED)
each_dimension_test = pytest.mark.parametrize("make", DIMENSION_TESTS)
each_test = pytest.mark.parametrize("make", [*DIMENSION_TESTS, EnergyTest])

cells = st.sampled_from([0.0, 1.0, 1.5, -2.0, 1e300, -1e300, np.nan]) | st.floats(-5, 5).map(
    lambda value: round(value, 3)
)
samples = st.integers(1, 3).flatmap(
    lambda n_dimensions: st.tuples(
        *[
            arrays(np.float64, st.tuples(st.integers(1, 9), st.just(n_dimensions)), elements=cells)
            for _ in range(2)
        ]
    )
)


class MeanDifferenceTest(PermutedDimensionsTest):
    """A statistic simple enough to be computed again by loops; remembers what it was asked."""

    kind = "mean_difference"

    def _statistics(self, pooled):
        self.pooled, self.asked = pooled, []

        def statistics(memberships):
            self.asked.extend(memberships.T.astype(bool))
            return np.array(
                [
                    abs(pooled[ref].mean(axis=0) - pooled[~ref].mean(axis=0))
                    for ref in memberships.T.astype(bool)
                ]
            )

        return statistics

    def _effect_size(self, statistic, null, n_ref, n_test):
        return statistic


def gapped_rows(rng, n):
    """Rows with ties, a category and missing values."""
    x = rng.normal(size=(n, 3)).round(1)
    x[:, 1] = rng.integers(0, 3, n)
    x[rng.random(x.shape) < 0.15] = np.nan
    return x


def test_p_values_count_the_labellings_that_reach_the_observed(rng):
    test = MeanDifferenceTest(n_permutations=300)
    result = test.fit(rng.normal(size=(9, 2))).test(rng.normal(0.6, 1.0, (7, 2)), rng=rng)

    observed, *null = [
        abs(test.pooled[ref].mean(axis=0) - test.pooled[~ref].mean(axis=0)) for ref in test.asked
    ]
    n_reaching = [sum(one[d] >= observed[d] - 1e-9 for one in null) for d in range(2)]
    n_largest = sum(one.max() >= observed.max() - 1e-9 for one in null)
    assert len(null) == 300
    assert {int(ref.sum()) for ref in test.asked} == {9}
    assert result.dimension_p_values.tolist() == [(1 + k) / 301 for k in n_reaching]
    assert result.p_value == (1 + n_largest) / 301
    assert result.statistic == observed.max()


@pytest.mark.parametrize("make", JOINTLY)
def test_copies_of_a_dimension_cost_nothing(make, rng):
    x, y = rng.normal(size=(40, 1)), rng.normal(0.4, 1.0, (30, 1))

    one = make(199).fit(x).test(y, rng=np.random.default_rng(5))
    copies = make(199).fit(np.tile(x, 6)).test(np.tile(y, 6), rng=np.random.default_rng(5))

    assert copies.p_value == one.p_value
    assert copies.dimension_p_values.tolist() == [one.p_value] * 6


@pytest.mark.parametrize("make", BINNED)
def test_copies_of_a_binned_dimension_cost_no_more_than_a_correction_for_them(make, rng):
    x, y = rng.normal(size=(40, 1)), rng.normal(0.9, 1.0, (30, 1))

    one = make(1_999).fit(x).test(y, rng=np.random.default_rng(5))
    copies = make(1_999).fit(np.tile(x, 6)).test(np.tile(y, 6), rng=np.random.default_rng(5))

    assert copies.statistic == one.statistic
    assert one.p_value < copies.p_value < 6.5 * one.p_value
    # Each copy draws for itself: its count of 1,999 draws is near that of the others.
    np.testing.assert_allclose(copies.dimension_p_values, one.p_value, rtol=0.5)


@each_dimension_test
def test_the_dimension_that_moved_is_named_by_its_p_value(make, rng):
    x = rng.normal(size=(80, 4))
    y = x[:60] + np.array([0.0, 0.0, 1.5, 0.0])

    result = make(99).fit(x).test(y, rng=rng)

    assert result.p_value == result.dimension_p_values[2] == 0.01
    assert result.statistic == result.dimension_statistics.max() == result.dimension_statistics[2]
    assert result.dimension_p_values[[0, 1, 3]].min() > 0.3


@each_dimension_test
def test_statistics_in_blocks_equal_those_of_a_whole_batch(make, rng, monkeypatch):
    x, y = gapped_rows(rng, 30), gapped_rows(rng, 20)

    def null_statistics(block_values):
        monkeypatch.setattr(permuted_dimensions, "BLOCK_VALUES", block_values)
        return make(70).fit(x).test(y, rng=np.random.default_rng(5)).null_statistics

    np.testing.assert_allclose(null_statistics(1), null_statistics(2**20), atol=1e-12)


@each_test
def test_row_order_changes_no_p_value(make, rng):
    x, y = gapped_rows(rng, 30), gapped_rows(rng, 20)

    straight = make(99).fit(x).test(y, rng=np.random.default_rng(5))
    shuffled = (
        make(99).fit(rng.permutation(x)).test(rng.permutation(y), rng=np.random.default_rng(5))
    )

    assert shuffled.p_value == straight.p_value
    np.testing.assert_array_equal(shuffled.dimension_p_values, straight.dimension_p_values)
    np.testing.assert_array_equal(shuffled.null_statistics, straight.null_statistics)


@each_test
@settings(max_examples=40)
@given(samples=samples)
def test_any_two_samples_have_a_statistic_that_treats_them_alike_without_bins(make, samples):
    x, y = samples
    rng = np.random.default_rng(5)

    forth, back = make(5).fit(x).test(y, rng=rng), make(5).fit(y).test(x, rng=rng)

    for result in (forth, back):
        assert np.isfinite(result.statistic)
        assert result.statistic >= 0.0
        assert (result.dimension_statistics >= 0.0).all()
        assert 0.0 < result.p_value <= 1.0
        assert 0.0 <= result.effect_size < np.inf
        assert (result.null_statistics >= 0.0).all()
    if make in BINNED:
        return
    assert back.statistic == pytest.approx(forth.statistic, rel=1e-9, abs=1e-7)
    np.testing.assert_allclose(
        back.dimension_statistics, forth.dimension_statistics, rtol=1e-9, atol=1e-7
    )


@each_test
@settings(max_examples=40)
@given(samples=samples)
def test_a_sample_against_itself_is_at_distance_0(make, samples):
    x, _ = samples

    result = make(5).fit(x).test(np.concatenate([x, x]), rng=np.random.default_rng(5))

    assert result.statistic == pytest.approx(0.0, abs=1e-12)
    assert result.p_value == 1.0


@each_test
@pytest.mark.parametrize("value", [0.1, -1e308, np.nan])
def test_a_constant_dimension_has_statistic_0_and_p_1(make, value):
    result = (
        make(19)
        .fit(np.full((60, 2), value))
        .test(np.full((31, 2), value), rng=np.random.default_rng(5))
    )

    assert result.statistic == result.effect_size == 0.0
    assert result.p_value == 1.0
    assert result.dimension_statistics.tolist() == [0.0, 0.0]
    assert result.dimension_p_values.tolist() == [1.0, 1.0]


@each_test
def test_values_that_go_missing_alarm(make, rng):
    y = rng.normal(size=(60, 2))
    y[:25, 1] = np.nan

    result = make(99).fit(rng.normal(size=(80, 2))).test(y, rng=rng)

    assert result.p_value == 0.01
    assert int(result.dimension_statistics.argmax()) == 1
    assert result.missing is not None


@each_test
def test_the_effect_size_does_not_grow_with_the_number_of_rows(make, rng):
    x, y = rng.normal(size=(400, 2)), rng.normal(1.0, 1.0, (400, 2))

    few = make(9).fit(x).test(y, rng=rng)
    many = make(9).fit(np.repeat(x, 3, axis=0)).test(np.repeat(y, 3, axis=0), rng=rng)

    # Not equal: what PSI adds against empty bins weighs less in more rows.
    assert many.effect_size == pytest.approx(few.effect_size, rel=0.1)


@each_test
@pytest.mark.parametrize("level", [0.01, 0.05, 0.5, 0.99])
def test_the_critical_statistic_judges_as_the_p_value_does(make, level, rng):
    test = make(39).fit(gapped_rows(rng, 40))
    for shift in (0.0, 0.3, 1.0):
        result = test.test(gapped_rows(rng, 30) + shift, rng=rng)
        reached = result.statistic >= test.critical_statistic(level, result)
        assert reached == (result.p_value <= level)


def test_a_result_without_null_statistics_has_no_critical_statistic(rng):
    test = WassersteinTest(9).fit(np.ones((3, 1)))
    result = test.test(np.ones((3, 1)), rng=rng)
    vars(result)["null_statistics"] = None

    with pytest.raises(InvalidParameterError):
        test.critical_statistic(0.05, result)


@each_test
@pytest.mark.parametrize("n_permutations", [0, -1, 2.0, True, None])
def test_a_count_of_permutations_outside_its_range_is_refused(make, n_permutations):
    with pytest.raises(InvalidParameterError):
        make(n_permutations)


@each_test
@pytest.mark.parametrize(
    "stored", [np.array([0]), np.array([9.0]), np.array([9, 9]), np.array(9), None]
)
def test_a_stored_count_outside_its_range_is_refused(make, stored):
    state = make(9).fit(np.ones((3, 2))).to_arrays()
    if stored is None:
        del state["n_permutations"]
    else:
        state["n_permutations"] = stored

    with pytest.raises(InvalidStateError):
        make.from_arrays(state)


@each_test
def test_the_count_is_restored(make, rng):
    restored = make.from_arrays(make(7).fit(np.ones((3, 2))).to_arrays())

    assert restored.test(np.ones((3, 2)), rng=rng).null_statistics.size == 7


def test_pooled_rows_stay_with_their_sample_in_an_order_of_their_own(rng):
    x, y = rng.normal(size=(7, 2)), rng.normal(size=(4, 2))

    pooled, membership = pooled_rows(x, y)
    again, _ = pooled_rows(rng.permutation(x), rng.permutation(y))

    ref = membership[:, 0] == 1.0
    assert sorted(pooled[ref].tolist()) == sorted(x.tolist())
    assert sorted(pooled[~ref].tolist()) == sorted(y.tolist())
    np.testing.assert_array_equal(pooled, again)


@pytest.mark.parametrize("unit", [1.0, 1e-300, 1e307])
def test_standardized_dimensions_have_deviation_1_in_any_unit(unit, rng):
    x = rng.normal(size=(30, 2))
    x[::4, 0] = np.nan

    found = standardized(x * unit)

    np.testing.assert_allclose(np.nanstd(found, axis=0), 1.0)
    np.testing.assert_allclose(np.nanmin(found, axis=0), 0.0)
    np.testing.assert_allclose(found, standardized(x), rtol=1e-9)


@pytest.mark.statistics
@each_test
def test_the_null_rate_is_the_level_with_ties_and_missing_values(make):
    rng = np.random.default_rng(41)
    n_repeats, p_values = 400, []
    for _ in range(n_repeats):
        x = gapped_rows(rng, 60)
        p_values.append(make(19).fit(x[:40]).test(x[40:], rng=rng).p_value)

    for level in (0.05, 0.1, 0.5):
        n_alarms = int(np.sum(np.array(p_values) <= level))
        interval = binomtest(n_alarms, n_repeats).proportion_ci(0.999)
        assert interval.low <= level
        # Bins at the quantiles of few reference rows are never seen uneven in the reference.
        assert make in BINNED or level <= interval.high


@pytest.mark.statistics
@each_dimension_test
def test_the_rate_of_one_false_dimension_is_the_level_with_any_number_of_them(make):
    rng = np.random.default_rng(43)
    n_repeats, level = 300, 0.1
    n_alarms = sum(
        make(19).fit(x[:30]).test(x[30:], rng=rng).p_value <= level
        for x in (rng.normal(size=(50, 12)).cumsum(axis=1) for _ in range(n_repeats))
    )

    interval = binomtest(n_alarms, n_repeats).proportion_ci(0.999)
    assert interval.low <= level
    assert make in BINNED or level <= interval.high
