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


def test_of_many_categories_the_most_frequent_keep_their_own_count():
    counts = np.array([np.arange(1_000, 0, -1), np.repeat([1, 0], 500)])

    grouped = group_rare(counts)

    assert grouped.shape == (2, MOST_CATEGORIES)
    assert grouped[:, :-1].tolist() == counts[:, : MOST_CATEGORIES - 1].tolist()
    assert grouped.sum(axis=1).tolist() == counts.sum(axis=1).tolist()


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


@pytest.mark.statistics
def test_grouped_categories_hold_the_level():
    rng = np.random.default_rng(4)
    n_repeats, level, n_alarms = 400, 0.1, 0
    for _ in range(n_repeats):
        x = rng.geometric(0.01, 900)
        counts = np.array([np.bincount(part, minlength=x.max() + 1) for part in np.split(x, [600])])
        counts = counts[:, counts.sum(axis=0) > 0]
        assert group_rare(counts) is not counts
        n_alarms += chi_square_p_value(counts, 99, rng) <= level

    interval = stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999)

    assert interval.low <= level <= interval.high
