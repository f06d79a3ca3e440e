from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from detectors.two_sample.ks.distribution import (
    CORRECTED_LIMIT_FROM,
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


@pytest.mark.parametrize(("n_ref", "n_test"), [(100, 1000), (1000, 300), (500, 500), (5000, 900)])
def test_the_corrected_limit_is_within_eight_percent_of_the_one_sample_distribution(n_ref, n_test):
    effective_size = round(n_ref * n_test / (n_ref + n_test))
    assert effective_size >= CORRECTED_LIMIT_FROM
    expected = np.array([0.9, 0.5, 0.1, 0.05, 0.01, 1e-3, 1e-4])

    gaps = np.round(stats.kstwo.isf(expected, effective_size) * n_ref * n_test).astype(np.int64)

    np.testing.assert_allclose(ks_p_values(gaps, n_ref, n_test), expected, rtol=0.08)


@pytest.mark.parametrize(("n_ref", "n_test"), [(101, 100), (1000, 50), (900, 80), (10_001, 1)])
def test_p_values_of_larger_samples_equal_the_asymptotic_ones_of_scipy(n_ref, n_test, rng):
    assert n_ref * n_test > EXACT_LIMIT
    for shift in (0.0, 0.2, 3.0):
        ref, test = rng.normal(size=n_ref), rng.normal(shift, size=n_test)
        expected = stats.ks_2samp(ref, test, method="asymp")

        gap = np.array([round(expected.statistic * n_ref * n_test)])

        np.testing.assert_allclose(
            ks_p_values(gap, n_ref, n_test), max(expected.pvalue, np.finfo(float).tiny), rtol=1e-9
        )


def test_the_two_forms_are_close_where_one_hands_over_to_the_other():
    exact = ks_p_values(np.array([20 * 100]), 100, 100)[0]

    asymptotic = stats.kstwo.sf(0.2, 50)

    assert 0.8 < asymptotic / exact < 1.0


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
