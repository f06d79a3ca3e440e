from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.two_sample.cramer_von_mises import CramerVonMisesTest


def compared(x, y, n_permutations=9):
    test = CramerVonMisesTest(n_permutations).fit(np.asarray(x, dtype=float).reshape(len(x), -1))
    return test.test(np.asarray(y, dtype=float).reshape(len(y), -1), rng=np.random.default_rng(5))


def naive_statistic(x, y):
    """Each pooled row in turn: the mean of the square just below its value and that at it."""
    n, m = len(x), len(y)
    total = 0.0
    for z in [*x, *y]:
        below = np.mean(np.array(x) < z) - np.mean(np.array(y) < z)
        at = np.mean(np.array(x) <= z) - np.mean(np.array(y) <= z)
        total += (below**2 + at**2) / 2
    return n * m / (n + m) ** 2 * total


def test_golden_values():
    # stats.cramervonmises_2samp([1.0, 2.5, 4.0, 7.0], [3.0, 5.0, 6.0, 8.0, 9.0]).statistic
    assert compared([1.0, 2.5, 4.0, 7.0], [3.0, 5.0, 6.0, 8.0, 9.0]).statistic == pytest.approx(
        0.2592592592592593, abs=1e-12
    )


@pytest.mark.parametrize(("n_ref", "n_test"), [(2, 2), (2, 6), (30, 17), (200, 300)])
def test_without_ties_the_statistic_is_that_of_scipy(n_ref, n_test, rng):
    x, y = rng.normal(size=(n_ref, 2)), rng.normal(0.3, 1.0, (n_test, 2))

    expected = [stats.cramervonmises_2samp(x[:, d], y[:, d]).statistic for d in range(2)]

    np.testing.assert_allclose(compared(x, y).dimension_statistics, expected, rtol=1e-9)


def test_one_row_in_each_sample_is_enough():
    assert compared([1.0], [2.0]).statistic == naive_statistic([1.0], [2.0])


def test_with_ties_the_statistic_is_the_mean_from_below_and_at_each_value(rng):
    x, y = rng.integers(0, 5, 40), rng.integers(1, 7, 25)

    assert compared(x, y).statistic == pytest.approx(naive_statistic(x, y), rel=1e-12)


def test_turning_the_signs_around_changes_nothing_with_any_ties(rng):
    x, y = rng.integers(0, 4, 40), rng.integers(1, 9, 25)

    assert compared(-x, -y).statistic == pytest.approx(compared(x, y).statistic, rel=1e-12)


def test_missing_values_count_as_one_number_above_all(rng):
    x, y = rng.normal(size=30), rng.normal(size=20)
    x[:3], y[:8] = np.nan, np.nan

    found = compared(x, y)

    above = compared(np.nan_to_num(x, nan=1e6), np.nan_to_num(y, nan=1e6))
    assert found.statistic == above.statistic
    assert found.p_value == above.p_value


def test_the_effect_size_is_1_where_the_samples_do_not_overlap():
    separate = compared(np.arange(500.0), np.arange(500.0) + 1000.0)

    assert separate.effect_size == pytest.approx(1.0, abs=1e-5)
    assert compared(np.zeros(60), np.ones(30)).effect_size == 1.0


def test_the_effect_size_of_a_moderate_shift_is_that_of_the_distributions():
    x = stats.norm.ppf((np.arange(4_000) + 0.5) / 4_000)

    effect = compared(x, x + 0.5).effect_size

    # The mean over both samples of the squared difference of the distribution functions.
    z = np.linspace(-8.0, 8.5, 20_001)
    density = (stats.norm.pdf(z) + stats.norm.pdf(z - 0.5)) / 2
    squares = (stats.norm.cdf(z) - stats.norm.cdf(z - 0.5)) ** 2
    assert effect == pytest.approx(np.sqrt(3 * np.trapezoid(squares * density, z)), abs=0.005)


def test_a_permutation_p_value_is_near_that_of_scipy(rng):
    x, y = rng.normal(size=60), rng.normal(0.3, 1.0, 50)

    expected = stats.cramervonmises_2samp(x, y).pvalue

    assert compared(x, y, 1999).p_value == pytest.approx(expected, abs=0.04)
