from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel

from detectors.errors import NonFiniteError
from detectors.two_sample.kernels import (
    gaussian_kernel,
    laplace_kernel,
    median_bandwidth,
    pooled_distances,
    squared_distances,
)


def test_equal_rows_far_from_the_origin_are_exactly_zero_apart():
    assert squared_distances(np.full((3, 4), 1e9 + 0.1)).tolist() == [0.0, 0.0, 0.0]


def test_distances_that_overflow_are_refused_and_not_turned_into_nan():
    with pytest.raises(NonFiniteError, match="overflow"):
        squared_distances(np.array([[1e200], [-1e200]]))


def test_the_kernel_equals_that_of_scikit_learn(rng):
    x = rng.normal(size=(20, 5))

    kernel = gaussian_kernel(squared_distances(x), bandwidth=3.0)

    # from sklearn.metrics.pairwise import rbf_kernel; rbf_kernel(x, gamma=1 / bandwidth)
    expected = rbf_kernel(x, gamma=1 / 3.0)[np.triu_indices(20, k=1)]
    np.testing.assert_allclose(kernel, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("distances", "bandwidth"),
    [([1.0, 4.0, 9.0], 4.0), ([0.0, 0.0, 0.0, 8.0], 2.0), ([0.0, 0.0], 1.0)],
)
def test_the_bandwidth_is_the_median_then_the_mean_then_one(distances, bandwidth):
    assert median_bandwidth(np.array(distances)) == bandwidth


def test_a_tiny_bandwidth_gives_zero_without_a_warning(recwarn):
    assert gaussian_kernel(np.array([1e300]), 1e-300).tolist() == [0.0]
    assert not recwarn.list


def test_the_laplace_kernel_equals_that_of_scikit_learn_in_one_dimension(rng):
    x = rng.normal(size=(20, 1))

    kernel = laplace_kernel(squared_distances(x), bandwidth=4.0)

    # sklearn.metrics.pairwise.laplacian_kernel(x, gamma=1 / 2), of |x - y|
    expected = laplacian_kernel(x, gamma=0.5)[np.triu_indices(20, k=1)]
    np.testing.assert_allclose(kernel, expected, rtol=1e-12)


def test_distances_from_a_matrix_product_are_those_of_differences(rng):
    x = rng.normal(1e3, 1.0, size=(200, 8))

    distances, bandwidth = pooled_distances(x, "median")

    np.testing.assert_allclose(distances, squared_distances(x), rtol=0.0, atol=1e-12)
    assert bandwidth == pytest.approx(median_bandwidth(squared_distances(x)), rel=1e-14)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda x: np.concatenate([x, [[1e9] * 8]]), id="an outlier"),
        pytest.param(lambda x: np.concatenate([x, x[:1].repeat(900, axis=0)]), id="equal rows"),
        pytest.param(lambda x: x * 1e-160, id="underflow"),
    ],
)
def test_kernels_keep_their_digits_where_a_matrix_product_would_lose_them(spoil, rng):
    x = spoil(rng.normal(size=(200, 8)))

    distances, bandwidth = pooled_distances(x, "median")

    exact = squared_distances(x)
    assert bandwidth == pytest.approx(median_bandwidth(exact), rel=1e-12, abs=0.0)
    np.testing.assert_allclose(distances / bandwidth, exact / bandwidth, rtol=1e-12, atol=1e-12)
