from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.two_sample.chi_square.distribution import chi_square_p_value
from detectors.two_sample.chi_square.tables import cramers_v_squared, margins_of
from detectors.two_sample.chi_square.tail import tail_bound

TABLES = (
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=5)
    .map(lambda cells: np.array(cells).T)
    .map(lambda table: table[:, table.sum(axis=0) > 0])
    .filter(lambda table: (table.sum(axis=1) > 0).all() and table.shape[1] > 1)
    .filter(lambda table: np.prod(table.sum(axis=0) + 1) <= 2_000)
)


def bound_of(counts) -> float:
    margins, small = margins_of(counts)
    return tail_bound(small, margins)


def enumerated(counts) -> float:
    """The p-value from all tables with the same margins, by SciPy's probabilities."""
    totals, n_test = counts.sum(axis=0), counts[1].sum()
    observed = cramers_v_squared(counts)
    tables = map(np.array, itertools.product(*(range(m + 1) for m in totals)))
    return math.fsum(
        stats.multivariate_hypergeom.pmf(test, totals, n_test)
        for test in tables
        if test.sum() == n_test
        and cramers_v_squared(np.stack([totals - test, test])) >= observed - 1e-12
    )


@settings(max_examples=80, deadline=None)
@given(TABLES)
def test_the_bound_never_lies_below_the_probability(counts):
    assert bound_of(counts) >= enumerated(counts) * (1 - 1e-6)


@pytest.mark.parametrize(
    "counts",
    [
        [[1000, 0], [0, 20]],
        [[30, 20, 0, 0], [0, 0, 9, 13]],
        [[60] * 8 + [0] * 8, [0] * 8 + [4] * 8],
    ],
)
def test_of_samples_that_share_nothing_it_is_the_share_of_one_labelling(counts):
    n_ref, n_test = np.sum(counts, axis=1).tolist()

    assert bound_of(np.array(counts)) == pytest.approx(1 / math.comb(n_ref + n_test, n_test), 1e-3)


@pytest.mark.parametrize(
    "counts", [[[15, 12, 3, 4], [0, 1, 9, 8]], [[20, 12, 3], [0, 1, 20]], [[9, 0, 7], [1, 8, 0]]]
)
def test_it_is_at_most_a_few_hundred_times_the_probability(counts):
    assert bound_of(np.array(counts)) < 300 * enumerated(np.array(counts))


def test_equal_shares_are_not_bounded():
    assert bound_of(np.array([[20, 40, 60], [5, 10, 15]])) == 1.0


@pytest.fixture(scope="module")
def p_values_of_19_tables():
    """Of samples without a shift; 19 tables show nothing below 0.05, and counts are sparse."""
    # Expected counts are as small as 0.1.
    rng = np.random.default_rng(40)
    shares = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.02, 0.01, 0.01, 0.005, 0.005])
    found = []
    for _ in range(2_000):
        counts = np.stack([rng.multinomial(300, shares), rng.multinomial(30, shares)])
        counts = counts[:, counts.sum(axis=0) > 0]
        found.append(chi_square_p_value(counts, 19, rng))
    return np.array(found)


@pytest.mark.statistics
@pytest.mark.parametrize("level", [0.025, 0.01, 0.002])
def test_levels_below_those_of_the_random_tables_are_held(level, p_values_of_19_tables):
    n_alarms = int((p_values_of_19_tables <= level).sum())

    interval = stats.binomtest(n_alarms, len(p_values_of_19_tables)).proportion_ci(0.999)
    assert interval.low <= level
