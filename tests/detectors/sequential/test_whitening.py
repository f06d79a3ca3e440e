from __future__ import annotations

import numpy as np
import pytest

from detectors.sequential.whitening import REACH, Whitening, radius_of, within_radius


def correlated(rng, n, n_features):
    return rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features)) + 7.0


@pytest.mark.parametrize("learn", [Whitening.aligned, lambda rows: Whitening.leading(rows, 5)])
def test_components_are_white(learn, rng):
    rows = correlated(rng, 20_000, 5)

    components = learn(rows).apply(rows)

    np.testing.assert_allclose(np.cov(components.T), np.eye(5), atol=0.02)
    np.testing.assert_allclose(components.mean(axis=0), 0.0, atol=0.01)


def test_aligned_components_go_with_their_features(rng):
    mixed = np.eye(6) + 0.3 * rng.random((6, 6))
    rows = rng.normal(size=(5_000, 6)) @ mixed

    components = Whitening.aligned(rows).apply(rows)

    together = np.abs(np.corrcoef(rows.T, components.T)[:6, 6:])
    assert (together.argmax(axis=1) == np.arange(6)).all()


def test_leading_components_are_those_of_the_largest_variance(rng):
    rows = rng.normal(size=(4_000, 4)) * [1.0, 10.0, 0.1, 3.0]

    components = Whitening.leading(rows, 2).apply(rows)

    together = np.abs(np.corrcoef(rows.T, components.T)[:4, 4:])
    assert together.argmax(axis=0).tolist() == [1, 3]


@pytest.mark.parametrize("learn", [Whitening.aligned, lambda rows: Whitening.leading(rows, 3)])
def test_a_constant_that_stays_is_0_and_one_that_moves_is_as_far_out_as_can_be(learn):
    whitening = learn(np.full((40, 3), 2.0))

    assert (whitening.apply(np.full((5, 3), 2.0)) == 0.0).all()
    assert np.abs(whitening.apply(np.full((1, 3), 5.0))).max() == REACH


def test_rows_far_out_are_drawn_to_the_sphere_and_others_stay(rng):
    rows = np.clip(rng.normal(size=(100, 9)), -1.0, 1.0)
    far = np.full((1, 9), REACH)

    assert np.array_equal(within_radius(rows), rows)
    assert np.linalg.norm(within_radius(far)) == pytest.approx(radius_of(9))
