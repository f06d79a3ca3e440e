from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import iqr

from detectors.reducers.robust_scale import BOUND, RobustScale

NUMBERS = st.floats(-1e300, 1e300) | st.just(np.nan)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, np.newaxis]


def test_a_normal_column_is_standardised(rng):
    x = rng.normal(7.0, 3.0, size=(20_000, 1))

    scale = RobustScale.of(x)

    assert scale.centres[0] == np.median(x)
    assert scale.scales[0] == pytest.approx(iqr(x) / 1.349, rel=0.01)
    assert scale.apply(x).std() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("sentinel", [1e9, -1e9, 1e300])
def test_a_sentinel_in_one_of_a_thousand_rows_changes_the_others_little(sentinel, rng):
    x = rng.normal(size=(1_000, 1))
    with_one = x.copy()
    with_one[17] = sentinel

    clean, scaled = RobustScale.of(x).apply(x), RobustScale.of(with_one).apply(with_one)

    np.testing.assert_allclose(np.delete(scaled, 17), np.delete(clean, 17), atol=0.03)
    assert scaled[17, 0] == pytest.approx(np.sign(sentinel) * BOUND, rel=0.02)


def test_a_sentinel_in_a_constant_column_leaves_it_constant():
    scale = RobustScale.of(column(*[0.1] * 59, 1e9))

    assert scale.apply(column(0.1, 0.05, 0.2, 1e9)).ravel().tolist() == [0.0, -BOUND, BOUND, BOUND]


def test_a_constant_that_is_left_however_little_moves_by_the_bound():
    scale = RobustScale.of(column(*[0.3] * 10))

    above, below = np.nextafter(0.3, 1.0), np.nextafter(0.3, 0.0)

    assert scale.apply(column(0.3, above, below)).ravel().tolist() == [0.0, BOUND, -BOUND]
    assert scale.leaves_constant(column(0.3, above, np.nan)).ravel().tolist() == [
        False,
        True,
        False,
    ]


def test_a_column_that_was_never_observed_says_nothing():
    scale = RobustScale.of(column(np.nan, np.nan))

    assert scale.apply(column(np.nan, 0.0, 1e9)).ravel().tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("share", "deviations"), [(0.3, 1.349), (0.1, 3.290), (0.02, 4.653)])
def test_a_flag_is_scaled_by_the_narrowest_range_that_it_fills(share, deviations):
    n_set = int(1_000 * share)
    scale = RobustScale.of(column(*[0.0] * (1_000 - n_set), *[1.0] * n_set))

    assert scale.apply(column(0.0, 1.0)).ravel().tolist() == [0.0, pytest.approx(deviations)]


def test_a_number_of_few_values_keeps_their_order_and_distances(rng):
    x = rng.integers(0, 5, size=(500, 1)).astype(float)

    scaled = RobustScale.of(x).apply(column(0, 1, 2, 3, 4))

    np.testing.assert_allclose(np.diff(scaled.ravel()), 1.349 / iqr(x))


def test_heavy_tails_are_cut_at_the_bound_and_keep_their_share_of_rows(rng):
    x = rng.standard_cauchy(size=(20_000, 1))

    scaled = RobustScale.of(x).apply(x)

    # Quartiles of a Cauchy distribution lie at -1 and 1.
    beyond = np.abs(x) > BOUND * 2.0 / 1.349
    assert (np.abs(scaled) == np.abs(scaled).max()).mean() == pytest.approx(beyond.mean(), abs=0.01)
    assert scaled.std() == pytest.approx(1.0)


@given(arrays(np.float64, st.tuples(st.integers(1, 40), st.just(3)), elements=NUMBERS))
def test_no_column_of_the_reference_varies_more_than_a_normal_one(x):
    assert RobustScale.of(x).apply(x).var(axis=0).max() <= 1.0 + 1e-9


@given(
    arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=NUMBERS),
    arrays(np.float64, st.tuples(st.integers(1, 5), st.just(2)), elements=NUMBERS),
)
def test_whatever_comes_is_finite_within_the_bound_and_in_order(x_ref, x):
    scaled = RobustScale.of(x_ref).apply(x)

    assert (np.abs(scaled) <= BOUND).all()
    assert (scaled[np.isnan(x)] == 0.0).all()
    for raw, out in zip(x.T, scaled.T, strict=True):
        observed = ~np.isnan(raw)
        order = np.argsort(raw[observed], kind="stable")
        assert (np.diff(out[observed][order]) >= 0.0).all()
