from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.two_sample.wasserstein import WassersteinTest


def compared(x, y):
    test = WassersteinTest(9).fit(np.asarray(x, dtype=float).reshape(len(x), -1))
    return test.test(np.asarray(y, dtype=float).reshape(len(y), -1), rng=np.random.default_rng(5))


def test_golden_values():
    # stats.wasserstein_distance([1.0, 2.5, 4.0, 7.0], [3.0, 5.0, 5.0, 8.0, 9.0])
    # / np.std([1.0, 2.5, 4.0, 7.0, 3.0, 5.0, 5.0, 8.0, 9.0])
    result = compared([1.0, 2.5, 4.0, 7.0], [3.0, 5.0, 5.0, 8.0, 9.0])

    assert result.statistic == pytest.approx(0.9502346548140024, abs=1e-12)
    assert result.effect_size**2 == pytest.approx(
        result.statistic**2 - (result.null_statistics**2).mean()
    )


def test_the_effect_size_of_a_shift_is_its_length_in_pooled_deviations(rng):
    x = rng.normal(size=2_000)

    assert compared(x, x + 1.0).effect_size == pytest.approx(1.0 / np.sqrt(1.25), rel=0.02)


@pytest.mark.parametrize(("n_ref", "n_test"), [(1, 1), (1, 6), (30, 17), (200, 300)])
@pytest.mark.parametrize("decimals", [12, 0])
def test_the_statistic_is_that_of_scipy_in_pooled_deviations(n_ref, n_test, decimals, rng):
    x = rng.normal(5.0, 3.0, (n_ref, 2)).round(decimals)
    y = rng.gamma(2.0, 2.0, (n_test, 2)).round(decimals)

    expected = [
        stats.wasserstein_distance(x[:, d], y[:, d]) / np.concatenate([x, y])[:, d].std()
        for d in range(2)
    ]

    np.testing.assert_allclose(compared(x, y).dimension_statistics, expected, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-300, 1e306])
def test_the_unit_changes_nothing(unit, rng):
    x, y = rng.normal(size=30), rng.normal(size=20)

    assert compared(x * unit, y * unit).statistic == pytest.approx(compared(x, y).statistic)


def test_missing_values_add_the_difference_of_their_shares(rng):
    x, y = rng.normal(size=30), rng.normal(size=20)
    x[:3], y[:8] = np.nan, np.nan

    found = compared(x, y).statistic

    assert found == pytest.approx(compared(x[3:], y[8:]).statistic + 8 / 20 - 3 / 30)


def test_a_sample_that_misses_all_values_is_at_distance_0_and_1_for_its_share(rng):
    assert compared(rng.normal(size=30), np.full(20, np.nan)).statistic == pytest.approx(1.0)
