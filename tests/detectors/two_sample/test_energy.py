from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.two_sample.energy import EnergyTest


def compared(x, y):
    test = EnergyTest(9).fit(np.asarray(x, dtype=float).reshape(len(x), -1))
    return test.test(np.asarray(y, dtype=float).reshape(len(y), -1), rng=np.random.default_rng(5))


def naive_energy(x, y):
    def mean_distance(a, b):
        return np.mean([np.sqrt(((one - other) ** 2).sum()) for one in a for other in b])

    between = mean_distance(x, y)
    return 2 * between - mean_distance(x, x) - mean_distance(y, y), 2 * between


def test_golden_values():
    # stats.energy_distance([1.0, 2.5, 4.0, 7.0], [3.0, 5.0, 5.0, 8.0, 9.0]) ** 2
    # / np.std([1.0, 2.5, 4.0, 7.0, 3.0, 5.0, 5.0, 8.0, 9.0])
    result = compared([1.0, 2.5, 4.0, 7.0], [3.0, 5.0, 5.0, 8.0, 9.0])

    assert result.statistic == pytest.approx(0.6851691984711494, abs=1e-12)


@pytest.mark.parametrize(("n_ref", "n_test"), [(1, 1), (1, 6), (30, 17)])
def test_with_one_dimension_the_statistic_is_the_square_of_scipys(n_ref, n_test, rng):
    x, y = rng.normal(5.0, 3.0, n_ref), rng.gamma(2.0, 2.0, n_test)

    expected = stats.energy_distance(x, y) ** 2 / np.concatenate([x, y]).std()

    assert compared(x, y).statistic == pytest.approx(expected, rel=1e-9)


def test_with_more_dimensions_it_is_the_sum_over_all_pairs_of_scaled_rows(rng):
    x, y = rng.normal(size=(14, 3)), rng.normal(0.5, 1.0, (9, 3))
    deviation = np.concatenate([x, y]).std(axis=0)

    energy, twice_between = naive_energy(x / deviation, y / deviation)

    result = compared(x, y)
    assert result.statistic == pytest.approx(energy, rel=1e-9)
    share, of_null = energy / twice_between, result.null_statistics.mean() / twice_between
    assert result.effect_size**2 == pytest.approx(
        max(0.0, (share - of_null) / (1.0 - of_null)), rel=1e-9
    )


def test_the_units_of_the_dimensions_change_nothing(rng):
    x, y, units = rng.normal(size=(30, 3)), rng.normal(size=(20, 3)), [1e-300, 1.0, 1e306]

    assert compared(x * units, y * units).statistic == pytest.approx(compared(x, y).statistic)


def test_the_effect_size_nears_1_where_the_samples_are_far_apart(rng):
    x, y = rng.normal(size=(30, 2)), rng.normal(1e6, 1.0, (20, 2))

    assert 0.99 < compared(x, y).effect_size <= 1.0


def test_a_change_of_dependence_alone_is_found(rng):
    x = rng.normal(size=(200, 2))
    y = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.95], [0.95, 1.0]], 200)

    result = EnergyTest(99).fit(x).test(y, rng=rng)

    assert result.p_value <= 0.05
    assert result.dimension_p_values.min() > 0.05


def test_a_missing_value_is_as_far_from_the_mean_as_one_deviation(rng):
    x, y = rng.normal(size=(30, 1)), rng.normal(size=(20, 1))
    x[:3], y[:8] = np.nan, np.nan
    pooled = np.concatenate([x, y])
    missing = np.isnan(pooled)
    filled = np.where(missing, 0.0, (pooled - np.nanmean(pooled)) / np.nanstd(pooled))
    rows = np.concatenate([filled, missing], axis=1)

    energy, _ = naive_energy(rows[:30], rows[30:])

    assert compared(x, y).statistic == pytest.approx(energy, rel=1e-9)
