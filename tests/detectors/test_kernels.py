from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from detectors.errors import NonFiniteError
from detectors.kernels import gaussian_kernel, median_bandwidth, squared_distances


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
