from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as sklearn_log_loss

from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
)
from detectors.two_sample.classifier.logistic import FourierLogistic, fit_logistic, log_loss


def two_classes(rng, n=120, n_columns=4):
    y = np.repeat([0.0, 1.0], n // 2)
    return rng.normal(size=(n, n_columns)) + y[:, np.newaxis] * 0.7, y


@pytest.mark.parametrize("penalty", [0.003, 0.1, 3.0])
def test_coefficients_and_loss_equal_those_of_scikit_learn(rng, penalty):
    x, y = two_classes(rng)

    model = fit_logistic(x, y, penalty)

    # LogisticRegression(C=1 / (n * penalty), tol=1e-10, max_iter=10_000).fit(x, y)
    expected = LogisticRegression(C=1.0 / (len(x) * penalty), tol=1e-10, max_iter=10_000).fit(x, y)
    np.testing.assert_allclose(model.coefficients, expected.coef_[0], atol=2e-4)
    assert model.intercept == pytest.approx(expected.intercept_[0], abs=2e-4)
    np.testing.assert_allclose(model.probabilities(x), expected.predict_proba(x)[:, 1], atol=2e-4)
    # sklearn.metrics.log_loss(y, probabilities)
    expected_loss = sklearn_log_loss(y, model.probabilities(x))
    assert log_loss(model, x, y) == pytest.approx(expected_loss, rel=1e-9)


def test_separable_classes_give_finite_coefficients():
    model = fit_logistic(np.array([[-9.0], [9.0]]), np.array([0.0, 1.0]), penalty=1e-3)

    assert 0.0 < model.coefficients[0] < 10.0


@pytest.mark.parametrize("change", ["mean", "spread", "shape"])
def test_a_change_of_mean_spread_or_shape_is_learned(rng, change):
    x = rng.normal(size=(1600, 1))
    y = np.tile([0, 1], 800)
    if change == "mean":
        x[y == 1] += 1.5
    elif change == "spread":
        x[y == 1] *= 3.0
    else:  # the same mean and variance, in two narrow heaps
        x[y == 1] = 0.2 * x[y == 1] + rng.choice([-1.0, 1.0], size=(800, 1)) * np.sqrt(0.96)

    classifier = FourierLogistic(rng).fit(x[:800], y[:800])

    accuracy = ((classifier.predict_proba(x[800:])[:, 1] > 0.5) == y[800:]).mean()
    assert accuracy > 0.65


def test_classes_that_do_not_differ_get_probabilities_near_a_half(rng):
    x = rng.normal(size=(400, 5))

    p = FourierLogistic(rng).fit(x, np.tile([0, 1], 200)).predict_proba(rng.normal(size=(400, 5)))

    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-15)
    assert np.abs(p - 0.5).mean() < 0.1


def test_units_of_the_columns_change_nothing():
    x, y = two_classes(np.random.default_rng(1))
    units = np.array([1.0, 1024.0, 2.0**-20, 4.0])

    first, second = (
        FourierLogistic(np.random.default_rng(2)).fit(x * u, y).predict_proba(x * u)
        for u in (1.0, units)
    )

    np.testing.assert_allclose(first, second, atol=1e-9)


def test_constant_columns_leave_exactly_a_half(rng):
    x = np.full((40, 3), 0.1)

    p = FourierLogistic(rng).fit(x, np.tile([0, 1], 20)).predict_proba(x)

    assert (p == 0.5).all()


def test_equal_generators_give_equal_classifiers(rng):
    x, y = two_classes(rng)

    first, second = (FourierLogistic(np.random.default_rng(7)).fit(x, y) for _ in range(2))

    np.testing.assert_array_equal(first.model.coefficients, second.model.coefficients)


def test_two_rows_of_each_class_are_enough_and_one_is_not(rng):
    x = rng.normal(size=(4, 2))

    assert FourierLogistic(rng).fit(x, [0, 0, 1, 1]).predict_proba(x).shape == (4, 2)
    with pytest.raises(InvalidSampleError, match="at least twice"):
        FourierLogistic(rng).fit(x, [0, 1, 1, 1])


def test_wrong_uses_have_named_errors(rng):
    x, y = two_classes(rng)

    for wrong in (-2, 3):
        with pytest.raises(InvalidParameterError):
            FourierLogistic(rng, n_fourier_features=wrong)
    with pytest.raises(NotFittedError):
        FourierLogistic(rng).predict_proba(x)
    with pytest.raises(ShapeError):
        FourierLogistic(rng).fit(x, y[1:])
    with pytest.raises(InvalidSampleError):
        FourierLogistic(rng).fit(x, y + 1.0)
    with pytest.raises(ShapeError):
        FourierLogistic(rng).fit(x, y).predict_proba(x[:, 1:])
    with pytest.raises(NonFiniteError):
        FourierLogistic(rng).fit(np.where(x == x[0, 0], np.nan, x), y)
    with pytest.raises(NonFiniteError, match="overflow"):
        FourierLogistic(rng).fit(np.where(x > 0, 1e308, -1e308), y)
