from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from detectors.base import TwoSampleResult
from detectors.errors import InvalidParameterError, InvalidStateError
from detectors.two_sample.classifier.binomial import BinomialTest, accuracy_p_values


def result_of(n_rows):
    """A result of two samples of ``n_rows`` rows each, half of which are held out."""
    nothing = np.zeros(1)
    return TwoSampleResult(0.5, 1.0, 0.0, n_rows, n_rows, nothing, nothing, nothing)


@pytest.mark.parametrize("n_rows", [4, 30, 200])
def test_above_a_half_p_values_equal_those_of_scipy(n_rows):
    p_values = accuracy_p_values(n_rows)

    for n_correct in range(n_rows // 2 + 1, n_rows + 1):
        # binomtest(n_correct, n_rows, 0.5, alternative="greater").pvalue
        expected = binomtest(n_correct, n_rows, 0.5, alternative="greater").pvalue
        assert p_values[n_correct] == pytest.approx(expected, rel=1e-9)


def test_up_to_a_half_nothing_is_shown():
    assert (accuracy_p_values(30)[:16] == 1.0).all()


@pytest.mark.parametrize("n_rows", [4, 30, 1000, 4000])
def test_p_values_never_rise_and_are_never_0(n_rows):
    p_values = accuracy_p_values(n_rows)

    assert p_values.min() > 0.0
    assert (np.diff(p_values) <= 0.0).all()


@pytest.mark.parametrize("n_rows", [4, 6, 30, 100, 3000])
@pytest.mark.parametrize("level", [1e-300, 0.001, 0.0625, 0.05, 0.5, 0.99])
def test_every_accuracy_is_judged_by_the_critical_one_as_by_its_p_value(n_rows, level):
    critical = BinomialTest().critical_statistic(level, result_of(n_rows))

    for n_correct, p_value in enumerate(accuracy_p_values(n_rows)):
        assert (n_correct / n_rows >= critical) == (p_value <= level)


def test_too_few_rows_make_the_critical_accuracy_infinite():
    assert BinomialTest().critical_statistic(0.05, result_of(4)) == np.inf
    assert BinomialTest().critical_statistic(0.05, result_of(6)) == 1.0


def test_statistic_and_effect_size_come_from_the_held_out_accuracy(rng):
    test = BinomialTest().fit(rng.normal(size=(100, 2)))

    result = test.test(rng.normal(loc=9.0, size=(60, 2)), rng=rng)

    assert result.statistic == result.effect_size == 1.0
    # binomtest(60, 60, 0.5, alternative="greater").pvalue
    assert result.p_value == pytest.approx(0.5**60, rel=1e-9)


def test_an_accuracy_below_a_half_has_no_effect_and_a_p_value_of_1(rng):
    test = BinomialTest().fit(rng.normal(size=(20, 2)))

    results = [test.test(rng.normal(size=(20, 2)), rng=rng) for _ in range(10)]

    below = [r for r in results if r.statistic < 0.5]
    assert below
    assert all(r.effect_size == 0.0 and r.p_value == 1.0 for r in below)


@pytest.mark.parametrize("shift", ["mean", "spread", "missing"])
def test_shifts_of_mean_spread_and_missingness_are_found(rng, shift):
    x_test = rng.normal(size=(300, 5))
    if shift == "mean":
        x_test += 0.5
    elif shift == "spread":
        x_test *= 1.6
    else:
        x_test[rng.random((300, 5)) < 0.3] = np.nan

    result = BinomialTest().fit(rng.normal(size=(300, 5))).test(x_test, rng=rng)

    assert result.p_value < 0.001


def test_the_parameter_is_stored_and_checked(rng):
    test = BinomialTest(n_fourier_features=20).fit(rng.normal(size=(20, 2)))
    arrays = test.to_arrays()
    x_test = rng.normal(size=(20, 2))

    restored = BinomialTest.from_arrays(arrays)

    first, second = (t.test(x_test, rng=np.random.default_rng(1)) for t in (test, restored))
    assert first.statistic == second.statistic
    assert restored.to_arrays()["n_fourier_features"] == 20
    with pytest.raises(InvalidParameterError):
        BinomialTest(n_fourier_features=3)
    for wrong in (np.array(3), np.array(20.0), np.array([20])):
        with pytest.raises(InvalidStateError):
            BinomialTest.from_arrays({**arrays, "n_fourier_features": wrong})


@pytest.mark.statistics
@pytest.mark.parametrize("make", ["normal", "rounded"])
def test_false_alarms_stay_within_the_level(make):
    rng = np.random.default_rng(20190611)
    n_runs, level, n_alarms = 250, 0.05, 0
    for _ in range(n_runs):
        x = rng.normal(size=(70, 3)) if make == "normal" else rng.poisson(0.5, size=(70, 3))
        n_alarms += BinomialTest(20).fit(x[:40]).test(x[40:], rng=rng).p_value <= level

    assert binomtest(n_alarms, n_runs).proportion_ci(0.999).low <= level
