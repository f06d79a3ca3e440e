"""The smallest shift that is found, against streams that share no code with the formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp, kstwo

from detectors import (
    BinnedEDetector,
    ChiSquareTest,
    ConformalEDetector,
    CramerVonMisesTest,
    InvalidParameterError,
    JensenShannonTest,
    KernelEDetector,
    KSTest,
    MMDTest,
    PSITest,
    smallest_shift,
)

SIZES = [(1_000, 200, 3, 0.001), (300, 300, 1, 0.01), (2_000, 60, 2, 0.005)]
N_WINDOWS = 400


def share_found_by_ks(n_ref, n_test, n_dimensions, level, shift, rng):
    """The share of windows whose p-value, by SciPy and corrected, is at most the level."""
    n_found = 0
    for _ in range(N_WINDOWS):
        moved = [shift] + [0.0] * (n_dimensions - 1)
        p_values = [
            ks_2samp(rng.normal(size=n_ref), rng.normal(by, size=n_test), method="asymp").pvalue
            for by in moved
        ]
        n_found += min(p_values) * n_dimensions <= level
    return n_found / N_WINDOWS


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("power", [0.5, 0.9])
def test_windows_find_the_shift_as_often_as_was_said_by_ks(sizes, power, rng):
    found = smallest_shift(KSTest(), sizes[3], *sizes[:3], power)

    share = share_found_by_ks(*sizes, found.size, rng)

    # 400 windows are off by 0.075 at most in 997 of 1,000 cases, the limit of many rows by 0.04.
    assert found.unit == "deviations"
    assert abs(share - power) < 0.075 + 0.04


@pytest.mark.parametrize("power", [0.5, 0.9])
def test_windows_find_the_share_as_often_as_was_said_by_chi_square(power, rng):
    n_ref, n_test, n_dimensions, level = 1_000, 300, 4, 0.002
    found = smallest_shift(ChiSquareTest(), level, n_ref, n_test, n_dimensions, power)

    n_found = 0
    for _ in range(N_WINDOWS):
        ref, test = rng.binomial(n_ref, 0.5), rng.binomial(n_test, 0.5 + found.size)
        table = [[ref, n_ref - ref], [test, n_test - test]]
        n_found += chi2_contingency(table, correction=False).pvalue <= level / n_dimensions

    assert found.unit == "share"
    assert abs(n_found / N_WINDOWS - power) < 0.075 + 0.04


@pytest.mark.parametrize("make", [PSITest, JensenShannonTest])
def test_windows_find_the_shift_nearly_as_often_as_was_said_by_bins(make, rng):
    n_ref, n_test, level, power = 2_000, 400, 0.01, 0.9
    found = smallest_shift(make(), level, n_ref, n_test, 1, power)

    n_found = sum(
        make(n_permutations=499)
        .fit(rng.normal(size=(n_ref, 1)))
        .test(rng.normal(found.size, size=(n_test, 1)), rng=rng)
        .p_value
        <= level
        for _ in range(100)
    )

    # Bins cut at the reference's own quantiles are a little conservative.
    assert 0.75 <= n_found / 100 <= 0.98


def test_too_few_rows_for_bins_say_nothing():
    assert smallest_shift(PSITest(n_bins=10), 0.01, 2_000, 199, 1) is None
    assert smallest_shift(PSITest(n_bins=10), 0.01, 2_000, 200, 1) is not None


def test_of_distances_nothing_is_said():
    for test in (MMDTest(), CramerVonMisesTest()):
        assert smallest_shift(test, 0.01, 500, 500, 2) is None


@settings(max_examples=30)
@given(st.integers(50, 3_000), st.integers(20, 2_000), st.integers(1, 40), st.floats(1e-4, 0.05))
def test_a_rarer_alarm_or_fewer_rows_find_less(n_ref, n_test, n_dimensions, level):
    size = smallest_shift(KSTest(), level, n_ref, n_test, n_dimensions).size

    assert smallest_shift(KSTest(), level / 3, n_ref, n_test, n_dimensions).size >= size
    # D of twice as many rows has other steps, which count where rows are few.
    assert smallest_shift(KSTest(), level, n_ref, 2 * n_test, n_dimensions).size <= 1.02 * size
    assert smallest_shift(KSTest(), level, n_ref, n_test, n_dimensions, 0.5).size <= size
    # No shift makes the distributions differ by less than D, which SciPy gives, and is found.
    least = kstwo.isf(level / n_dimensions, n_ref + n_test) / 2.0
    assert size > least


def test_too_few_rows_find_no_shift():
    assert smallest_shift(KSTest(), 1e-6, 10, 5, 3).size == np.inf
    assert smallest_shift(ChiSquareTest(), 1e-6, 10, 5, 3).size == np.inf


@pytest.mark.parametrize("keys", [{"level": 0.0}, {"power": 1.0}])
def test_levels_and_powers_outside_their_range_are_refused(keys):
    with pytest.raises(InvalidParameterError):
        smallest_shift(KSTest(), **({"level": 0.01} | keys), n_ref=50, n_test=50, n_dimensions=1)


@pytest.mark.parametrize("make", [BinnedEDetector, KernelEDetector, ConformalEDetector])
@pytest.mark.parametrize("shift", [0.5, 1.0])
def test_streams_find_a_shift_within_twice_the_rows_that_were_said(make, shift, rng):
    run_time, n_ref, n_dimensions = 100_000.0, 3_000, 4
    said = make(run_time).rows_to_find(shift, n_ref, n_dimensions)
    moved, delays = shift * np.eye(n_dimensions)[0], []

    for _ in range(7):
        detector, n_rows = make(run_time).fit(rng.normal(size=(n_ref, n_dimensions))), 0
        while not detector.is_alarm and n_rows < 5_000:
            detector.update(rng.normal(size=(20, n_dimensions)) + moved, 20.0)
            n_rows += 20
        delays.append(n_rows)

    assert said / 2.0 <= np.median(delays) <= 2.0 * said


@pytest.mark.parametrize("make", [BinnedEDetector, KernelEDetector, ConformalEDetector])
def test_a_small_reference_leaves_small_shifts_open(make):
    detector = make(1_000.0)

    assert detector.rows_to_find(0.1, 100, 3) == np.inf
    assert detector.rows_to_find(0.5, 50_000, 3) < detector.rows_to_find(0.5, 1_000, 3) < np.inf
    assert detector.rows_to_find(1.0, 1_000, 3) < detector.rows_to_find(0.5, 1_000, 3)
    # Of updates that each pass a hundredth of the run time fewer are needed.
    assert detector.rows_to_find(0.5, 1_000, 3, 10.0) < detector.rows_to_find(0.5, 1_000, 3)
