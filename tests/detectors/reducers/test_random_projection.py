from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from detectors import InvalidParameterError, InvalidStateError, NonFiniteError
from detectors.reducers.random_projection import SparseRandomProjection


def matrix(n_features, **parameters) -> np.ndarray:
    """The matrix, shape (n_components, n_features), read off the images of the unit vectors."""
    unit = np.eye(n_features)
    return SparseRandomProjection(**parameters).fit(unit).transform(unit).T


def test_entries_are_zero_or_of_the_one_magnitude_that_keeps_distances():
    entries = matrix(400, n_components=10)

    scale = np.sqrt(1 / (0.05 * 10))
    assert np.unique(entries).tolist() == pytest.approx([-scale, 0.0, scale])


@pytest.mark.statistics
@pytest.mark.parametrize(("density", "share"), [("auto", 0.05), (0.3, 0.3), (1.0, 1.0)])
def test_entries_occur_with_the_promised_probabilities(density, share):
    entries = matrix(400, n_components=100, density=density)

    for count in ((entries > 0).sum(), (entries < 0).sum()):
        interval = binomtest(int(count), entries.size).proportion_ci(0.999)
        assert interval.low <= share / 2 <= interval.high


@pytest.mark.statistics
@pytest.mark.parametrize("density", ["auto", 1.0])
def test_squared_distances_are_kept_on_average(density, rng):
    x = rng.normal(size=(2, 100))
    ratios = []
    for seed in range(300):
        z = SparseRandomProjection(16, density, seed).fit(x).transform(x)
        ratios.append(((z[0] - z[1]) ** 2).sum() / ((x[0] - x[1]) ** 2).sum())

    assert abs(np.mean(ratios) - 1.0) <= 4 * np.std(ratios) / np.sqrt(len(ratios))


@pytest.mark.parametrize("seed", range(20))
def test_every_direction_uses_some_feature(seed):
    assert (matrix(3, n_components=50, density=0.05, seed=seed) != 0).any(axis=1).all()


def test_equal_seeds_give_equal_matrices_whatever_the_reference(rng):
    x = rng.normal(size=(5, 30))
    reducer = SparseRandomProjection(8, seed=3).fit(x)
    before = reducer.transform(x)

    np.testing.assert_array_equal(reducer.fit(x + 9.0).transform(x), before)
    np.testing.assert_array_equal(SparseRandomProjection(8, seed=3).fit(x).transform(x), before)
    assert (SparseRandomProjection(8, seed=4).fit(x).transform(x) != before).any()


def test_drawing_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()

    matrix(20)

    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("n_features", [5, 42, 784])
def test_a_row_reduces_to_the_same_numbers_whatever_rows_come_with_it(n_features, n_rows, rng):
    x = rng.normal(size=(100, n_features))
    reducer = SparseRandomProjection(4).fit(x)

    np.testing.assert_array_equal(reducer.transform(x)[:n_rows], reducer.transform(x[:n_rows]))
    np.testing.assert_array_equal(reducer.transform(x)[n_rows:], reducer.transform(x[n_rows:]))


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_components": 0},
        {"n_components": 2.0},
        {"n_components": True},
        {"density": 0.0},
        {"density": 1.1},
        {"density": np.nan},
        {"density": "dense"},
        {"density": None},
        {"seed": -1},
        {"seed": 2**63},
        {"seed": None},
    ],
)
def test_parameters_outside_their_range_are_refused(parameters):
    with pytest.raises(InvalidParameterError):
        SparseRandomProjection(**parameters)


def test_numbers_that_overflow_on_the_way_are_refused():
    reducer = SparseRandomProjection(2, density=1.0).fit(np.ones((1, 40)))

    with pytest.raises(NonFiniteError):
        reducer.transform(np.full((1, 40), 1.7e308))


@pytest.mark.parametrize("density", ["auto", 0.25, 1])
def test_the_parameters_are_restored(density, rng):
    x = rng.normal(size=(5, 30))
    reducer = SparseRandomProjection(8, density, seed=2**63 - 1).fit(x)

    restored = SparseRandomProjection.from_arrays(reducer.to_arrays())

    np.testing.assert_array_equal(restored.transform(x), reducer.transform(x))
    wider = rng.normal(size=(5, 60))
    np.testing.assert_array_equal(
        restored.fit(wider).transform(wider), reducer.fit(wider).transform(wider)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"signs": np.array([[2, 0]], dtype=np.int8)},
        {"signs": np.array([[256, 1]])},
        {"signs": np.array([[0.5, 1.0]])},
        {"density": np.array(0.0)},
        {"density": np.array(np.inf)},
        {"seed": np.array(-1)},
    ],
)
def test_stored_arrays_of_another_form_are_refused(change, rng):
    arrays = SparseRandomProjection(4).fit(rng.normal(size=(5, 2))).to_arrays()

    with pytest.raises(InvalidStateError):
        SparseRandomProjection.from_arrays({**arrays, **change})
