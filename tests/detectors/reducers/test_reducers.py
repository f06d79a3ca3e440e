from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA as ReferencePCA  # noqa: N811 - ours has the same name

from detectors import (
    PCA,
    InvalidParameterError,
    InvalidSampleError,
    InvalidStateError,
    NonFiniteError,
    NoReduction,
    SoftmaxOutputs,
    is_distribution,
)


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return load_digits().data / 16.0


def test_pca_equals_that_of_scikit_learn_but_for_signs(digits):
    # sklearn.decomposition.PCA(n_components=10, svd_solver="full").fit(digits).transform(digits)
    expected = ReferencePCA(n_components=10, svd_solver="full").fit(digits).transform(digits)

    reduced = PCA(n_components=10).fit(digits).transform(digits)

    np.testing.assert_allclose(np.abs(reduced), np.abs(expected), atol=1e-10)


def test_80_percent_of_the_variance_of_the_digits_needs_13_components(digits):
    assert PCA(n_components=0.8).fit(digits).transform(digits).shape == (len(digits), 13)


def test_the_largest_loading_of_each_component_is_positive(digits):
    components = PCA(n_components=20).fit(digits).to_arrays()["components"]

    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    assert (largest > 0).all()


def test_mirrored_data_give_equal_components(rng):
    x = rng.normal(size=(50, 4)) * [4, 3, 2, 1]

    straight, mirrored = (PCA(2).fit(rows).to_arrays()["components"] for rows in (x, -x))

    np.testing.assert_allclose(straight, mirrored, atol=1e-12)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 5, 7, 64, 301])
@pytest.mark.parametrize("n_features", [5, 42, 784])
def test_a_row_reduces_to_the_same_numbers_whatever_rows_come_with_it(n_features, n_rows, rng):
    x = rng.normal(size=(400, n_features))
    pca = PCA(n_components=4).fit(x[:60])

    np.testing.assert_array_equal(pca.transform(x)[:n_rows], pca.transform(x[:n_rows]))
    np.testing.assert_array_equal(pca.transform(x)[n_rows:], pca.transform(x[n_rows:]))


def test_more_components_than_the_rank_are_refused_with_what_is_allowed(rng):
    x = np.repeat(rng.normal(size=(50, 3)), 2, axis=1)

    assert PCA(3).fit(x).transform(x).shape == (50, 3)
    with pytest.raises(InvalidParameterError, match=r"n_components is 4, .* allows 1 to 3"):
        PCA(4).fit(x)


def test_n_rows_have_rank_n_minus_1(rng):
    with pytest.raises(InvalidParameterError, match="1 to 4"):
        PCA(5).fit(rng.normal(size=(5, 9)))


@pytest.mark.parametrize("n_components", [1, 0.5])
def test_a_constant_reference_has_no_component(n_components):
    with pytest.raises(InvalidParameterError, match="constant"):
        PCA(n_components).fit(np.full((7, 3), 0.1))


def test_constant_features_do_not_matter(rng):
    x = rng.normal(size=(30, 3))
    with_constant = np.column_stack([x, np.full(30, 0.1)])

    np.testing.assert_allclose(
        PCA(0.999).fit(with_constant).transform(with_constant),
        PCA(0.999).fit(x).transform(x),
        atol=1e-12,
    )


@pytest.mark.parametrize("n_components", [0, -1, 0.0, 1.0, 1.5, True, "mle", None, np.nan])
def test_components_that_are_neither_a_count_nor_a_share_are_refused(n_components):
    with pytest.raises(InvalidParameterError):
        PCA(n_components)


def test_numbers_that_overflow_on_the_way_are_refused():
    pca = PCA(1).fit(np.outer(np.arange(9.0), [1.0, 1.0]))

    with pytest.raises(NonFiniteError):
        pca.transform([[1.7e308, 1.7e308]])
    with pytest.raises(NonFiniteError):
        PCA(1).fit([[1.7e308], [1.7e308], [-1.7e308], [1.7e308]])


@pytest.mark.parametrize(
    "change",
    [
        {"components": np.ones((2, 5))},
        {"components": np.ones(3)},
        {"mean": np.array([np.nan, 0.0, 0.0])},
        {"n_components": np.array(-1)},
        {"n_components": np.array(2.5)},
        {"n_components": np.array("2")},
    ],
)
def test_stored_arrays_of_another_form_are_refused(change, rng):
    arrays = PCA(2).fit(rng.normal(size=(9, 3))).to_arrays()

    with pytest.raises(InvalidStateError):
        PCA.from_arrays({**arrays, **change})


def test_no_reduction_hands_rows_through():
    x = np.ones((3, 2))

    assert NoReduction().fit(x).transform(x) is x


@pytest.mark.parametrize("n_features", [np.array(0), np.array(-3), np.array(2.0), np.array([2])])
def test_a_stored_number_of_features_of_another_form_is_refused(n_features):
    with pytest.raises(InvalidStateError):
        NoReduction.from_arrays({"n_features": n_features})


def test_softmax_outputs_of_single_precision_pass():
    outputs = np.array([[1.0000001, 0.0], [1 / 3, 2 / 3]], dtype=np.float32)

    np.testing.assert_array_equal(SoftmaxOutputs().fit(outputs).transform(outputs), outputs)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1.2, -0.2], "row 1 lies in"),
        ([-0.1, 1.1], "row 1 lies in"),
        ([0.5, 0.6], "row 1 .* sums to 1.1"),
        ([0.0, 0.0], "row 1 .* sums to 0"),
        ([0.5, 0.49850001234], "row 1 .* sums to 0.9985"),
    ],
)
def test_rows_that_are_no_softmax_outputs_are_refused_by_name(row, reason):
    with pytest.raises(InvalidSampleError, match=reason):
        SoftmaxOutputs().fit([[0.5, 0.5], row])


@pytest.mark.parametrize(
    ("row", "is_one"),
    [
        ([0.25, 0.75], True),
        ([1.0 + 5e-7, 0.0], True),
        ([0.5, 0.5009], True),
        ([0.5, 0.50110001234], False),
        ([0.5, 0.5011], False),
        ([0.5, 0.51], True),
        ([0.5, 0.52], False),
        ([0.5, 0.4], False),
        ([1.0, 1.0], False),
        ([0.0, 0.0], False),
        ([0.75, -0.25], False),
        ([1.0 + 5e-6, 0.0], False),
        ([-5e-6, 1.0], False),
        ([np.nan, 1.0], False),
    ],
)
def test_a_distribution_lies_in_the_unit_interval_and_sums_to_one(row, is_one):
    assert is_distribution(np.array([[0.5, 0.5], row])).tolist() == [True, is_one]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("decimals", [2, 3, 4, 6])
@pytest.mark.parametrize("n_classes", [2, 3, 10, 100, 300])
def test_outputs_that_were_rounded_are_outputs_and_sum_to_one_again(n_classes, decimals, dtype):
    rng = np.random.default_rng(n_classes)
    z = np.exp(rng.normal(size=(2_000, n_classes)) * 2)
    x = (z / z.sum(axis=1, keepdims=True)).round(decimals).astype(dtype).astype(np.float64)
    # Of outputs that nearly all became 0 rounding has left too little.
    x = x[np.abs(x.sum(axis=1) - 1) <= 0.5]
    before = x.copy()

    reduced = SoftmaxOutputs().fit(x).transform(x)

    assert len(x) > 1_900
    assert np.abs(reduced.sum(axis=1) - 1).max() <= 1e-3 + 1e-6
    np.testing.assert_array_equal(x, before)
    is_right = np.abs(x.sum(axis=1) - 1) <= 1e-3 + 1e-6
    np.testing.assert_array_equal(reduced[is_right], x[is_right])


def test_vectors_that_no_rounding_explains_are_refused_whatever_their_decimals():
    rng = np.random.default_rng(0)
    sigmoids = rng.uniform(size=(500, 10)).round(3)
    logits = rng.normal(size=(500, 10)).round(2)
    lacking = rng.dirichlet(np.ones(9), size=500).round(3)[:, :-1] * 1.0

    far = np.abs(lacking.sum(axis=1) - 1) > 8 * 0.0005 + 1e-6

    assert not is_distribution(sigmoids[np.abs(sigmoids.sum(axis=1) - 1) > 0.006]).any()
    assert not is_distribution(logits).any()
    assert not is_distribution(lacking[far]).any()


def test_one_class_is_no_classifier():
    with pytest.raises(InvalidSampleError, match="2 classes"):
        SoftmaxOutputs().fit(np.ones((3, 1)))
