from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import InvalidSampleError, SoftmaxOutputs
from detectors.drift_detector import DriftDetector
from detectors.reducers.softmax import HardPredictions
from detectors.two_sample.chi_square.chi_square import ChiSquareTest


def softmax_rows(rng, n, tilt=0.0) -> np.ndarray:
    logits = rng.normal(loc=(tilt, 0.0, 0.0), size=(n, 3))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_a_row_becomes_the_index_of_its_largest_output():
    reducer = HardPredictions().fit([[0.2, 0.3, 0.5]])

    predicted = reducer.transform([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])

    assert predicted.tolist() == [[1.0], [0.0], [2.0]]
    assert predicted.dtype == np.float64


@pytest.mark.parametrize(
    ("row", "predicted"), [([0.4, 0.4, 0.2], 0), ([0.2, 0.4, 0.4], 1), ([1 / 3] * 3, 0)]
)
def test_of_tied_outputs_the_lowest_index_is_predicted(row, predicted):
    assert HardPredictions().fit([row]).transform([row]) == [[predicted]]


@given(seed=st.integers(0, 99), n=st.integers(1, 30))
def test_the_prediction_has_the_largest_output_of_its_row(seed, n):
    x = softmax_rows(np.random.default_rng(seed), n)

    predicted = HardPredictions().fit(x).transform(x)

    chosen = np.take_along_axis(x, predicted.astype(int), axis=1)
    np.testing.assert_array_equal(chosen, x.max(axis=1, keepdims=True))


def test_rows_are_checked_as_softmax_outputs_are():
    reducer = HardPredictions().fit([[0.5, 0.5]])

    assert isinstance(reducer, SoftmaxOutputs)
    with pytest.raises(InvalidSampleError, match=r"row 1 .* sums to 1.1"):
        reducer.transform([[0.5, 0.5], [0.5, 0.6]])


def test_with_chi_square_it_finds_a_class_that_is_predicted_more_often(rng):
    detector = DriftDetector(HardPredictions(), ChiSquareTest()).fit(softmax_rows(rng, 300))

    assert detector.test(softmax_rows(rng, 100, tilt=1.5), rng=rng).p_value < 1e-4
    assert detector.test(softmax_rows(rng, 100), rng=rng).p_value > 0.001
