from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from detectors.errors import InvalidParameterError
from detectors.two_sample.permutation import (
    BATCH_SIZE,
    observed_membership,
    permutation_critical_value,
    permutation_p_value,
    permuted_statistics,
)


def test_every_permutation_keeps_the_sample_sizes(rng):
    sizes = permuted_statistics(lambda b: b.sum(axis=0), observed_membership(7, 5), 600, rng)

    assert sizes.shape == (600,)
    assert (sizes == 7.0).all()


def test_the_number_of_permutations_does_not_change_the_first_ones(rng):
    pooled, membership = rng.normal(size=12), observed_membership(7, 5)

    def drawn(n_permutations):
        seeded = np.random.default_rng(3)
        return permuted_statistics(lambda b: pooled @ b, membership, n_permutations, seeded)

    np.testing.assert_allclose(drawn(BATCH_SIZE + 50)[:10], drawn(10), rtol=1e-12)


def test_every_row_is_relabelled_equally_often(rng):
    counts = np.zeros(10)

    def count(memberships):
        counts[:] += memberships.sum(axis=1)
        return memberships[0]

    permuted_statistics(count, observed_membership(4, 6), 4000, rng)

    # binomial with mean 1600 and standard deviation 31
    assert np.abs(counts - 1600).max() < 5 * 31


def test_the_p_value_counts_the_observed_labelling():
    assert permutation_p_value(9.0, np.zeros(99)) == 0.01
    assert permutation_p_value(-9.0, np.zeros(99)) == 1.0


def test_statistics_that_differ_by_rounding_only_are_ties():
    assert permutation_p_value(0.3, np.array([0.1 + 0.2, 0.3 - 1e-16])) == 1.0


@given(
    null=st.lists(st.integers(0, 5), min_size=1, max_size=40),
    observed=st.integers(-1, 6),
    level=st.floats(0.001, 0.999),
)
def test_the_critical_value_is_reached_exactly_where_the_p_value_reaches_the_level(
    null, observed, level
):
    null_statistics = np.array(null, dtype=float) / 7

    reached = observed / 7 >= permutation_critical_value(null_statistics, level)

    assert reached == (permutation_p_value(observed / 7, null_statistics) <= level)


@pytest.mark.parametrize("level", [0.01, 0.07, 0.29, 0.57])
def test_a_level_that_is_attainable_is_attained(level):
    null_statistics = np.arange(99.0)

    critical = permutation_critical_value(null_statistics, level)

    assert permutation_p_value(critical, null_statistics) == level


def test_too_few_permutations_for_the_level_have_an_infinite_critical_value():
    assert permutation_critical_value(np.zeros(18), 0.05) == np.inf
    assert permutation_critical_value(np.zeros(19), 0.05) < np.inf


def test_a_level_outside_the_open_unit_interval_is_refused():
    with pytest.raises(InvalidParameterError):
        permutation_critical_value(np.zeros(9), 1.0)


def test_every_membership_is_equally_likely(rng):
    drawn = []

    def remember(memberships: np.ndarray) -> np.ndarray:
        drawn.append(memberships.T.copy())
        return np.zeros(memberships.shape[1])

    permuted_statistics(remember, observed_membership(2, 3), 6_000, rng)

    rows, counts = np.unique(np.concatenate(drawn), axis=0, return_counts=True)
    assert len(rows) == 10
    assert (rows.sum(axis=1) == 2).all()
    assert chisquare(counts).pvalue > 0.001
