from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.arrays_io import arrays_to_bytes, bytes_to_arrays
from detectors.errors import (
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NotFittedError,
    ShapeError,
)
from detectors.sequential.ks import SlidingKS
from detectors.two_sample.ks.distribution import ks_p_values

# SciPy's p-value, which is not looked at here, fails for the smallest D of equally large samples.
pytestmark = pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful")


def scipy_gaps(x_ref, x_test):
    """``D * n_ref * n_test`` of each column; a missing value is infinity, as it is above all."""
    x_ref, x_test = np.nan_to_num(x_ref, nan=np.inf), np.nan_to_num(x_test, nan=np.inf)
    distances = [
        stats.ks_2samp(ref, test, method="exact").statistic
        for ref, test in zip(x_ref.T, x_test.T, strict=True)
    ]
    return np.rint(np.array(distances) * len(x_ref) * len(x_test)).astype(int)


VALUES = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0, np.nan])
ROWS = st.tuples(VALUES, VALUES)


@settings(max_examples=60)
@given(
    ref=st.lists(ROWS, min_size=1, max_size=12),
    stream=st.lists(ROWS, min_size=1, max_size=25),
    window_size=st.integers(1, 8),
)
def test_every_window_has_the_distance_that_scipy_gives_it(ref, stream, window_size):
    ref, stream = np.array(ref), np.array(stream)
    sliding = SlidingKS(window_size).fit(ref)

    for n_rows, row in enumerate(stream, start=1):
        statistic = sliding.update(row)
        if n_rows < window_size:
            assert statistic is sliding.gaps() is sliding.statistics() is sliding.p_values() is None
        else:
            gaps = scipy_gaps(ref, stream[n_rows - window_size : n_rows])
            n_pairs = len(ref) * window_size
            np.testing.assert_array_equal(sliding.gaps(), gaps)
            np.testing.assert_array_equal(sliding.statistics(), gaps / n_pairs)
            assert statistic == sliding.statistic == gaps.max() / n_pairs


@pytest.mark.parametrize("decimals", [1, 12])
def test_after_ten_thousand_events_no_count_is_off_by_one(decimals, rng):
    x_ref = rng.normal(size=(200, 2)).round(decimals)
    stream = rng.normal(0.2, 1.5, size=(10_000, 2)).round(decimals)
    sliding = SlidingKS(50).fit(x_ref)

    for n_rows, row in enumerate(stream, start=1):
        sliding.update(row)
        if n_rows % 500 == 0:
            np.testing.assert_array_equal(
                sliding.gaps(), scipy_gaps(x_ref, stream[n_rows - 50 : n_rows])
            )


def test_the_p_values_are_those_of_the_batch_test(rng):
    sliding = SlidingKS(30).fit(rng.normal(size=(60, 3)))

    for row in rng.normal([0.0, 0.5, 2.0], 1.0, size=(45, 3)):
        sliding.update(row)

    np.testing.assert_array_equal(sliding.p_values(), ks_p_values(sliding.gaps(), 60, 30))
    assert sliding.p_values()[2] < 1e-6


def test_a_growing_share_of_missing_values_is_a_distance(rng):
    sliding = SlidingKS(4).fit([[1.0], [2.0], [3.0], [np.nan]])

    statistics = [sliding.update([value]) for value in (1.0, 2.0, 3.0, np.nan, np.nan, np.nan)]

    assert statistics == [None, None, None, 0.0, 0.25, 0.5]


def test_narrow_integers_do_not_overflow_at_the_largest_gap():
    # 127 and 128 are the largest numbers of one byte, 32,768 the first beyond two.
    for n_ref, window_size in ((127, 1), (128, 1), (1024, 32)):
        sliding = SlidingKS(window_size).fit(np.arange(float(n_ref))[:, None])
        for value in [-1.0] * window_size + [1e9] * window_size:
            statistic = sliding.update([value])
            if sliding.n_rows == window_size:
                assert statistic == 1.0
        assert statistic == 1.0


def test_rows_of_other_types_are_as_good(rng):
    stream = rng.integers(0, 5, size=(20, 2))
    windows = [SlidingKS(5).fit([[1, 2], [3, 4], [0, 0]]) for _ in range(4)]

    for row in stream:
        values = [row.astype(float), row, row.astype(np.float32), row.tolist()]
        results = {sliding.update(value) for sliding, value in zip(windows, values, strict=True)}
        assert len(results) == 1


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (np.array([1.0, np.inf]), NonFiniteError),
        ([-np.inf, 1.0], NonFiniteError),
        (np.array([1.0]), ShapeError),
        ([[1.0, 2.0]], ShapeError),
        (1.0, ShapeError),
        (["a", "b"], InvalidSampleError),
    ],
)
def test_a_refused_row_changes_nothing(row, error, rng):
    sliding = SlidingKS(5).fit(rng.normal(size=(20, 2)))
    for event in rng.normal(size=(7, 2)):
        sliding.update(event)
    before = arrays_to_bytes(sliding.to_arrays()), sliding.statistic

    with pytest.raises(error, match="event 7"):
        sliding.update(row)

    assert (arrays_to_bytes(sliding.to_arrays()), sliding.statistic) == before


@pytest.mark.parametrize("n_before", [0, 3, 10, 17])
def test_restored_from_bytes_it_goes_on_with_equal_values(n_before, rng):
    x_ref = rng.normal(size=(30, 2)).round(1)
    x_ref[::7, 1] = np.nan
    stream = rng.normal(size=(40, 2)).round(1)
    sliding = SlidingKS(10).fit(x_ref)
    for row in stream[:n_before]:
        sliding.update(row)

    restored = SlidingKS.from_arrays(bytes_to_arrays(arrays_to_bytes(sliding.to_arrays())))

    assert restored.statistic == sliding.statistic
    for row in stream[n_before:]:
        assert restored.update(row) == sliding.update(row)
    assert arrays_to_bytes(restored.to_arrays()) == arrays_to_bytes(sliding.to_arrays())


def test_fitted_again_it_starts_with_an_empty_window(rng):
    sliding = SlidingKS(2).fit([[1.0], [2.0]])
    sliding.update([1.0])
    sliding.update([1.0])

    sliding.fit([[5.0], [6.0]])

    assert (sliding.n_rows, sliding.statistic, sliding.update([5.0])) == (0, None, None)
    assert sliding.update([6.0]) == 0.0


def test_the_reference_is_neither_modified_nor_watched(rng):
    x_ref = rng.normal(size=(20, 1))
    kept = x_ref.copy()
    sliding = SlidingKS(1).fit(x_ref)

    np.testing.assert_array_equal(x_ref, kept)
    x_ref[:] = 100.0

    assert sliding.update([100.0]) == 1.0


@pytest.mark.parametrize("window_size", [0, -1, 2.0, True, "9"])
def test_a_window_that_is_not_a_positive_whole_number_is_refused(window_size):
    with pytest.raises(InvalidParameterError, match="window_size"):
        SlidingKS(window_size)


def test_needs_fit_first():
    for call in (lambda: SlidingKS(2).update([1.0]), SlidingKS(2).to_arrays):
        with pytest.raises(NotFittedError):
            call()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("columns", None),
        ("columns", np.array([[2.0, 1.0]])),
        ("columns", np.array([[1.0, np.inf]])),
        ("columns", np.array([[1.0, 2.0], [1.0, 2.0]])),
        ("starts", np.array([[0, 5]])),
        ("starts", np.array([[0, -1]])),
        ("starts", np.array([[0.0, 1.0]])),
        ("n_rows", np.array([-1])),
        ("n_rows", np.array([1, 2])),
    ],
)
def test_stored_arrays_that_describe_no_window_are_refused(name, value):
    arrays = SlidingKS(2).fit([[1.0], [2.0]]).to_arrays()
    arrays.pop(name)
    if value is not None:
        arrays[name] = value

    with pytest.raises(InvalidStateError):
        SlidingKS.from_arrays(arrays)
