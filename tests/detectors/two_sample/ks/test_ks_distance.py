from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.two_sample.ks.distance import KNOT_SPACING, largest_gaps

# Lengths around the knots, values with few or many ties.
values = st.lists(st.integers(-3, 12), min_size=1, max_size=6 * KNOT_SPACING)


def sorted_row(sample) -> np.ndarray:
    return np.sort(np.array(sample, dtype=np.float64))[np.newaxis]


def gap_by_definition(ref: np.ndarray, test: np.ndarray) -> int:
    at_or_below = [
        (np.count_nonzero(ref <= x) * test.size, np.count_nonzero(test <= x) * ref.size)
        for x in np.concatenate([ref.ravel(), test.ravel()])
    ]
    return max(abs(of_ref - of_test) for of_ref, of_test in at_or_below)


@settings(max_examples=500)
@given(ref=values, test=values)
def test_gaps_are_the_largest_difference_of_counts(ref, test):
    ref, test = sorted_row(ref), sorted_row(test)

    assert largest_gaps(ref, test)[0] == gap_by_definition(ref, test)


@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0, -5.0])
@pytest.mark.parametrize(("n_ref", "n_test"), [(1000, 1000), (1000, 37), (37, 1000), (1, 500)])
def test_distances_equal_those_of_scipy(n_ref, n_test, shift):
    rng = np.random.default_rng(n_ref + n_test)
    ref = np.sort(rng.normal(size=(6, n_ref)), axis=1)
    test = np.sort(rng.normal(shift, size=(6, n_test)), axis=1)
    # Half of the dimensions have many ties, within and between the samples.
    ref[3:], test[3:] = ref[3:].round(1), test[3:].round(1)

    distances = largest_gaps(ref, test) / (n_ref * n_test)

    expected = stats.ks_2samp(ref, test, axis=1, method="asymp").statistic
    np.testing.assert_allclose(distances, expected, atol=1e-12)


def test_both_samples_may_change_places(rng):
    one = np.sort(rng.normal(size=(4, 90)), axis=1)
    other = np.sort(rng.normal(size=(4, 70)), axis=1)

    np.testing.assert_array_equal(largest_gaps(one, other), largest_gaps(other, one))
