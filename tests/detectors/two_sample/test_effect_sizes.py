"""Tests that effect sizes of all tests mean the same: about 0 where nothing moved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from detectors import (
    TWO_SAMPLE_TESTS,
    BinomialTest,
    ChiSquareTest,
    CramerVonMisesTest,
    EnergyTest,
    FourierMMDTest,
    JensenShannonTest,
    KSTest,
    MixedTest,
    MMDTest,
    PSITest,
    TwoSampleTest,
    WassersteinTest,
)
from detectors.two_sample.effect_sizes import mean_largest_excess, mean_squared_kolmogorov

TESTS: dict[str, Callable[[int], TwoSampleTest]] = {
    "ks": lambda d: KSTest(),
    "mmd": lambda d: MMDTest(19),
    "mmd_features": lambda d: FourierMMDTest(),
    "chi_square": lambda d: ChiSquareTest(99),
    "binomial": lambda d: BinomialTest(),
    "mixed": lambda d: MixedTest(range(0, d, 2), 99),
    "cramer_von_mises": lambda d: CramerVonMisesTest(39),
    "energy": lambda d: EnergyTest(19),
    "wasserstein": lambda d: WassersteinTest(39),
    "psi": lambda d: PSITest(99),
    "jensen_shannon": lambda d: JensenShannonTest(99),
}
CATEGORICAL = {"chi_square": 1, "mixed": 2}
"""Every column of these tests holds categories, or every second."""

LARGEST_MEAN = {30: 0.15, 200: 0.08, 2_000: 0.05}
"""Of the effect sizes of equally distributed samples, by the rows of each."""


def samples(kind: str, n: int, n_dimensions: int, rng: np.random.Generator, loc: float = 0.0):
    x = rng.normal(loc, 1.0, size=(n, n_dimensions))
    if kind in CATEGORICAL:
        columns = x[:, :: CATEGORICAL[kind]]
        columns[:] = rng.integers(0, 5, columns.shape) + loc
    return x


def effect_size(kind: str, n: int, n_dimensions: int, rng: np.random.Generator, loc: float = 0.0):
    fitted = TESTS[kind](n_dimensions).fit(samples(kind, n, n_dimensions, rng))
    return fitted.test(samples(kind, n, n_dimensions, rng, loc), rng=rng).effect_size


def test_every_registered_test_is_looked_at():
    assert set(TESTS) == set(TWO_SAMPLE_TESTS)


@pytest.mark.statistics
@pytest.mark.parametrize("kind", sorted(TESTS))
@pytest.mark.parametrize("n_dimensions", [1, 40])
@pytest.mark.parametrize(("n", "n_repeats"), [(30, 40), (200, 12), (2_000, 2)])
def test_the_mean_effect_size_is_near_0_where_nothing_moved(kind, n, n_repeats, n_dimensions):
    rng = np.random.default_rng(n + n_dimensions)

    effects = [effect_size(kind, n, n_dimensions, rng) for _ in range(n_repeats)]

    assert 0.0 <= np.mean(effects) <= LARGEST_MEAN[n]


@pytest.mark.parametrize("kind", sorted(TESTS))
@pytest.mark.parametrize(("n", "n_dimensions"), [(30, 1), (200, 1), (200, 10)])
def test_the_effect_size_is_near_1_or_more_where_all_moved_far(kind, n, n_dimensions, rng):
    # Of 30 rows in 10 bins each has 3 against the half row that PSI adds.
    assert effect_size(kind, n, n_dimensions, rng, loc=100.0) > 0.8


@pytest.mark.parametrize("degrees", [((4, 40),), ((1, 3), (9, 5)), ((1, 1), (200, 1))])
def test_the_largest_excess_of_chi_squared_variables_is_that_of_drawn_ones(degrees, rng):
    drawn = np.concatenate(
        [rng.chisquare(degree, (20_000, count)) - degree for degree, count in degrees], axis=1
    ).max(axis=1)

    error = drawn.std() / np.sqrt(drawn.size)

    assert mean_largest_excess(degrees) == pytest.approx(drawn.mean(), abs=5 * error)


@pytest.mark.parametrize("n_dimensions", [1, 7, 100])
def test_the_largest_squared_kolmogorov_variable_is_that_of_drawn_ones(n_dimensions, rng):
    drawn = stats.kstwobign.ppf(rng.random((4_000, n_dimensions)).max(axis=1)) ** 2

    error = drawn.std() / np.sqrt(drawn.size)

    assert mean_squared_kolmogorov(n_dimensions) == pytest.approx(drawn.mean(), abs=5 * error)
