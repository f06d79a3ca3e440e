from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.two_sample.attribution import SortedReference

tied_integers = st.lists(st.integers(-3, 3), min_size=1, max_size=40)


def column(values) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, np.newaxis]


# SciPy divides by zero in its p-value for one row in each sample; only its D is compared here.
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@settings(max_examples=200)
@given(ref=tied_integers, test=tied_integers)
def test_distances_equal_those_of_scipy_under_heavy_ties(ref, test):
    expected = stats.ks_2samp(ref, test, method="asymp").statistic

    attribution = SortedReference(column(ref)).attribute(column(test))

    assert attribution.statistics[0] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100)
@given(ref=tied_integers, test=tied_integers, seed=st.integers(0, 99))
def test_row_order_never_matters(ref, test, seed):
    order = np.random.default_rng(seed)
    straight = SortedReference(column(ref)).attribute(column(test))

    shuffled = SortedReference(column(order.permutation(ref))).attribute(
        column(order.permutation(test))
    )

    np.testing.assert_array_equal(straight.statistics, shuffled.statistics)
    np.testing.assert_array_equal(straight.p_values, shuffled.p_values)
    np.testing.assert_array_equal(straight.shifts, shuffled.shifts)


def test_every_dimension_is_compared_alone(rng):
    ref, test = rng.normal(size=(100, 5)), rng.normal([0, 1, 0, -2, 0], size=(80, 5))

    attribution = SortedReference(ref).attribute(test)

    for dimension in range(5):
        alone = stats.ks_2samp(ref[:, dimension], test[:, dimension], method="exact")
        assert attribution.statistics[dimension] == pytest.approx(alone.statistic, abs=1e-12)
        assert attribution.p_values[dimension] == pytest.approx(alone.pvalue, rel=1e-9)


def test_shifts_count_standard_deviations_of_the_reference(rng):
    ref, test = rng.normal(3.0, 2.0, size=(500, 1)), rng.normal(7.0, 1.0, size=(200, 1))

    shift = SortedReference(ref).attribute(test).shifts

    np.testing.assert_allclose(shift, (test.mean() - ref.mean()) / ref.std(), rtol=1e-12)


@pytest.mark.parametrize(
    ("test", "shift"),
    [
        ([0.1, 0.1, 0.1], 0.0),
        ([0.1, 0.1, 0.3], np.inf),
        ([0.1, -0.3, 0.1], -np.inf),
        ([0.0, 0.2, 0.1], np.inf),
    ],
)
def test_a_constant_dimension_shifts_only_where_it_left_its_constant(test, shift):
    attribution = SortedReference(column([0.1] * 7)).attribute(column(test))

    assert attribution.shifts[0] == shift


def test_a_constant_reference_at_zero_has_a_finite_scale():
    attribution = SortedReference(column([0.0, 0.0])).attribute(column([0.0]))

    assert (attribution.statistics[0], attribution.p_values[0], attribution.shifts[0]) == (0, 1, 0)


@pytest.mark.parametrize("size", [1e-308, 1e-200, 1e200, 1e308])
def test_shifts_survive_numbers_near_the_ends_of_float64(size):
    ref, test = np.array([-1.0, 0.0, 1.0]) * size, np.array([0.0, 1.0, 1.0]) * size

    shift = SortedReference(column(ref)).attribute(column(test)).shifts

    np.testing.assert_allclose(shift, (2 / 3) / np.sqrt(2 / 3), rtol=1e-9)


def test_shifts_keep_their_digits_far_from_the_origin(rng):
    ref = rng.integers(0, 9, size=(100, 2)).astype(float)
    near = SortedReference(ref).attribute(ref[:50]).shifts

    far = SortedReference(ref + 2.0**40).attribute(ref[:50] + 2.0**40).shifts

    np.testing.assert_allclose(far, near, atol=1e-3)


def test_events_furthest_in_the_direction_of_the_move_score_most():
    reference = SortedReference(np.arange(100.0)[:, np.newaxis])

    upwards = reference.event_scores(column([50.0, 99.0, 70.0, 80.0]))
    downwards = reference.event_scores(column([50.0, 0.0, 20.0, 30.0]))

    assert upwards.argmax() == 1
    assert downwards.argmax() == 1


def test_event_scores_follow_their_formula(rng):
    ref, test = rng.integers(0, 6, size=(40, 3)), rng.integers(2, 9, size=(25, 3))
    reference = SortedReference(ref.astype(float))
    distances = reference.attribute(test.astype(float)).statistics
    expected = np.zeros(25)
    for j in range(3):
        midranks = [(np.mean(ref[:, j] < x) + np.mean(ref[:, j] <= x)) / 2 for x in test[:, j]]
        position = 2 * np.array(midranks) - 1
        expected += distances[j] * np.sign(position.mean()) * position

    np.testing.assert_allclose(reference.event_scores(test.astype(float)), expected, atol=1e-12)


def test_a_test_value_beyond_the_scale_of_the_reference_does_not_overflow():
    attribution = SortedReference(column([1e-308])).attribute(column([2.0]))

    assert attribution.shifts[0] == np.inf
