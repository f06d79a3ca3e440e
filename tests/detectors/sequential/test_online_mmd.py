from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import squareform

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
from detectors.two_sample.kernels import gaussian_kernel, median_bandwidth, squared_distances
from detectors.two_sample.mmd import MMDTest


def batch_mmd2(x_ref, x_test, bandwidth):
    """Unbiased MMD² from the differences of all pairs."""
    distances = squared_distances(np.concatenate([x_ref, x_test]))
    kernel = squareform(gaussian_kernel(distances, bandwidth))
    n, m = len(x_ref), len(x_test)
    within_ref = kernel[:n, :n].sum() / (n * (n - 1))
    within_test = kernel[n:, n:].sum() / (m * (m - 1))
    return within_ref + within_test - 2.0 * kernel[:n, n:].mean()


def largest_error(sliding, x_ref, stream, every):
    """Feed ``stream``; the largest difference from the batch value at every ``every``-th event."""
    errors = []
    for n_rows, row in enumerate(stream, start=1):
        statistic = sliding.update(row)
        if statistic is not None and n_rows % every == 0:
            window = stream[n_rows - sliding.window_size : n_rows]
            errors.append(abs(statistic - batch_mmd2(x_ref, window, sliding.bandwidth)))
    return max(errors)


def test_over_twenty_thousand_events_it_stays_within_1e_12_of_the_batch_value(rng):
    x_ref = rng.normal(size=(200, 8))
    stream = rng.normal(size=(20_000, 8)) + np.linspace(0.0, 3.0, 20_000)[:, np.newaxis]

    assert largest_error(SlidingMMD(50).fit(x_ref), x_ref, stream, every=500) < 1e-12


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    window_size=st.integers(2, 9),
    n_ref=st.integers(2, 12),
    bandwidth=st.floats(0.01, 100.0),
    shift=st.sampled_from([0.0, 1.0, 30.0, 1e6]),
    decimals=st.sampled_from([0, 12]),
)
def test_every_window_has_the_value_of_the_batch_form(
    seed, window_size, n_ref, bandwidth, shift, decimals
):
    rng = np.random.default_rng(seed)
    x_ref = rng.normal(size=(n_ref, 3)).round(decimals)
    shifts = rng.choice([0.0, shift], size=(30, 1))
    stream = rng.normal(size=(30, 3)).round(decimals) + shifts

    assert largest_error(SlidingMMD(window_size, bandwidth).fit(x_ref), x_ref, stream, 1) < 1e-12


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_rows_that_lie_close_together_far_from_the_reference_keep_their_digits(offset, rng):
    x_ref = rng.normal(size=(30, 4)) + offset
    x_ref[::10] += 1e4
    stream = rng.normal(size=(60, 4)) + offset
    stream[20:40] += 1e7

    assert largest_error(SlidingMMD(10, 8.0).fit(x_ref), x_ref, stream, 1) < 1e-12


def test_it_is_the_statistic_of_the_batch_test_at_its_bandwidth(rng):
    x_ref, x_test = rng.normal(size=(40, 3)), rng.normal(0.5, 1.0, size=(20, 3))
    sliding = SlidingMMD(20).fit(x_ref)

    values = [sliding.update(row) for row in x_test]
    batch = MMDTest(1, sliding.bandwidth).fit(x_ref).test(x_test, rng=rng)

    assert values[:-1] == [None] * 19
    assert values[-1] == sliding.statistic == pytest.approx(batch.statistic, abs=1e-13)


def test_the_median_bandwidth_is_that_of_pairs_of_reference_rows(rng):
    x_ref = rng.normal(size=(25, 3))

    assert SlidingMMD(5).fit(x_ref).bandwidth == median_bandwidth(squared_distances(x_ref))
    assert SlidingMMD(5, 3).fit(x_ref).bandwidth == 3.0


def test_rows_too_far_for_float64_have_kernel_value_0_and_leave_no_trace(rng):
    x_ref, stream = rng.normal(size=(20, 2)), rng.normal(size=(12, 2))
    plain, disturbed = SlidingMMD(4, 2.0).fit(x_ref), SlidingMMD(4, 2.0).fit(x_ref)

    for sign in (1.0, -1.0):
        values = [disturbed.update(sign * np.array([1e200, 1e160])) for _ in range(2)]
    assert np.isfinite(values[-1])
    for row in stream:
        plain.update(row)
        disturbed.update(row)

    assert disturbed.statistic == plain.statistic


@pytest.mark.parametrize("bandwidth", [1e-300, 1e-310, 1e300])
def test_any_positive_bandwidth_gives_a_number(bandwidth, rng):
    sliding = SlidingMMD(3, bandwidth).fit(np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]]))

    for _ in range(3):
        statistic = sliding.update([1.0, 2.0])

    expected = 2.0 / 3.0 if bandwidth == 1e300 else 1 / 3 + 1 - 2 * 2 / 3
    assert statistic == pytest.approx(0.0 if bandwidth == 1e300 else expected, abs=1e-12)


def test_constant_rows_that_stay_constant_are_at_distance_0(rng):
    sliding = SlidingMMD(5).fit(np.full((20, 3), 0.1))

    for _ in range(8):
        sliding.update(np.full(3, 0.1))

    assert sliding.statistic == pytest.approx(0.0, abs=1e-14)


def test_memory_does_not_grow_with_the_events(rng):
    sliding = SlidingMMD(5).fit(rng.normal(size=(20, 3)))

    sizes = set()
    for row in rng.normal(size=(500, 3)):
        sliding.update(row)
        sizes.add(sum(value.nbytes for value in vars(sliding).values() if hasattr(value, "nbytes")))

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
    sliding, undisturbed = (SlidingMMD(5, 2.0).fit([[1.0, 2.0], [3.0, 4.0]]) for _ in range(2))
    for event in rng.normal(size=(7, 2)):
        sliding.update(event)
        undisturbed.update(event)

    with pytest.raises(error, match="event 7"):
        sliding.update(row)

    assert sliding.statistic == undisturbed.statistic
    assert arrays_to_bytes(sliding.to_arrays()) == arrays_to_bytes(undisturbed.to_arrays())
    for event in rng.normal(size=(7, 2)):
        assert sliding.update(event) == undisturbed.update(event)


@pytest.mark.parametrize("bandwidth", ["median", 3.0])
@pytest.mark.parametrize("n_before", [0, 3, 10, 17])
def test_restored_from_bytes_it_goes_on_with_equal_bits(n_before, bandwidth, rng):
    x_ref, stream = rng.normal(size=(37, 5)), rng.normal(size=(60, 5))
    stream[12] += 1e6
    sliding = SlidingMMD(10, bandwidth).fit(x_ref)
    for row in stream[:n_before]:
        sliding.update(row)

    restored = SlidingMMD.from_arrays(bytes_to_arrays(arrays_to_bytes(sliding.to_arrays())))

    assert restored.statistic == sliding.statistic
    for row in stream[n_before:]:
        assert restored.update(row) == sliding.update(row)
    assert arrays_to_bytes(restored.to_arrays()) == arrays_to_bytes(sliding.to_arrays())
    assert restored.fit(x_ref[:9]).bandwidth == sliding.fit(x_ref[:9]).bandwidth


@pytest.mark.parametrize(
    "parameters",
    [
        {"window_size": 1},
        {"window_size": 2.0},
        {"window_size": True},
        {"window_size": 5, "bandwidth": 0.0},
        {"window_size": 5, "bandwidth": -1.0},
        {"window_size": 5, "bandwidth": np.inf},
        {"window_size": 5, "bandwidth": np.nan},
        {"window_size": 5, "bandwidth": True},
        {"window_size": 5, "bandwidth": "mean"},
    ],
)
def test_parameters_outside_their_range_are_refused(parameters):
    with pytest.raises(InvalidParameterError):
        SlidingMMD(**parameters)


def test_one_reference_row_is_not_enough():
    with pytest.raises(TooFewRowsError):
        SlidingMMD(5).fit([[1.0, 2.0]])


def test_needs_fit_first():
    sliding = SlidingMMD(5)
    for call in (lambda: sliding.update([1.0]), sliding.to_arrays, lambda: sliding.bandwidth):
        with pytest.raises(NotFittedError):
            call()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_ref", None),
        ("window", np.zeros((2, 3))),
        ("window", np.full((2, 1), np.nan)),
        ("sums", np.zeros(3)),
        ("n_rows", np.array([-1])),
        ("parameters", np.array([1.0, np.nan, 0.0])),
        ("parameters", np.array([1.0, -1.0, 0.0])),
        ("parameters", np.array([-1.0, 1.0, 0.0])),
        ("parameters", np.array([1.0, 1.0])),
    ],
)
def test_stored_arrays_that_describe_no_window_are_refused(name, value):
    arrays = SlidingMMD(2).fit([[1.0], [2.0]]).to_arrays()
    arrays.pop(name)
    if value is not None:
        arrays[name] = value

    with pytest.raises(InvalidStateError):
        SlidingMMD.from_arrays(arrays)
