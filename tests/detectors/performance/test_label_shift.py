from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from detectors.arrays_io import arrays_to_bytes, bytes_to_arrays
from detectors.errors import (
    IllConditionedError,
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
)
from detectors.performance.label_shift import BlackBoxShiftEstimator

SHARES_REF = np.array([0.2, 0.3, 0.5])
SHARES_TEST = np.array([0.6, 0.3, 0.1])
FORMS = pytest.mark.parametrize("form", ["hard", "soft"])


def sample(rng, n, shares, form):
    """Labels of n rows, and the predictions of a model that is right in about 82 % of them."""
    labels = rng.choice(3, size=n, p=shares)
    outputs = softmax(1.5 * (rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[labels]), axis=1)
    return labels, outputs if form == "soft" else outputs.argmax(axis=1)


def seeded():
    return np.random.default_rng(5)


def fitted_on(form, n=600):
    labels, predictions = sample(np.random.default_rng(1), n, SHARES_REF, form)
    return BlackBoxShiftEstimator().fit(predictions, labels)


def assert_equal(first, second):
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def test_raw_weights_solve_the_equation_of_the_paper(rng):
    labels, predictions = sample(rng, 500, SHARES_REF, "hard")
    _, predictions_test = sample(rng, 400, SHARES_TEST, "hard")

    shift = BlackBoxShiftEstimator().fit(predictions, labels).estimate(predictions_test, rng=rng)

    # np.linalg.solve(confusion_matrix(y, f(x)).T / n, np.bincount(f(x')) / m)
    joint = confusion_matrix(labels, predictions).T / 500
    expected = np.linalg.solve(joint, np.bincount(predictions_test) / 400)
    np.testing.assert_allclose(shift.raw_weights, expected, rtol=1e-9)
    # np.linalg.cond(confusion_matrix(y, f(x), normalize="true"))
    confusion = confusion_matrix(labels, predictions, normalize="true")
    assert shift.condition_number == pytest.approx(np.linalg.cond(confusion), rel=1e-9)


@FORMS
def test_the_same_sample_again_has_the_weights_1_and_its_own_accuracy(form):
    labels, predictions = sample(np.random.default_rng(1), 600, SHARES_REF, form)
    answers = predictions if form == "hard" else predictions.argmax(axis=1)

    shift = fitted_on(form).estimate(predictions, rng=seeded())

    np.testing.assert_allclose(shift.weights, 1.0, atol=1e-9)
    np.testing.assert_allclose(shift.class_shares, np.bincount(labels) / 600, atol=1e-9)
    assert shift.estimated_accuracy == pytest.approx((answers == labels).mean(), abs=1e-9)
    assert (shift.weight_low < 1.0).all()
    assert (shift.weight_high > 1.0).all()


@FORMS
def test_a_large_sample_gives_the_true_weights_and_the_true_accuracy(form, rng):
    labels, predictions = sample(rng, 20_000, SHARES_TEST, form)
    answers = predictions if form == "hard" else predictions.argmax(axis=1)

    shift = fitted_on(form, n=20_000).estimate(predictions, rng=seeded(), n_bootstrap=20)

    np.testing.assert_allclose(shift.weights, SHARES_TEST / SHARES_REF, rtol=0.08)
    np.testing.assert_allclose(shift.class_shares, SHARES_TEST, atol=0.02)
    assert shift.estimated_accuracy == pytest.approx((answers == labels).mean(), abs=0.01)


def test_a_negative_weight_is_clipped_and_reported_raw():
    labels = np.repeat([0, 1], [100, 100])
    bbse = BlackBoxShiftEstimator().fit(np.repeat([0, 1, 0, 1], [80, 20, 20, 80]), labels)

    shift = bbse.estimate(np.zeros(50, dtype=int), rng=seeded())

    # raw shares: solve([[0.8, 0.2], [0.2, 0.8]], [1, 0]) = [4/3, -1/3]
    np.testing.assert_allclose(shift.raw_weights, [8 / 3, -2 / 3])
    np.testing.assert_allclose(shift.weights, [8 / 3, 0.0])
    assert shift.class_shares.tolist() == [1.0, 0.0]
    assert shift.estimated_accuracy == pytest.approx(0.8)
    assert shift.weight_low.min() == 0.0


@pytest.mark.parametrize("n_test", [1, 3])
def test_few_rows_give_wide_finite_intervals(n_test):
    labels = np.array([0, 0, 1, 2, 2, 2])

    shift = BlackBoxShiftEstimator().fit(labels, labels).estimate(labels[-n_test:], rng=seeded())

    for name in vars(shift):
        assert np.isfinite(getattr(shift, name)).all(), name
    assert shift.class_shares.sum() == pytest.approx(1.0)


@FORMS
def test_equal_seeds_and_a_restored_estimator_give_equal_results(form, rng):
    bbse = fitted_on(form)
    _, predictions = sample(rng, 200, SHARES_TEST, form)
    expected = bbse.estimate(predictions, rng=seeded(), n_bootstrap=20)

    stored = bytes_to_arrays(arrays_to_bytes(bbse.to_arrays()))
    restored = BlackBoxShiftEstimator.from_arrays(stored)

    assert_equal(bbse.estimate(predictions, rng=seeded(), n_bootstrap=20), expected)
    assert_equal(restored.estimate(predictions, rng=seeded(), n_bootstrap=20), expected)


def test_classes_may_be_any_numbers(rng):
    labels, predictions = sample(rng, 300, SHARES_REF, "hard")
    codes = np.array([-1.5, 7.0, 100.0])

    shift = BlackBoxShiftEstimator().fit(codes[predictions], codes[labels])
    plain = BlackBoxShiftEstimator().fit(predictions, labels)

    first = shift.estimate(codes[predictions], rng=seeded(), n_bootstrap=20)
    second = plain.estimate(predictions, rng=seeded(), n_bootstrap=20)
    assert first.classes.tolist() == codes.tolist()
    np.testing.assert_array_equal(first.weight_high, second.weight_high)


def test_predictions_that_tell_nothing_are_refused():
    labels = np.tile([0, 1], 50)

    with pytest.raises(match="condition number"):
        BlackBoxShiftEstimator().fit(np.zeros(100), labels)
    with pytest.raises(IllConditionedError):
        BlackBoxShiftEstimator().fit(np.full((100, 2), 0.5), labels)


def test_the_limit_of_the_condition_number_decides():
    labels = np.repeat([0, 1], [100, 100])
    predictions = np.repeat([0, 1, 0, 1], [55, 45, 45, 55])

    # np.linalg.cond([[0.55, 0.45], [0.45, 0.55]]) is 10
    BlackBoxShiftEstimator(max_condition=10.01).fit(predictions, labels)
    with pytest.raises(IllConditionedError):
        BlackBoxShiftEstimator(max_condition=9.99).fit(predictions, labels)


def test_a_refused_reference_leaves_no_estimator_behind():
    bbse = fitted_on("hard")

    with pytest.raises(IllConditionedError):
        bbse.fit(np.zeros(100), np.tile([0, 1], 50))
    with pytest.raises(NotFittedError):
        bbse.estimate([0, 1], rng=seeded())


@pytest.mark.parametrize(
    ("predictions", "labels", "error"),
    [
        ([0, 1, 2, 0], [0, 1, 1, 0], InvalidSampleError),  # class 2 is predicted, never true
        (np.full((4, 3), 1 / 3), [0, 1, 1, 0], InvalidSampleError),  # column 2 is never true
        (np.full((4, 2), 1 / 2), [0, 1, 2, 0], InvalidSampleError),  # class 2 has no column
        ([0, 0, 0, 0], [0, 0, 0, 0], InvalidSampleError),
        ([0, 1, 1], [0, 1, 1, 0], ShapeError),
        ([0, 1, 1, 0], [[0, 1], [1, 0]], ShapeError),
        (np.ones((4, 1)), [0, 1, 1, 0], ShapeError),
        ([0, 1, np.nan, 0], [0, 1, 1, 0], NonFiniteError),
        ([0, 1, 1, 0], [0, 1, np.nan, 0], NonFiniteError),
        (np.full((4, 2), 3.0), [0, 1, 1, 0], InvalidSampleError),
        (["a", "b", "b", "a"], [0, 1, 1, 0], InvalidSampleError),
    ],
)
def test_bad_references_have_named_errors(predictions, labels, error):
    with pytest.raises(error):
        BlackBoxShiftEstimator().fit(predictions, labels)


def test_wrong_uses_have_named_errors():
    hard, soft = fitted_on("hard"), fitted_on("soft")

    for bbse, predictions, error in [
        (hard, [0, 3], InvalidSampleError),
        (hard, np.full((2, 3), 1 / 3), ShapeError),
        (soft, [0, 1], ShapeError),
        (soft, np.full((2, 2), 1 / 2), ShapeError),
        (BlackBoxShiftEstimator(), [0, 1], NotFittedError),
    ]:
        with pytest.raises(error):
            bbse.estimate(predictions, rng=seeded())
    for wrong in ({"confidence": 1.0}, {"confidence": 0.0}, {"n_bootstrap": 0}):
        with pytest.raises(InvalidParameterError):
            hard.estimate([0, 1], rng=seeded(), **wrong)
    for limit in (0.5, np.nan):
        with pytest.raises(InvalidParameterError):
            BlackBoxShiftEstimator(max_condition=limit)
    with pytest.raises(NotFittedError):
        BlackBoxShiftEstimator().to_arrays()


@pytest.mark.parametrize("name", ["predictions_ref", "labels_ref", "max_condition"])
def test_damaged_arrays_are_refused(name):
    arrays = fitted_on("hard").to_arrays()

    for damaged in ({n: a for n, a in arrays.items() if n != name}, arrays | {name: np.zeros(3)}):
        with pytest.raises(InvalidStateError):
            BlackBoxShiftEstimator.from_arrays(damaged)


def test_a_confusion_matrix_may_be_singular_in_a_resample():
    # One in 27 resamples of class 0 draws its wrong row three times: both classes look the same,
    # and neither like the test sample.
    labels = np.repeat([0, 1], [3, 3])
    predictions = np.array([0, 0, 1, 1, 1, 1])

    shift = BlackBoxShiftEstimator().fit(predictions, labels).estimate([0, 0], rng=seeded())

    assert np.isfinite(shift.weight_high).all()
    assert 0.0 <= shift.accuracy_low <= shift.accuracy_high <= 1.0


@pytest.mark.statistics
@FORMS
def test_intervals_cover_the_truth_about_as_often_as_they_say(form):
    rng = np.random.default_rng(20180212)
    n_runs, covered, accuracy_covered = 150, np.zeros(3, dtype=int), 0
    truth = SHARES_TEST / SHARES_REF
    labels, predictions = sample(rng, 300_000, SHARES_TEST, form)
    answers = predictions if form == "hard" else predictions.argmax(axis=1)
    accuracy = (answers == labels).mean()
    for _ in range(n_runs):
        labels_ref, predictions_ref = sample(rng, 600, SHARES_REF, form)
        bbse = BlackBoxShiftEstimator().fit(predictions_ref, labels_ref)
        _, predictions_test = sample(rng, 400, SHARES_TEST, form)
        shift = bbse.estimate(predictions_test, rng=rng, n_bootstrap=150)
        covered += (shift.weight_low <= truth) & (truth <= shift.weight_high)
        accuracy_covered += shift.accuracy_low <= accuracy <= shift.accuracy_high

    for n_covered in (*covered, accuracy_covered):
        interval = binomtest(int(n_covered), n_runs).proportion_ci(0.999)
        assert interval.low <= 0.95 <= interval.high
