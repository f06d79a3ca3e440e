from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from detectors.two_sample.ks.distribution import (
    EXACT_LIMIT,
    critical_gap,
    ks_p_values,
)


@pytest.mark.parametrize(
    ("n_ref", "n_test"), [(1, 1), (1, 9), (7, 5), (12, 18), (100, 100), (37, 250)]
)
def test_exact_p_values_equal_those_of_scipy(n_ref, n_test, rng):
    for shift in (0.0, 0.4, 1.5, 20.0):
        ref, test = rng.normal(size=n_ref), rng.normal(shift, size=n_test)
        expected = stats.ks_2samp(ref, test, method="exact")

        gap = np.array([round(expected.statistic * n_ref * n_test)])

        np.testing.assert_allclose(ks_p_values(gap, n_ref, n_test), expected.pvalue, rtol=1e-9)


def test_exact_p_values_are_the_shares_of_all_relabellings():
    # Every split of 0..6 into 4 and 3, each with its own gap: the definition, by enumeration.
    gaps = []
    for ref in combinations(range(7), 4):
        at_or_below = np.cumsum([value in ref for value in range(7)])
        gaps.append(np.abs(3 * at_or_below - 4 * (np.arange(1, 8) - at_or_below)).max())
    gaps = np.array(gaps)

    shares = np.array([(gaps >= gap).mean() for gap in gaps])

    np.testing.assert_allclose(ks_p_values(gaps, 4, 3), shares, rtol=1e-14)


def test_the_smallest_exact_p_value_keeps_its_relative_accuracy():
    smallest = ks_p_values(np.array([100 * 100]), 100, 100)

    np.testing.assert_allclose(smallest, 2 / math.comb(200, 100), rtol=1e-12)


def exact_and_given(n_ref, n_test):
    """p-values from about 0.2 down to 1e-6: SciPy's exact ones, by counting paths, and ours."""
    effective_size = n_ref * n_test / (n_ref + n_test)
    ref = np.arange(n_ref) / n_ref
    for p in (0.2, 0.05, 0.01, 1e-3, 1e-4, 1e-6):
        moved = math.sqrt(-math.log(p / 2) / 2 / effective_size)
        for part_of_a_step in (0.1, 0.4, 0.7):
            test = (np.arange(n_test) + part_of_a_step) / n_test + moved
            expected = stats.ks_2samp(ref, test, method="exact")
            gap = np.array([round(expected.statistic * n_ref * n_test)])
            yield expected.pvalue, ks_p_values(gap, n_ref, n_test)[0]


@pytest.mark.parametrize(
    ("n_ref", "n_test", "too_large"),
    [
        (200, 200, 0.01),
        (101, 101, 0.01),
        (600, 600, 0.01),
        (1000, 200, 0.01),
        (2000, 80, 0.02),
        (300, 200, 0.02),
        (126, 81, 0.03),
        (150, 97, 0.04),
        (700, 401, 0.02),
        (1000, 57, 0.04),
        # Near a simple ratio D moves in uneven steps.
        (500, 333, 0.14),
        (101, 100, 0.70),
        (600, 599, 0.28),
        (103, 101, 0.40),
        (1001, 200, 0.13),
    ],
)
def test_p_values_of_larger_samples_are_hardly_smaller_than_the_exact_ones(
    n_ref, n_test, too_large
):
    assert n_ref * n_test > EXACT_LIMIT

    ratios = [given / exact for exact, given in exact_and_given(n_ref, n_test)]

    assert min(ratios) > 1 - 0.015
    assert max(ratios) < 1 + too_large


@pytest.mark.parametrize(("n_ref", "n_test"), [(101, 100), (1000, 50), (5000, 40), (700, 700)])
def test_the_most_extreme_samples_are_not_rarer_than_all_relabellings_allow(n_ref, n_test):
    # Two of the C(n_ref + n_test, n_test) relabellings have D = 1.
    log10_of_share = (math.log(2) - math.log(math.comb(n_ref + n_test, n_test))) / math.log(10)

    smallest = ks_p_values(np.array([n_ref * n_test]), n_ref, n_test)[0]

    assert math.log10(smallest) >= log10_of_share


def test_few_rows_against_many_have_exact_p_values():
    # One row lies among the 2 * k outermost of 25,001 places as often as among any others.
    n_ref, k = 25_000, 12

    p_value = ks_p_values(np.array([n_ref - k + 1]), n_ref, 1)[0]

    assert p_value == pytest.approx(2 * k / (n_ref + 1), rel=1e-9)


@pytest.mark.parametrize(("n_ref", "n_test"), [(3, 4), (100, 100), (5000, 3000)])
def test_p_values_lie_above_zero_and_fall_with_the_gap(n_ref, n_test):
    gaps = np.linspace(0, n_ref * n_test, 50).astype(np.int64)

    p_values = ks_p_values(gaps, n_ref, n_test)

    assert p_values[0] == 1.0
    assert p_values[-1] >= np.finfo(float).tiny
    assert (np.diff(p_values) <= 0).all()


@pytest.mark.parametrize(
    ("n", "n_dimensions", "distance"),
    # D needed at alpha 0.05, n = m, computed elsewhere: .8 and .9 at 10; .36 and .38 at 50;
    # .11 and .12 at 500; .078 and .085 at 1000
    [
        (10, 10, 0.8),
        (10, 32, 0.9),
        (50, 10, 0.36),
        (50, 32, 0.38),
        (500, 10, 0.11),
        (1000, 10, 0.078),
    ],
)
def test_critical_distances_equal_known_ones(n, n_dimensions, distance):
    gap = critical_gap(0.05, n_dimensions, n, n)

    assert gap / n**2 == pytest.approx(distance, abs=0.0051)


@pytest.mark.parametrize(("n_ref", "n_test"), [(10, 10), (12, 18), (40, 7), (400, 300)])
def test_no_smaller_gap_is_as_rare_as_the_critical_one(n_ref, n_test):
    gap = critical_gap(0.05, 3, n_ref, n_test)
    step = math.gcd(n_ref, n_test)

    at, before = ks_p_values(np.array([gap, gap - step]), n_ref, n_test)

    assert 3 * at <= 0.05 < 3 * before


def test_samples_too_small_for_the_level_have_no_critical_gap():
    assert critical_gap(0.05, 1, 3, 3) is None
    assert critical_gap(0.11, 1, 3, 3) == 9
