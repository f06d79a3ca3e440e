from __future__ import annotations

import numpy as np
import pytest

from detectors import (
    PCA,
    HardPredictions,
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NoReduction,
    NotFittedError,
    Prepared,
    SoftmaxOutputs,
    SparseRandomProjection,
    arrays_to_bytes,
    bytes_to_arrays,
)


def table(rng, n: int) -> np.ndarray:
    """A number with holes, one in large units, a category of 60 codes, a flag, a constant."""
    x = np.column_stack(
        [
            rng.normal(size=n),
            rng.lognormal(15.0, 1.0, size=n),
            rng.integers(0, 60, size=n),
            rng.integers(0, 2, size=n),
            np.full(n, 0.1),
        ]
    )
    x[rng.random(n) < 0.2, 0] = np.nan
    x[rng.random(n) < 0.1, 3] = np.nan
    return x


def prepared(reducer=None, **options) -> Prepared:
    return Prepared(reducer or NoReduction(), categorical_columns=[2, 3], **options)


@pytest.mark.parametrize("make", [NoReduction, lambda: PCA(3), lambda: SparseRandomProjection(4)])
@pytest.mark.parametrize("scale", [True, False])
def test_a_row_is_prepared_to_the_same_bits_whatever_rows_come_with_it(make, scale, rng):
    x = table(rng, 300)
    reducer = prepared(make(), scale=scale).fit(x)

    together = reducer.transform(x)

    for n_rows in (1, 2, 7):
        np.testing.assert_array_equal(reducer.transform(x[:n_rows]), together[:n_rows])


def test_prepared_rows_are_complete_bounded_and_named_by_their_columns(rng):
    x = table(rng, 400)
    reducer = prepared().fit(x)

    z = reducer.transform(x)

    assert np.isfinite(z).all()
    assert np.abs(z).max() <= 5.0
    # Three numbers, 60 rare codes together, two codes, missing and the rest, one indicator.
    sources = [0, 1, 4, 2, *[3] * 4, 0]
    assert reducer.sources.tolist() == sources
    assert z.shape == (400, len(sources) + 1)


def test_an_indicator_of_missing_values_weighs_like_a_number(rng):
    x = table(rng, 5_000)[:, :1]

    z = Prepared(NoReduction()).fit(x).transform(x)

    assert z[:, 1].std() == pytest.approx(1.0)
    np.testing.assert_array_equal(z[:, 1] > 0.0, np.isnan(x[:, 0]))


@pytest.mark.parametrize("make", [NoReduction, lambda: PCA(1), lambda: SparseRandomProjection(1)])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param((1, np.nan), id="misses what was never missing"),
        pytest.param((2, 0.2), id="leaves its constant"),
        pytest.param((3, 9.0), id="has a new category"),
    ],
)
def test_what_the_reference_never_held_moves_the_last_dimension_by_the_bound(make, change, rng):
    x = np.column_stack(
        [rng.normal(size=(200, 2)), np.full(200, 0.1), rng.integers(0, 2, size=200)]
    )
    reducer = Prepared(make(), categorical_columns=[3]).fit(x)
    column, value = change
    left = x.copy()
    left[:, column] = value

    assert (reducer.transform(x)[:, -1] == 0.0).all()
    assert (reducer.transform(left)[:, -1] == 5.0).all()


def test_without_scaling_numbers_stay_and_the_share_of_missing_ones_is_appended():
    reducer = Prepared(NoReduction(), scale=False).fit([[1.0, 5.0], [4.0, np.nan], [np.nan, 9.0]])

    assert reducer.transform([[np.nan, np.nan], [8.0, np.nan]]).tolist() == [
        [2.5, 7.0, 1.0],
        [8.0, 7.0, 0.5],
    ]


@pytest.mark.parametrize("sentinel", [1e9, -1e9])
def test_one_outlier_does_not_turn_the_components(sentinel, rng):
    x = rng.multivariate_normal([0, 0, 0], [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], size=1_000)
    wild = x.copy()
    wild[500, 2] = sentinel

    clean = Prepared(PCA(1)).fit(x).transform(x)[:, 0]
    moved = Prepared(PCA(1)).fit(wild).transform(x)[:, 0]
    alone = PCA(1).fit(wild).transform(x)[:, 0]

    assert np.corrcoef(clean, moved)[0, 1] > 0.99
    assert abs(np.corrcoef(clean, alone)[0, 1]) < 0.1


def test_a_share_of_variance_counts_columns_and_not_units(rng):
    x = rng.normal(size=(1_000, 4)) * [1.0, 10.0, 1e3, 1e6]

    assert Prepared(PCA(0.9)).fit(x).transform(x).shape[1] == 4 + 1
    assert PCA(0.9).fit(x).transform(x).shape[1] == 1


def test_two_hundred_columns_with_ten_thousand_codes_stay_bounded(rng):
    x = np.floor(10_000 * rng.random((1_000, 200)) ** 8)

    reducer = Prepared(NoReduction(), categorical_columns=range(200)).fit(x)

    assert reducer.transform(x[:3]).shape[1] <= 601


def test_a_column_outside_the_reference_is_refused(rng):
    with pytest.raises(InvalidParameterError, match="categorical column 3"):
        prepared().fit(table(rng, 20)[:, :3])


@pytest.mark.parametrize("columns", [[-1], [0, 0], [1.5], [True]])
def test_columns_that_are_not_different_indices_are_refused(columns):
    with pytest.raises(InvalidParameterError):
        Prepared(NoReduction(), categorical_columns=columns)


def test_a_prepared_reducer_is_not_wrapped_again():
    with pytest.raises(InvalidParameterError):
        Prepared(Prepared(NoReduction()))


@pytest.mark.parametrize("make", [SoftmaxOutputs, HardPredictions])
def test_outputs_of_a_classifier_are_not_scaled(make):
    with pytest.raises(InvalidParameterError, match="scale"):
        Prepared(make())

    x = [[0.5, 0.5], [0.1, 0.9]]
    np.testing.assert_array_equal(
        Prepared(make(), scale=False).fit(x).transform(x)[:, :-1], make().fit(x).transform(x)
    )


def test_infinity_is_refused_and_leaves_nothing_fitted():
    reducer = Prepared(NoReduction()).fit([[1.0, np.nan]])

    with pytest.raises(NonFiniteError):
        reducer.transform([[np.inf, 1.0]])
    with pytest.raises(NonFiniteError):
        reducer.fit([[np.inf, 1.0]])
    with pytest.raises(NotFittedError):
        reducer.transform([[1.0, 1.0]])


def test_a_reducer_that_checks_its_rows_refuses_completed_ones():
    reducer = Prepared(SoftmaxOutputs(), scale=False).fit([[0.5, 0.5], [0.1, 0.9]])

    with pytest.raises(InvalidSampleError, match="softmax"):
        reducer.transform([[np.nan, 0.9]])


@pytest.mark.parametrize(
    "columns", [[], [2, 3], [0, 1, 2, 3, 4]], ids=["numbers", "both", "categories"]
)
@pytest.mark.parametrize("scale", [True, False])
def test_the_whole_of_it_is_restored(columns, scale, rng):
    x = table(rng, 60)
    reducer = Prepared(PCA(2), categorical_columns=columns, scale=scale).fit(x)

    restored = Prepared.from_arrays(bytes_to_arrays(arrays_to_bytes(reducer.to_arrays())))

    np.testing.assert_array_equal(restored.transform(x), reducer.transform(x))
    assert restored.sources.tolist() == reducer.sources.tolist()


def test_columns_of_rare_codes_alone_are_restored():
    x = np.arange(40.0).reshape(20, 2)
    reducer = Prepared(NoReduction(), categorical_columns=[0, 1]).fit(x)

    restored = Prepared.from_arrays(bytes_to_arrays(arrays_to_bytes(reducer.to_arrays())))

    np.testing.assert_array_equal(restored.transform(x), reducer.transform(x))


@pytest.mark.parametrize(
    "change",
    [
        {"centres": np.zeros(4)},
        {"centres": np.array([np.nan, 0.0, 0.0])},
        {"scales": np.array([-2.0, 1.0, 1.0])},
        {"scale_weights": np.array([0.0, 1.0, 1.0])},
        {"missing_weights": np.array([-1.0, 0.0, 0.0])},
        {"missing_weights": np.array([1.0, 1.0, 0.0])},
        {"n_columns": np.array(7)},
        {"categorical": np.array([3, 2])},
        {"categorical": np.array([2, 9])},
        {"n_codes": np.array([1, 9])},
        {"weights": np.array([1.0])},
        {"codes": np.array([-1.0, 2.0])},
        {"reducer_kind": np.array(b"unheard of")},
        {"reducer_kind": np.array(b"prepared")},
        {"reducer_kind": np.array([b"pca"])},
        {"reducer_kind": np.array(7)},
        {"reducer/mean": np.zeros(2)},
    ],
)
def test_stored_arrays_of_another_form_are_refused(change, rng):
    stored = prepared(PCA(3)).fit(table(rng, 60)).to_arrays()

    with pytest.raises(InvalidStateError):
        Prepared.from_arrays({**stored, **change})
