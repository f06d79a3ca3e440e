from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors import (
    PCA,
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    KSTest,
    NonFiniteError,
    NoReduction,
    NotFittedError,
    SoftmaxOutputs,
    arrays_to_bytes,
    bytes_to_arrays,
)
from detectors.drift_detector import DriftDetector
from detectors.reducers.imputation import MissingImputation

NUMBERS = st.integers(-9, 9).map(float) | st.just(np.nan)


def with_holes(rng, n, share=0.2, n_features=5) -> np.ndarray:
    x = rng.normal(size=(n, n_features))
    x[rng.random(x.shape) < share] = np.nan
    return x


def test_a_missing_value_becomes_the_mean_of_what_the_reference_observed():
    reducer = MissingImputation(NoReduction()).fit([[1.0, 5.0], [4.0, np.nan], [np.nan, 9.0]])

    assert reducer.transform([[np.nan, np.nan], [8.0, np.nan]]).tolist() == [
        [2.5, 7.0, 1.0],
        [8.0, 7.0, 0.5],
    ]


def test_a_feature_that_the_reference_never_observed_becomes_zero():
    reducer = MissingImputation(NoReduction()).fit([[1.0, np.nan], [3.0, np.nan]])

    assert reducer.transform([[np.nan, np.nan], [1.0, 6.0]]).tolist() == [
        [2.0, 0.0, 1.0],
        [1.0, 6.0, 0.0],
    ]


def test_the_mean_of_a_constant_feature_is_that_constant():
    # The sum of three times 0.1 is 0.30000000000000004.
    reducer = MissingImputation(NoReduction()).fit([[0.1], [0.1], [np.nan], [0.1]])

    assert reducer.transform([[np.nan]])[0, 0] == 0.1


def test_complete_rows_are_reduced_as_without_imputation(rng):
    x = rng.normal(size=(40, 5))

    imputed = MissingImputation(PCA(3)).fit(x).transform(x)

    np.testing.assert_array_equal(imputed[:, :3], PCA(3).fit(x).transform(x))
    assert (imputed[:, 3] == 0.0).all()


@given(arrays(np.float64, st.tuples(st.integers(1, 8), st.just(3)), elements=NUMBERS))
def test_whatever_is_missing_the_result_is_complete_and_tells_how_much_was(x):
    reduced = MissingImputation(NoReduction()).fit(x).transform(x)

    assert np.isfinite(reduced).all()
    observed = ~np.isnan(x)
    np.testing.assert_array_equal(reduced[:, :3][observed], x[observed])
    np.testing.assert_array_equal(reduced[:, 3], np.isnan(x).mean(axis=1))


@pytest.mark.parametrize("n_features", [5, 43])
def test_a_row_reduces_to_the_same_numbers_whatever_rows_come_with_it(n_features, rng):
    x = with_holes(rng, 60, n_features=n_features)
    reducer = MissingImputation(PCA(3)).fit(x)

    together = reducer.transform(x)

    for n_rows in (1, 2, 7):
        np.testing.assert_array_equal(reducer.transform(x[:n_rows]), together[:n_rows])


def test_a_change_in_missingness_alone_is_found(rng):
    detector = DriftDetector(MissingImputation(PCA(2)), KSTest()).fit(with_holes(rng, 300))

    result = detector.test(with_holes(rng, 100, share=0.6), rng=rng)

    assert result.p_value < 1e-6
    assert result.dimension_shifts[-1] > 1.0


def test_infinity_is_refused_and_leaves_nothing_fitted():
    reducer = MissingImputation(NoReduction()).fit([[1.0, np.nan]])

    with pytest.raises(NonFiniteError):
        reducer.transform([[np.inf, 1.0]])
    with pytest.raises(NonFiniteError):
        reducer.fit([[np.inf, 1.0]])
    with pytest.raises(NotFittedError):
        reducer.transform([[1.0, 1.0]])


def test_values_whose_mean_overflows_are_refused():
    with pytest.raises(NonFiniteError, match="mean of x_ref"):
        MissingImputation(NoReduction()).fit([[1.7e308], [1.6e308]])


def test_a_reducer_that_checks_its_rows_refuses_completed_ones():
    reducer = MissingImputation(SoftmaxOutputs()).fit([[0.5, 0.5], [0.1, 0.9]])

    with pytest.raises(InvalidSampleError, match="softmax"):
        reducer.transform([[np.nan, 0.9]])


def test_an_imputing_reducer_is_not_wrapped_again():
    with pytest.raises(InvalidParameterError):
        MissingImputation(MissingImputation(NoReduction()))


def test_the_wrapped_reducer_is_restored_with_it(rng):
    x = with_holes(rng, 40)
    reducer = MissingImputation(PCA(3)).fit(x)

    stored = bytes_to_arrays(arrays_to_bytes(reducer.to_arrays()))

    np.testing.assert_array_equal(
        MissingImputation.from_arrays(stored).transform(x), reducer.transform(x)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"means": np.zeros(4)},
        {"means": np.array([np.nan, 0.0, 0.0, 0.0, 0.0])},
        {"reducer_kind": np.array(b"unheard of")},
        {"reducer_kind": np.array(b"missing_imputation")},
        {"reducer_kind": np.array([b"pca"])},
        {"reducer_kind": np.array(7)},
        {"reducer/mean": np.zeros(2)},
    ],
)
def test_stored_arrays_of_another_form_are_refused(change, rng):
    stored = MissingImputation(PCA(3)).fit(with_holes(rng, 40)).to_arrays()

    with pytest.raises(InvalidStateError):
        MissingImputation.from_arrays({**stored, **change})
