from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.arrays_io import arrays_to_bytes, bytes_to_arrays
from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
    TooFewRowsError,
)
from detectors.sequential.mmd import SlidingMMD
from detectors.sequential.rff_mmd import SlidingRFFMMD
from detectors.two_sample.kernels import gaussian_kernel, median_bandwidth, squared_distances
from detectors.two_sample.random_features import (
    draw_frequencies,
    random_features,
    rff_mmd2,
)

EPS = np.finfo(np.float64).eps


def exact_mmd2(x_ref, x_test, bandwidth):
    """The unbiased MMD², and the one that includes the pairs of a row and itself."""
    sliding = SlidingMMD(len(x_test), bandwidth).fit(x_ref)
    for row in x_test:
        unbiased = sliding.update(row)
    within_ref = gaussian_kernel(squared_distances(x_ref), bandwidth).mean()
    within_test = gaussian_kernel(squared_distances(x_test), bandwidth).mean()
    extra = (1.0 - within_ref) / len(x_ref) + (1.0 - within_test) / len(x_test)
    return unbiased, unbiased + extra


def test_products_of_features_are_sums_of_cosines_and_their_norm_is_constant(rng):
    x, frequencies = rng.normal(size=(6, 3)), draw_frequencies(3, 10, 2.0, seed=1)

    features = random_features(x, frequencies)
    expected = [[np.cos(frequencies @ (a - b)).sum() for b in x] for a in x]

    np.testing.assert_allclose(features @ features.T, expected, atol=1e-13)
    np.testing.assert_allclose((features**2).sum(axis=1), 5.0, rtol=1e-14)


def test_the_estimate_is_the_mean_over_pairs_of_different_rows(rng):
    x, y = rng.normal(size=(7, 2)), rng.normal(1.0, 1.0, size=(5, 2))
    frequencies = draw_frequencies(2, 6, 3.0, seed=4)

    def kernel(a, b):
        return np.cos(frequencies @ (a - b)).mean()

    within_x = np.mean([kernel(x[i], x[j]) for i in range(7) for j in range(7) if i != j])
    within_y = np.mean([kernel(y[i], y[j]) for i in range(5) for j in range(5) if i != j])
    between = np.mean([kernel(a, b) for a in x for b in y])

    estimate = rff_mmd2(x, y, bandwidth=3.0, n_features=6, seed=4)
    assert estimate == pytest.approx(within_x + within_y - 2.0 * between, abs=1e-13)


@pytest.mark.statistics
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_error_is_unbiased_below_its_bound_and_falls_with_the_root_of_the_features(shift, rng):
    x_ref, x_test = rng.normal(size=(60, 3)), rng.normal(shift, 1.0, size=(30, 3))
    exact, biased = exact_mmd2(x_ref, x_test, 6.0)
    n_seeds, root_mean_squares = 400, []

    for n_features in (16, 256):
        errors = np.array(
            [
                rff_mmd2(x_ref, x_test, bandwidth=6.0, n_features=n_features, seed=seed) - exact
                for seed in range(n_seeds)
            ]
        )
        root_mean_square = float(np.sqrt((errors**2).mean()))
        bound = (np.sqrt(8.0 * biased) + 1.0 / 59.0 + 1.0 / 29.0) / np.sqrt(n_features)
        assert root_mean_square < bound
        assert abs(errors.mean()) < 4.0 * errors.std() / np.sqrt(n_seeds)
        root_mean_squares.append(root_mean_square)

    # 16 times the features divide the error by 4; 400 errors leave about 5 % of noise in the ratio.
    assert root_mean_squares[0] / root_mean_squares[1] == pytest.approx(4.0, rel=0.2)


def test_over_twenty_thousand_events_it_stays_within_its_bound_of_the_batch_value(rng):
    x_ref = rng.normal(size=(200, 8))
    stream = rng.normal(size=(20_000, 8)) + np.linspace(0.0, 3.0, 20_000)[:, np.newaxis]
    sliding = SlidingRFFMMD(50, n_features=64, seed=3).fit(x_ref)
    frequencies = draw_frequencies(8, 64, sliding.bandwidth, seed=3)
    reach = np.linalg.norm(stream - x_ref.mean(axis=0), axis=1).max()
    phase = np.linalg.norm(frequencies, axis=1).max() * reach
    errors = []

    for n_rows, row in enumerate(stream, start=1):
        statistic = sliding.update(row)
        if n_rows % 500 in (0, 17):
            window = stream[max(n_rows - 50, 0) : n_rows]
            batch = rff_mmd2(x_ref, window, bandwidth=sliding.bandwidth, n_features=64, seed=3)
            errors.append(abs(statistic - batch) if n_rows >= 50 else 0.0)

    assert max(errors) < (20 * 50 + 8 * (8 + 2) * phase) * EPS < 2e-12


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    window_size=st.integers(2, 9),
    n_ref=st.integers(2, 12),
    half=st.integers(1, 20),
    bandwidth=st.floats(0.1, 100.0),
)
def test_every_window_has_the_value_of_the_batch_form(seed, window_size, n_ref, half, bandwidth):
    rng = np.random.default_rng(seed)
    x_ref, stream = rng.normal(size=(n_ref, 3)), rng.normal(0.5, 1.0, size=(30, 3)).round(1)
    parameters = {"n_features": 2 * half, "bandwidth": bandwidth, "seed": seed}
    sliding = SlidingRFFMMD(window_size, **parameters).fit(x_ref)

    for n_rows, row in enumerate(stream, start=1):
        statistic = sliding.update(row)
        if n_rows < window_size:
            assert statistic is None
        else:
            window = stream[n_rows - window_size : n_rows]
            assert statistic == pytest.approx(rff_mmd2(x_ref, window, **parameters), abs=1e-12)


def test_the_median_bandwidth_is_that_of_pairs_of_reference_rows(rng):
    x_ref, x_test = rng.normal(size=(25, 3)), rng.normal(size=(9, 3))
    bandwidth = median_bandwidth(squared_distances(x_ref))

    assert SlidingRFFMMD(5).fit(x_ref).bandwidth == bandwidth
    assert rff_mmd2(x_ref, x_test) == rff_mmd2(x_ref, x_test, bandwidth=bandwidth)


def test_equal_seeds_give_equal_frequencies_and_other_seeds_others():
    first, again, other = (draw_frequencies(3, 8, 1.0, seed) for seed in (5, 5, 6))

    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_the_state_does_not_grow_with_reference_or_events(rng):
    sizes = set()
    for n_ref in (10, 1000):
        sliding = SlidingRFFMMD(5, 8, 1.0).fit(rng.normal(size=(n_ref, 3)))
        for row in rng.normal(size=(n_ref, 3)):
            sliding.update(row)
        sizes.add(len(arrays_to_bytes(sliding.to_arrays())))

    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (np.array([1.0, np.nan]), NonFiniteError),
        (np.array([1.0, np.inf]), NonFiniteError),
        ([-np.inf, 1.0], NonFiniteError),
        (np.array([1.0]), ShapeError),
        ([[1.0, 2.0]], ShapeError),
        (["a", "b"], InvalidSampleError),
    ],
)
def test_a_refused_row_changes_nothing(row, error, rng):
    x_ref = [[1.0, 2.0], [3.0, 4.0]]
    sliding, undisturbed = (SlidingRFFMMD(5, 8, 2.0).fit(x_ref) for _ in range(2))
    for event in rng.normal(size=(7, 2)):
        sliding.update(event)
        undisturbed.update(event)

    with pytest.raises(error, match="event 7"):
        sliding.update(row)

    assert sliding.statistic == undisturbed.statistic
    assert arrays_to_bytes(sliding.to_arrays()) == arrays_to_bytes(undisturbed.to_arrays())


def test_phases_that_overflow_are_refused_one_by_one_as_together():
    x_ref = np.array([[1.0], [2.0]])
    sliding = SlidingRFFMMD(2, 4, bandwidth=1e-300).fit(x_ref)

    with pytest.raises(NonFiniteError, match="event 0"):
        sliding.update([1e200])
    with pytest.raises(NonFiniteError, match="phases"):
        rff_mmd2(x_ref, [[1.0], [1e200]], n_features=4, bandwidth=1e-300)


@pytest.mark.parametrize("bandwidth", ["median", 3.0])
@pytest.mark.parametrize("n_before", [0, 3, 10, 17])
def test_restored_from_bytes_it_goes_on_with_equal_bits(n_before, bandwidth, rng):
    x_ref, stream = rng.normal(size=(37, 5)), rng.normal(size=(60, 5))
    sliding = SlidingRFFMMD(10, 16, bandwidth, seed=2).fit(x_ref)
    for row in stream[:n_before]:
        sliding.update(row)

    restored = SlidingRFFMMD.from_arrays(bytes_to_arrays(arrays_to_bytes(sliding.to_arrays())))

    assert restored.statistic == sliding.statistic
    for row in stream[n_before:]:
        assert restored.update(row) == sliding.update(row)
    assert arrays_to_bytes(restored.to_arrays()) == arrays_to_bytes(sliding.to_arrays())
    again = arrays_to_bytes(sliding.fit(x_ref[:9]).to_arrays())
    assert arrays_to_bytes(restored.fit(x_ref[:9]).to_arrays()) == again


@pytest.mark.parametrize(
    "parameters",
    [
        {"window_size": 1},
        {"window_size": 5, "bandwidth": 0.0},
        {"window_size": 5, "bandwidth": "mean"},
        {"window_size": 5, "n_features": 0},
        {"window_size": 5, "n_features": 7},
        {"window_size": 5, "n_features": 8.0},
        {"window_size": 5, "n_features": True},
        {"window_size": 5, "seed": -1},
        {"window_size": 5, "seed": 2**32},
        {"window_size": 5, "seed": 1.0},
        {"window_size": 5, "seed": None},
    ],
)
def test_parameters_outside_their_range_are_refused(parameters, rng):
    with pytest.raises(InvalidParameterError):
        SlidingRFFMMD(**parameters)
    if len(parameters) > 1:
        parameters.pop("window_size")
        with pytest.raises(InvalidParameterError):
            rff_mmd2(rng.normal(size=(3, 1)), rng.normal(size=(3, 1)), **parameters)


def test_one_row_is_not_enough():
    with pytest.raises(TooFewRowsError):
        SlidingRFFMMD(5).fit([[1.0, 2.0]])
    with pytest.raises(TooFewRowsError):
        rff_mmd2([[1.0], [2.0]], [[1.0]])


def test_needs_fit_first():
    sliding = SlidingRFFMMD(5)
    for call in (lambda: sliding.update([1.0]), sliding.to_arrays, lambda: sliding.bandwidth):
        with pytest.raises(NotFittedError):
            call()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequencies", None),
        ("frequencies", np.zeros((3, 1))),
        ("centre", np.zeros(2)),
        ("features", np.full((3, 4), np.nan)),
        ("features", np.zeros((1, 4))),
        ("embeddings", np.zeros((2, 4))),
        ("n_rows", np.array([-1])),
        ("parameters", np.array([1.0, np.nan, 0.0, 0.0])),
        ("parameters", np.array([1.0, -1.0, 0.0, 0.0])),
        ("parameters", np.array([-1.0, 1.0, 0.0, 0.0])),
        ("parameters", np.array([1.0, 1.0, 0.0, -1.0])),
        ("parameters", np.array([1.0, 1.0, 0.0])),
    ],
)
def test_stored_arrays_that_describe_no_window_are_refused(name, value):
    arrays = SlidingRFFMMD(3, 4).fit([[1.0], [2.0]]).to_arrays()
    arrays.pop(name)
    if value is not None:
        arrays[name] = value

    with pytest.raises(InvalidStateError):
        SlidingRFFMMD.from_arrays(arrays)
