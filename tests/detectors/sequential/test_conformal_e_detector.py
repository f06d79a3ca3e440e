from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import eval_sh_legendre

from detectors.errors import InvalidStateError
from detectors.sequential.conformal_e_detector import (
    ConformalEDetector,
    _bounds,
    _places,
    _polynomials,
)


def polynomial(degree, p):
    return np.sqrt(2 * degree + 1) * eval_sh_legendre(degree, p)


@given(begin=st.floats(0.0, 0.9), width=st.floats(0.01, 0.1))
def test_features_are_the_means_of_legendre_polynomials(begin, width):
    ours = _polynomials(np.array([begin]), np.array([begin + width]))[0]

    for degree in (1, 2, 3):
        known = quad(lambda p, k=degree: polynomial(k, p), begin, begin + width)[0] / width
        assert ours[degree - 1] == pytest.approx(known, abs=1e-9)


@settings(max_examples=30)
@given(scores=st.lists(st.integers(0, 4), min_size=1, max_size=12), new=st.integers(-1, 5))
def test_places_are_those_of_randomised_p_values(scores, new):
    # The smoothed p-value of Vovk, counted from below: its law is uniform over this interval.
    ordered = np.sort(np.array(scores, dtype=float))
    below, equal = sum(s < new for s in scores), sum(s == new for s in scores)

    begins, ends = _places(ordered, np.array([float(new)]))

    n = len(scores)
    assert begins[0] == pytest.approx(below / (n + 1))
    assert ends[0] == pytest.approx((below + equal + 1) / (n + 1))


@pytest.mark.parametrize("n", [6, 40, 300])
def test_bounds_hold_for_dirichlet_shares_as_often_as_they_say(n, rng):
    bounds, risk = _bounds(n, 0.05), 0.05
    edges = np.arange(n + 2) / (n + 1)
    values = _polynomials(edges[:-1], edges[1:])

    means = rng.dirichlet(np.ones(n + 1), size=4_000) @ values

    for outside in (means < bounds[0], means > bounds[1]):
        assert (outside.mean(axis=0) <= risk + 3.0 * np.sqrt(risk / 4_000)).all()
    # Of few scores little is known; of more, the bounds are not three times as wide as would do.
    assert n < 40 or (bounds[1] <= 3.0 * np.quantile(means, 1.0 - risk, axis=0)).all()


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.standard_cauchy(n),
        lambda rng, n: rng.integers(0, 3, n).astype(float),
        lambda rng, n: np.zeros(n),
    ],
)
def test_means_of_features_under_the_reference_lie_within_the_bounds(draw, rng):
    # 1 - 0.9 for six bounds at once, each of which fails less often than it may.
    bounds, n_outside = _bounds(50, 0.1 / 6), 0

    for _ in range(200):
        scores = np.sort(draw(rng, 50))
        means = _polynomials(*_places(scores, draw(rng, 20_000))).mean(axis=0)
        n_outside += ((means < bounds[0]) | (means > bounds[1])).any()

    assert n_outside <= 0.1 * 200 + 3.0 * np.sqrt(200 * 0.09)


def test_scores_that_are_not_sorted_are_refused(rng):
    arrays = ConformalEDetector(10).fit(rng.normal(size=(40, 2))).to_arrays()
    arrays["scores"] = arrays["scores"][:, ::-1].copy()

    with pytest.raises(InvalidStateError, match="sorted"):
        ConformalEDetector.from_arrays(arrays)
