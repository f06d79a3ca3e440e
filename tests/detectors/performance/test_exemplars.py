from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import InvalidParameterError, InvalidSampleError, KSTest
from detectors.performance.exemplars import choose_exemplars

SCORES = st.lists(st.integers(-5, 5).map(float), max_size=25).map(np.array)


def test_the_highest_scores_are_the_most_different_events():
    chosen = choose_exemplars(np.array([0.1, 0.9, -0.8, 0.0, 0.7, 0.3]), n_each=2)

    assert chosen.most_different.tolist() == [1, 4]


def test_the_most_typical_events_have_scores_near_zero_not_the_lowest():
    chosen = choose_exemplars(np.array([0.1, 0.9, -0.8, 0.0, 0.7, 0.3]), n_each=2)

    assert chosen.most_typical.tolist() == [3, 0]


def test_another_neutral_score_moves_what_is_typical():
    probabilities = np.array([0.1, 0.95, 0.45, 0.9])

    assert choose_exemplars(probabilities, 1, neutral=0.5).most_typical.tolist() == [2]
    assert choose_exemplars(probabilities, 1).most_typical.tolist() == [0]


def test_of_equal_scores_the_earlier_event_comes_first():
    chosen = choose_exemplars(np.zeros(7), n_each=2)

    assert chosen.most_different.tolist() == [0, 1]
    assert chosen.most_typical.tolist() == [2, 3]


def test_of_scores_equally_far_below_and_above_zero_the_earlier_event_is_first():
    chosen = choose_exemplars(np.array([0.5, -0.1, 0.1, 0.9]), n_each=2)

    assert chosen.most_typical.tolist() == [1, 2]


def test_events_far_out_against_the_move_are_not_typical(rng):
    x_test = np.concatenate([rng.normal(2.0, 0.3, 30), rng.normal(0.0, 0.3, 8), [-9.0, -8.0]])
    test = KSTest().fit(rng.normal(size=(200, 1)))

    chosen = choose_exemplars(test.event_scores(x_test[:, np.newaxis]), n_each=5)

    assert (chosen.most_different < 30).all()
    assert set(chosen.most_typical) <= set(range(30, 38))


@given(SCORES, st.integers(0, 30))
def test_no_event_is_both_and_no_more_are_given_than_asked_for(scores, n_each):
    chosen = choose_exemplars(scores, n_each)

    both = np.concatenate([chosen.most_different, chosen.most_typical])
    assert np.unique(both).size == both.size
    assert chosen.most_different.size == min(n_each, (scores.size + 1) // 2)
    assert chosen.most_typical.size == min(n_each, scores.size // 2)
    assert both.dtype == np.int64


@given(SCORES.filter(len), st.integers(1, 30))
def test_no_other_event_is_more_different_or_more_typical(scores, n_each):
    chosen = choose_exemplars(scores, n_each)

    different = scores[chosen.most_different]
    others = np.delete(scores, chosen.most_different)
    typical = np.abs(scores[chosen.most_typical])
    left = np.abs(np.delete(scores, [*chosen.most_different, *chosen.most_typical]))
    assert (np.diff(different) <= 0.0).all()
    assert (np.diff(typical) >= 0.0).all()
    assert different.min() >= others.max(initial=-np.inf)
    assert typical.max(initial=0.0) <= left.min(initial=np.inf)


@pytest.mark.parametrize("scores", [[0.0, np.nan], [np.inf], [[0.0]]])
def test_scores_that_are_no_row_of_numbers_are_refused(scores):
    with pytest.raises(InvalidSampleError):
        choose_exemplars(np.array(scores), 1)


@pytest.mark.parametrize("parameters", [{"n_each": -1}, {"n_each": 1, "neutral": np.nan}])
def test_parameters_outside_their_range_are_refused(parameters):
    with pytest.raises(InvalidParameterError):
        choose_exemplars(np.zeros(3), **parameters)


def test_exemplars_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        choose_exemplars(np.zeros(3), 1).most_typical = np.zeros(0)
