from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from detectors.errors import NonFiniteError, ShapeError, TooFewRowsError
from detectors.two_sample.classifier.domain_classifier import DomainClassifier, HeldOut, n_held_out
from detectors.two_sample.classifier.logistic import FourierLogistic


def seeded():
    return np.random.default_rng(5)


class Remembering:
    """A FourierLogistic that keeps what it was trained on."""

    def __init__(self):
        self.classifiers, self.x, self.y = [], [], []

    def __call__(self, rng):
        self.classifiers.append(FourierLogistic(rng))
        return self

    def fit(self, x, y):
        self.x.append(x.copy())
        self.y.append(y.copy())
        self.classifiers[-1].fit(x, y)

    def predict_proba(self, x):
        return self.classifiers[-1].predict_proba(x)


@pytest.fixture
def samples(rng):
    return rng.normal(size=(60, 3)), rng.normal(loc=0.5, size=(41, 3))


@pytest.mark.parametrize(("n_ref", "n_test"), [(60, 41), (41, 60), (4, 4), (5, 5), (100, 30)])
def test_half_of_the_smaller_sample_and_as_many_of_the_other_are_held_out(rng, n_ref, n_test):
    memory = Remembering()
    x_ref, x_test = rng.normal(size=(n_ref, 2)), rng.normal(size=(n_test, 2))

    held_out = DomainClassifier(memory).held_out(x_ref, x_test, rng)

    half = min(n_ref, n_test) // 2
    n_train = min(n_ref, n_test) - half
    assert len(held_out.rows_ref) == len(held_out.rows_test) == half
    assert held_out.n_rows == n_held_out(n_ref, n_test) == 2 * half
    assert memory.y[0].tolist() == [0] * n_train + [1] * n_train


def test_no_row_both_trains_and_is_held_out(samples):
    x_ref, x_test = samples
    memory = Remembering()

    held_out = DomainClassifier(memory).held_out(x_ref, x_test, seeded())

    held = np.concatenate([x_ref[held_out.rows_ref], x_test[held_out.rows_test]])
    trained = {tuple(row) for row in memory.x[0]}
    assert len(trained) == 42
    assert trained.isdisjoint(tuple(row) for row in held)


def test_held_out_values_cannot_influence_the_fitted_classifier(samples):
    x_ref, x_test = samples
    memory = Remembering()
    before = DomainClassifier(memory).held_out(x_ref, x_test, seeded())

    # All but the first column, by which the rows are brought into order before the halves are drawn
    x_ref[before.rows_ref, 1:] = 1e6
    x_test[before.rows_test, 1:] = np.nan
    after = DomainClassifier(memory).held_out(x_ref, x_test, seeded())

    np.testing.assert_array_equal(after.rows_test, before.rows_test)
    first, second = (classifier.model for classifier in memory.classifiers)
    np.testing.assert_array_equal(first.coefficients, second.coefficients)
    assert first.intercept == second.intercept
    assert not np.array_equal(after.p_test_of_test, before.p_test_of_test)


def test_training_values_do_influence_it(samples):
    x_ref, x_test = samples
    memory = Remembering()
    before = DomainClassifier(memory).held_out(x_ref, x_test, seeded())

    trained = np.setdiff1d(np.arange(41), before.rows_test)
    x_test[trained, 1:] += 1.0
    DomainClassifier(memory).held_out(x_ref, x_test, seeded())

    first, second = (classifier.model.coefficients for classifier in memory.classifiers)
    assert not np.array_equal(first, second)


def test_the_order_of_the_rows_changes_nothing(samples, rng):
    x_ref, x_test = samples
    order_ref, order_test = rng.permutation(60), rng.permutation(41)

    straight = DomainClassifier().held_out(x_ref, x_test, seeded())
    shuffled = DomainClassifier().held_out(x_ref[order_ref], x_test[order_test], seeded())

    np.testing.assert_array_equal(order_ref[shuffled.rows_ref], straight.rows_ref)
    np.testing.assert_array_equal(order_test[shuffled.rows_test], straight.rows_test)
    np.testing.assert_array_equal(shuffled.p_test_of_ref, straight.p_test_of_ref)
    np.testing.assert_array_equal(shuffled.p_test_of_test, straight.p_test_of_test)


def test_every_row_is_held_out_about_equally_often(samples, rng):
    x_ref, x_test = samples
    times = np.zeros(41)

    class Coin:
        def fit(self, x, y):
            pass

        def predict_proba(self, x):
            return np.full((len(x), 2), 0.5)

    for _ in range(2000):
        times[DomainClassifier(lambda rng: Coin()).held_out(x_ref, x_test, rng).rows_test] += 1

    # 5 standard deviations of a binomial of 2,000 with chance 20 / 41
    assert np.abs(times - 2000 * 20 / 41).max() < 5 * np.sqrt(2000 * 0.25)


def test_a_probability_of_a_half_counts_as_reference():
    held_out = HeldOut(np.arange(2), np.arange(2), np.array([0.5, 0.6]), np.array([0.5, 0.6]))

    assert held_out.correct_ref.tolist() == [True, False]
    assert held_out.correct_test.tolist() == [False, True]
    assert (held_out.n_correct, held_out.n_rows, held_out.accuracy) == (2, 4, 0.5)


def test_a_classifier_of_scikit_learn_may_take_the_place(rng):
    x_ref, x_test = rng.normal(size=(200, 2)), rng.normal(loc=3.0, size=(200, 2))

    held_out = DomainClassifier(
        lambda rng: RandomForestClassifier(20, random_state=int(rng.integers(2**31)))
    ).held_out(x_ref, x_test, rng)

    assert held_out.accuracy > 0.9


def test_a_value_that_is_missing_more_often_is_seen(rng):
    x_ref, x_test = rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
    x_test[rng.random(200) < 0.8, 1] = np.nan
    x_ref[rng.random(200) < 0.1, 1] = np.nan

    assert DomainClassifier().held_out(x_ref, x_test, rng).accuracy > 0.75


def test_missing_values_become_the_mean_of_the_training_half_and_are_marked(samples):
    x_ref, x_test = samples
    x_ref[::2, 1] = np.nan
    memory = Remembering()

    DomainClassifier(memory).held_out(x_ref, x_test, seeded())

    marked = memory.x[0][:, 3] == 1.0
    observed = memory.x[0][~marked, 1]
    assert memory.x[0].shape == (42, 4)
    assert marked.any()
    np.testing.assert_allclose(memory.x[0][marked, 1], observed.mean(), rtol=1e-12)


def test_a_column_that_is_missing_everywhere_is_no_difference(rng):
    x_ref, x_test = np.full((20, 2), np.nan), np.full((20, 2), np.nan)

    held_out = DomainClassifier().held_out(x_ref, x_test, rng)

    assert held_out.accuracy == 0.5


def test_inputs_are_not_modified(samples):
    x_ref, x_test = samples
    x_ref[0, 0] = np.nan
    ref, test = x_ref.copy(), x_test.copy()
    x_ref.flags.writeable = x_test.flags.writeable = False

    DomainClassifier().held_out(x_ref, x_test, seeded())

    np.testing.assert_array_equal(x_ref, ref)
    np.testing.assert_array_equal(x_test, test)


def test_bad_samples_have_named_errors(samples):
    x_ref, x_test = samples
    classifier = DomainClassifier()

    for ref, test, error in [
        (x_ref[:3], x_test, TooFewRowsError),
        (x_ref, x_test[:3], TooFewRowsError),
        (x_ref, x_test[:, :2], ShapeError),
        (x_ref, np.where(x_test > 1.0, np.inf, x_test), NonFiniteError),
    ]:
        with pytest.raises(error):
            classifier.held_out(ref, test, seeded())


@pytest.mark.parametrize(
    ("answer", "error"),
    [(lambda x: np.full(len(x), 0.5), ShapeError), (lambda x: x[:, :2] * np.nan, NonFiniteError)],
)
def test_a_classifier_that_answers_wrongly_is_refused(samples, answer, error):
    class Broken:
        def fit(self, x, y):
            pass

        def predict_proba(self, x):
            return answer(x)

    with pytest.raises(error, match="predict_proba"):
        DomainClassifier(lambda rng: Broken()).held_out(*samples, seeded())
