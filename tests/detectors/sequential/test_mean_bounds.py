from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom

from detectors.sequential.mean_bounds import upper_mean_bound

# Samples of shape (n_samples, n), the true mean, the variance, and the largest value.
SAMPLERS = {
    "even": (lambda rng, shape: rng.uniform(-1.0, 1.0, shape), 0.0, 1.0 / 3.0, 1.0),
    "rare": (lambda rng, shape: 4.0 * (rng.random(shape) < 0.01), 0.04, 0.1584, 4.0),
    "lopsided": (lambda rng, shape: np.minimum(rng.exponential(size=shape), 4.0), 0.9817, 0.8, 4.0),
}


@pytest.mark.parametrize("guess", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_mean_lies_above_the_bound_no_more_often_than_the_risk(name, guess, rng):
    draw, mean, variance, top = SAMPLERS[name]
    values = draw(rng, (100, 2_000))

    bounds = upper_mean_bound(values, guess * variance, top, 0.0, risk=0.1)

    assert (bounds < mean).sum() <= binom.ppf(0.9999, 2_000, 0.1)


def test_the_bound_is_not_much_wider_than_that_of_a_normal_approximation(rng):
    values = rng.uniform(-1.0, 1.0, (1_000, 500))

    widths = upper_mean_bound(values, 1.0 / 3.0, 1.0, 0.0, risk=0.05) - values.mean(axis=0)

    # The root of 2 * log(20) deviations of the mean instead of 1.645.
    assert widths.mean() < 1.1 * np.sqrt(2.0 * np.log(20.0) / 3_000.0)


@settings(max_examples=100)
@given(
    values=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=20),
    variance=st.floats(0.0, 2.0),
    floor=st.floats(-1.0, 0.9),
    risk=st.floats(1e-9, 0.5),
)
def test_the_bound_is_where_the_product_reaches_its_target(values, variance, floor, risk):
    sample = np.array(values)

    bound = float(upper_mean_bound(sample, variance, 1.0, floor, risk))

    best = np.sqrt(-2.0 * np.log(risk) / sample.size) / np.sqrt(max(variance, 1e-300))
    bet = min(best, 0.9 / (1.0 - floor))

    def short(m):
        return -np.log(risk) - np.log(1.0 + bet * (m - sample)).sum()

    begin = max(sample.mean(), floor)
    known = begin if short(begin) <= 0.0 else brentq(short, begin, begin + 1e12, maxiter=1_000)
    assert bound == pytest.approx(known, rel=1e-6, abs=1e-6)
    assert short(bound) <= 1e-8
