from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.two_sample.chi_square.distribution import chi_square_p_value
from detectors.two_sample.chi_square.tables import MOST_CATEGORIES, group_rare


def test_few_categories_stay_as_they_are():
    counts = np.array([[40] * MOST_CATEGORIES, [1] * MOST_CATEGORIES])

    assert group_rare(counts) is counts


def test_many_categories_stay_as_they_are_where_none_is_rare():
    counts = np.array([[40] * 1_000, [6] * 1_000])

    assert group_rare(counts) is counts


def test_of_many_categories_those_with_two_percent_of_the_rows_keep_their_own_count():
    counts = np.array([[200, 100, *[1] * 700], [50, 0, *[0, 1] * 350]])

    grouped = group_rare(np.flip(counts, axis=1))

    assert grouped[:, :2].tolist() == [[200, 100], [50, 0]]
    assert grouped.shape[1] <= MOST_CATEGORIES
    assert grouped.sum(axis=1).tolist() == counts.sum(axis=1).tolist()
    assert (grouped.sum(axis=0)[3:-1] >= 0.9 * counts.sum() / MOST_CATEGORIES).all()


def test_both_samples_are_grouped_alike():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (2, 300)) + 1

    np.testing.assert_array_equal(group_rare(counts)[::-1], group_rare(counts[::-1]))


def test_a_new_category_is_found_among_a_thousand_rare_ones():
    counts = np.zeros((2, 1_001), dtype=np.int64)
    counts[0, :1_000] = 3
    counts[1, :60] = 1
    counts[1, 1_000] = 40

    assert chi_square_p_value(counts, 999, np.random.default_rng(0)) < 1e-12


@pytest.mark.parametrize(("n_ref", "n_test"), [(3_000, 500), (10_000, 1_000), (1_000, 100)])
@pytest.mark.parametrize("n_categories", [400, 1_000])
def test_a_thousand_rare_categories_that_all_became_others_are_found(n_ref, n_test, n_categories):
    rng = np.random.default_rng(0)
    x_ref = rng.integers(0, n_categories, n_ref)
    x_test = rng.integers(n_categories, 2 * n_categories, n_test)
    counts = np.stack([np.bincount(x, minlength=2 * n_categories) for x in (x_ref, x_test)])
    counts = counts[:, counts.sum(axis=0) > 0]

    assert chi_square_p_value(counts, 999, rng) < 1e-12


@pytest.mark.statistics
def test_grouped_categories_hold_the_level():
    rng = np.random.default_rng(4)
    n_repeats, level, n_alarms = 300, 0.1, 0
    for _ in range(n_repeats):
        x = rng.geometric(0.01, 900)
        counts = np.array([np.bincount(part, minlength=x.max() + 1) for part in np.split(x, [600])])
        counts = counts[:, counts.sum(axis=0) > 0]
        assert group_rare(counts) is not counts
        n_alarms += chi_square_p_value(counts, 99, rng) <= level

    interval = stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999)

    assert interval.low <= level <= interval.high
