from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.two_sample.missing import compare_missing, impute_pooled

NAN = np.nan


@pytest.mark.parametrize(("n_ref_missing", "n_test_missing"), [(0, 3), (5, 5), (12, 2), (40, 30)])
def test_p_values_double_the_smaller_tail_of_fisher(n_ref_missing, n_test_missing):
    table = [[n_test_missing, 30 - n_test_missing], [n_ref_missing, 40 - n_ref_missing]]
    tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]

    missing = compare_missing(np.array([n_ref_missing]), np.array([n_test_missing]), 40, 30)

    assert missing.p_values[0] == pytest.approx(min(1.0, 2.0 * min(tails)), rel=1e-9)


def test_only_dimensions_that_miss_values_count_in_the_correction():
    missing = compare_missing(np.array([0, 0, 0, 1]), np.array([9, 0, 0, 1]), 50, 50)

    assert missing.p_value == pytest.approx(2 * missing.p_values[0])
    np.testing.assert_array_equal(missing.p_values[1:3], 1.0)


def test_complete_samples_are_handed_through():
    x_ref, x_test = np.ones((3, 2)), np.zeros((2, 2))

    completed = impute_pooled(x_ref, x_test)

    assert completed[0] is x_ref
    assert completed[1] is x_test


def test_a_missing_value_lies_at_the_mean_and_aside_of_the_observed():
    x_ref, x_test = np.array([[1.0, 0.0], [NAN, 0.0]]), np.array([[5.0, 0.0], [NAN, 0.0]])

    ref, test = impute_pooled(x_ref, x_test)

    assert ref[1, 0] == test[1, 0] == 3.0
    assert ref[1, 2] == test[1, 2] > 0.0
    assert ref[0, 2] == test[0, 2] == 0.0


def test_a_column_without_any_value_becomes_a_constant():
    ref, test = impute_pooled(np.full((3, 1), NAN), np.full((2, 1), NAN))

    np.testing.assert_array_equal(np.concatenate([ref, test]), [[0.0, 1.0]] * 5)


def test_which_sample_a_row_is_in_does_not_matter(rng):
    pooled = np.where(rng.random((20, 3)) < 0.3, NAN, rng.normal(size=(20, 3)))

    one, other = impute_pooled(pooled[:12], pooled[12:]), impute_pooled(pooled[:5], pooled[5:])

    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))
