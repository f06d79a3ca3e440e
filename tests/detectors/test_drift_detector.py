from __future__ import annotations

import numpy as np
import pytest

from detectors import (
    PCA,
    DriftDetector,
    InvalidParameterError,
    InvalidStateError,
    KSTest,
    MMDTest,
    NoReduction,
    NotFittedError,
    arrays_to_bytes,
    bytes_to_arrays,
)


@pytest.fixture
def x_ref(rng) -> np.ndarray:
    return rng.normal(size=(120, 8))


@pytest.fixture
def detector(x_ref) -> DriftDetector:
    return DriftDetector(PCA(3), KSTest()).fit(x_ref)


def test_raw_rows_are_reduced_before_they_are_tested(detector, rng):
    x_test = rng.normal(0.5, 1, (40, 8))
    z_test = detector.reduce(x_test)

    assert z_test.shape == (40, 3)
    assert detector.n_ref == 120
    assert detector.test(x_test, rng=rng).p_value == detector.test_reduced(z_test, rng=rng).p_value
    np.testing.assert_array_equal(
        detector.event_scores(x_test), detector.event_scores_reduced(z_test)
    )


def test_rows_reduced_in_pieces_test_as_if_reduced_at_once(detector, rng):
    # Nine tenths of the rows repeat one value: rounding it differently would show D = 0.9.
    x_test = np.where(rng.random((90, 1)) < 0.9, 0.3, rng.normal(size=(90, 8)))
    detector.fit(x_test)
    pieces = [detector.reduce(x_test[start : start + 7]) for start in range(0, 90, 7)]

    result = detector.test_reduced(np.concatenate(pieces), rng=rng)

    assert result.statistic == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda detector: detector.n_ref,
        lambda detector: detector.reduce(np.ones((2, 2))),
        lambda detector: detector.test(np.ones((2, 2)), rng=np.random.default_rng()),
        lambda detector: detector.test_reduced(np.ones((2, 2)), rng=np.random.default_rng()),
        lambda detector: detector.event_scores_reduced(np.ones((2, 2))),
        lambda detector: detector.to_arrays(),
    ],
)
def test_nothing_works_before_fit(call):
    with pytest.raises(NotFittedError):
        call(DriftDetector(NoReduction(), KSTest()))


def test_another_reference_can_be_fitted_to_rows_that_the_same_reducer_reduced(detector, rng):
    x_new, x_test = rng.normal(1.0, size=(90, 8)), rng.normal(1.0, size=(60, 8))
    z_new = detector.reduce(x_new)

    moved = detector.with_test(KSTest(), z_new)

    expected = KSTest().fit(z_new).test(detector.reduce(x_test), rng=rng)
    assert moved.test(x_test, rng=rng).p_value == expected.p_value
    assert moved.n_ref == 90
    assert moved.test(x_test, rng=rng).p_value > detector.test(x_test, rng=rng).p_value
    assert detector.n_ref == 120


def test_a_failed_refit_leaves_no_half_fitted_detector(detector, rng):
    with pytest.raises(InvalidParameterError):
        detector.fit(np.ones((10, 8)))
    with pytest.raises(NotFittedError):
        detector.test(rng.normal(size=(5, 8)), rng=rng)


def test_stored_arrays_are_named_by_their_owner(detector):
    assert sorted(detector.to_arrays()) == [
        "detector",
        "reducer/components",
        "reducer/mean",
        "reducer/n_components",
        "test/n_cells",
        "test/x_ref",
    ]


@pytest.mark.parametrize("test", [KSTest(), MMDTest(9)])
def test_storing_costs_less_than_two_kilobytes_beside_the_numbers(test, x_ref):
    arrays = DriftDetector(PCA(3), test).fit(x_ref).to_arrays()

    overhead = len(arrays_to_bytes(arrays)) - sum(array.nbytes for array in arrays.values())

    assert overhead < 2_000


def test_a_restored_detector_stores_equal_bytes(detector):
    stored = arrays_to_bytes(detector.to_arrays())

    restored = DriftDetector.from_arrays(bytes_to_arrays(stored))

    assert arrays_to_bytes(restored.to_arrays()) == stored
    assert restored.n_ref == detector.n_ref


@pytest.mark.parametrize("missing", ["detector", "reducer/mean", "test/x_ref"])
def test_a_missing_array_is_named(detector, missing):
    arrays = detector.to_arrays()
    del arrays[missing]

    with pytest.raises(InvalidStateError, match=missing.rpartition("/")[2]):
        DriftDetector.from_arrays(arrays)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("reducer", b"lda", "lda.*known are"),
        ("test", b"", "known are"),
        ("n_ref", 0, "0 reference"),
    ],
)
def test_a_header_that_names_nothing_known_is_refused(detector, field, value, reason):
    arrays = detector.to_arrays()
    arrays["detector"][field] = value

    with pytest.raises(InvalidStateError, match=reason):
        DriftDetector.from_arrays(arrays)


def test_a_header_of_another_form_is_refused(detector):
    with pytest.raises(InvalidStateError, match="detector"):
        DriftDetector.from_arrays({**detector.to_arrays(), "detector": np.array(["pca", "ks"])})
