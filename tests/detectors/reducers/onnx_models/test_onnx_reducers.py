from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import InvalidParameterError, InvalidStateError, NonFiniteError, ShapeError
from detectors.errors import InvalidSampleError
from detectors.reducers.onnx_models.model import OnnxModel
from detectors.reducers.onnx_models.reducers import (
    OnnxEmbedding,
    OnnxHardPredictions,
    OnnxSoftmax,
)
from tests.onnx_files import layers_of, network_file, network_outputs, parsed, softmax

# Odd widths and a transcendental function: what kernels round differently in batches.
WIDTHS = (7, 5, 3)
LAYERS = layers_of(WIDTHS)


def network() -> OnnxModel:
    return OnnxModel(network_file(LAYERS))


def rows(n: int = 41, n_columns: int = 7, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_columns))


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_it_gives_what_the_network_gives_by_hand(widths, n, seed):
    layers, x = layers_of(widths, seed), rows(n, widths[0], seed)

    given = OnnxEmbedding(OnnxModel(network_file(layers))).fit(x).transform(x)

    np.testing.assert_allclose(given, network_outputs(layers, x), atol=1e-4)


def test_logits_become_probabilities():
    reduced = OnnxSoftmax(network(), gives="logits").fit(rows()).transform(rows())

    np.testing.assert_allclose(reduced, softmax(network_outputs(LAYERS, rows())), atol=1e-5)
    np.testing.assert_allclose(reduced.sum(axis=1), 1.0, atol=1e-12)


def test_probabilities_are_handed_through():
    model = OnnxModel(network_file(LAYERS, softmax=True))

    reduced = OnnxSoftmax(model).fit(rows()).transform(rows())

    np.testing.assert_allclose(reduced, softmax(network_outputs(LAYERS, rows())), atol=1e-5)


def test_hard_predictions_are_the_most_probable_classes():
    reduced = OnnxHardPredictions(network(), gives="logits").fit(rows()).transform(rows())

    expected = network_outputs(LAYERS, rows()).argmax(axis=1)
    np.testing.assert_array_equal(reduced, expected[:, np.newaxis].astype(float))


@pytest.mark.parametrize("make", [OnnxEmbedding, OnnxSoftmax, OnnxHardPredictions])
def test_rows_keep_their_bits_whatever_rows_come_along(make, rng):
    reducer = make(network(), **({} if make is OnnxEmbedding else {"gives": "logits"})).fit(rows())
    together = reducer.transform(rows())

    order = rng.permutation(41)
    np.testing.assert_array_equal(reducer.transform(rows()[order]), together[order])
    for n in (1, 2, 9, 40):
        np.testing.assert_array_equal(reducer.transform(rows()[-n:]), together[-n:])


def test_two_loaded_models_of_one_file_give_equal_bits():
    first = OnnxEmbedding(network()).fit(rows()).transform(rows())

    np.testing.assert_array_equal(OnnxEmbedding(network()).fit(rows()).transform(rows()), first)


def test_rows_are_arranged_as_images():
    text = (
        "pixels (float[n, 1, 2, h] x) => (float[n, 1, h, 2] y) {y = Transpose<perm=[0,1,3,2]>(x)}"
    )

    reduced = OnnxEmbedding(OnnxModel(parsed(text))).fit(rows(3, 6)).transform(rows(3, 6))

    single = rows(3, 6).astype(np.float32)
    expected = single.reshape(3, 2, 3).transpose(0, 2, 1).reshape(3, 6)
    np.testing.assert_array_equal(reduced, expected)


def test_a_model_for_single_rows_takes_many_one_by_one():
    model = OnnxModel(network_file(LAYERS, input_shape=[1, 7]))

    reduced = OnnxEmbedding(model).fit(rows()).transform(rows())

    np.testing.assert_allclose(reduced, network_outputs(LAYERS, rows()), atol=1e-5)


SUM = """sum (float[n, 1] income, int64[n, 1] children, bool[n, 1] owner, double[n, 2] flows)
=> (double[n, 2] total)
{a = Cast<to=11>(income) b = Cast<to=11>(children) c = Cast<to=11>(owner)
total = Sum(a, b, c, flows)}"""
TYPED = {"flows": 2, "owner": 1, "children": 1, "income": 1}


def test_each_column_goes_to_the_input_of_its_name_and_type():
    x = np.array([[0.5, 0.25, 1.0, 3.0, 10.0], [1.5, 2.5, 0.0, 2.0, 20.0]])

    reduced = OnnxEmbedding(OnnxModel(parsed(SUM)), columns=TYPED).fit(x).transform(x)

    np.testing.assert_array_equal(reduced, [[14.5, 14.25], [23.5, 24.5]])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([0.5, 0.5, 0.5, 3.0, 1.0], "'owner' takes 0 and 1, and x holds .0.5. in row 1"),
        ([0.5, 0.5, 1.0, 3.5, 1.0], "'children' takes whole numbers"),
        ([0.5, 0.5, 1.0, 2.0**60, 1.0], "'children' takes whole numbers"),
    ],
)
def test_numbers_that_an_input_cannot_take_are_refused(row, reason):
    good = np.ones((1, 5))
    reducer = OnnxEmbedding(OnnxModel(parsed(SUM)), columns=TYPED).fit(good)

    with pytest.raises(InvalidSampleError, match=reason):
        reducer.transform(np.vstack([good, [row]]))


@pytest.mark.parametrize(
    ("columns", "error", "reason"),
    [
        (None, InvalidParameterError, "has the inputs income, children, owner, flows, and the"),
        (TYPED | {"age": 1}, InvalidParameterError, "the columns are flows, owner, .*, age"),
        (TYPED | {"flows": 1}, ShapeError, r"'flows', tensor\(double\) \(n, 2\) does not take"),
    ],
)
def test_columns_that_do_not_fit_several_inputs_are_refused(columns, error, reason):
    reducer = OnnxEmbedding(OnnxModel(parsed(SUM)), columns=columns)

    with pytest.raises(error, match=reason):
        reducer.fit(np.ones((2, sum(columns.values()) if columns else 5)))


def test_another_number_of_features_is_refused():
    with pytest.raises(ShapeError, match=r"'inputs', tensor\(float\) \(n, 7\) does not take the 8"):
        OnnxEmbedding(network()).fit(rows(n_columns=8))
    with pytest.raises(ShapeError):
        OnnxEmbedding(network()).fit(rows()).transform(rows(n_columns=6))


def test_another_number_of_outputs_than_was_said_is_refused():
    with pytest.raises(InvalidParameterError, match="size is 4, and the model gives 3 numbers"):
        OnnxEmbedding(network(), size=4).fit(rows())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("texts (string[n, 7] x) => (string[n, 7] y) {y = Identity(x)}", "does not hold floats"),
        ("words (string[n, 7] x) => (float[n, 7] y) {y = Cast<to=1>(x)}", "must take tensor"),
        ("two (float[2, 7] x) => (float[2, 7] y) {y = Identity(x)}", "2 rows at a time"),
        ("open (float[n, a, b] x) => (float[n, a, b] y) {y = Identity(x)}", "does not take the 7"),
        ("scalar (float x) => (float y) {y = Identity(x)}", "does not take the 7"),
        (
            "sums (float[n, 7] x) => (float[1] y) {y = ReduceMax<keepdims=0>(x)}",
            "one row for a row",
        ),
        ("noise (float[n, 7] x) => (float[n, 7] y) {y = RandomNormalLike(x)}", "other numbers for"),
        (
            "training (float[n, 7] x) => (float[n, 7] y) {rate = Constant<value_float=0.5>() "
            "one = Constant<value_int=1>() is_training = Cast<to=9>(one) "
            "y = Dropout(x, rate, is_training)}",
            "other numbers for",
        ),
        (
            "square (float[n, 7] x) => (float[n, 7] y) {y = MatMul(x, x)}",
            "cannot be run on one row",
        ),
    ],
)
def test_models_that_cannot_be_used_say_why(text, reason):
    with pytest.raises((InvalidParameterError, ShapeError), match=reason):
        OnnxEmbedding(OnnxModel(parsed(text))).fit(rows())


def test_outputs_are_named_where_there_are_several():
    text = """both (float[n, 7] x) => (int64[n] label, float[n, 7] probabilities)
    {label = ArgMax<axis=1, keepdims=0>(x) probabilities = Softmax(x)}"""
    model = OnnxModel(parsed(text))

    with pytest.raises(InvalidParameterError, match="name one of 'label', 'probabilities'"):
        OnnxSoftmax(model)
    with pytest.raises(InvalidParameterError, match="no output 'scores': name one of 'label'"):
        OnnxSoftmax(model, output="scores")
    with pytest.raises(InvalidParameterError, match=r"'label', tensor\(int64\) .* not hold floats"):
        OnnxSoftmax(model, output="label")
    reduced = OnnxSoftmax(model, output="probabilities").fit(rows()).transform(rows())
    np.testing.assert_allclose(reduced, softmax(rows()), atol=1e-6)


def test_outputs_that_are_not_what_was_said_are_refused():
    gives_probabilities = OnnxModel(network_file(LAYERS, softmax=True))

    with pytest.raises(InvalidParameterError, match="set `gives` to 'probabilities'"):
        OnnxSoftmax(gives_probabilities, gives="logits").fit(rows())
    with pytest.raises(InvalidParameterError, match="set `gives` to 'logits'"):
        OnnxSoftmax(network()).fit(rows())
    with pytest.raises(InvalidParameterError, match="gives must be one of"):
        OnnxSoftmax(network(), gives="classes")
    with pytest.raises(InvalidParameterError, match="by onnx_embedding"):
        OnnxSoftmax(OnnxModel(network_file(layers_of((7, 1)))), gives="logits").fit(rows())


def test_a_row_for_which_probabilities_end_is_refused():
    text = "clipped (float[n, 2] x) => (float[n, 2] y) {y = Clip(x)}"
    reducer = OnnxSoftmax(OnnxModel(parsed(text))).fit([[0.5, 0.5]])

    with pytest.raises(InvalidSampleError, match="row 1 lies in"):
        reducer.transform([[0.25, 0.75], [0.5, 0.75]])


def test_numbers_that_overflow_are_refused_with_their_row():
    scaled = OnnxModel(
        parsed("scaled (float[n, 7] x) => (float[n, 7] y) {y = Mul(x, x)}"),
    )

    with pytest.raises(NonFiniteError, match=r"model's outputs for x .* row 2"):
        OnnxEmbedding(scaled).fit(rows()).transform(np.vstack([rows(2), np.full((1, 7), 1e30)]))
    # The hyperbolic tangent of infinity is finite again.
    with pytest.raises(NonFiniteError, match=r"x in float32 .* row 2"):
        OnnxEmbedding(network()).fit(rows()).transform(np.vstack([rows(2), np.full((1, 7), 1e300)]))


def test_a_model_whose_outputs_change_their_number_is_refused():
    text = """some (float[n, 7] x) => (float[n, m] y)
    {zero = Constant<value_float=0.0>() found = Greater(x, zero) y0 = NonZero(found)
    y1 = Cast<to=1>(y0) one = Constant<value_ints=[1, -1]>() y = Reshape(y1, one)}"""

    with pytest.raises((InvalidParameterError, InvalidSampleError)):
        OnnxEmbedding(OnnxModel(parsed(text))).fit(np.abs(rows()))


def test_a_restored_reducer_gives_equal_bits_where_the_model_was_not_loaded():
    reducer = OnnxHardPredictions(network(), gives="logits", size=3).fit(rows())
    arrays, expected = reducer.to_arrays(), reducer.transform(rows())
    sha256 = network().sha256
    del reducer
    gc.collect()
    assert OnnxModel.known(sha256) is None

    restored = OnnxHardPredictions.from_arrays(arrays)

    np.testing.assert_array_equal(restored.transform(rows()), expected)
    np.testing.assert_array_equal(restored.fit(rows()).transform(rows()), expected)


def test_restored_reducers_share_a_loaded_model_and_need_no_file():
    model = network()
    arrays = OnnxEmbedding(model).fit(rows()).to_arrays()
    del arrays["model"]

    restored = OnnxEmbedding.from_arrays(arrays)

    assert restored._model is model
    assert restored._bound is model.bound({"x": 7})
    del restored, model
    gc.collect()
    with pytest.raises(InvalidStateError, match="is not loaded here"):
        OnnxEmbedding.from_arrays(arrays)


@pytest.mark.parametrize(
    "change",
    [
        {"model": np.zeros(9, dtype=np.uint8)},
        {"model": np.zeros(9)},
        {"sha256": np.zeros(32, dtype=np.uint8)},
        {"form": np.frombuffer(b"{}", dtype=np.uint8)},
        {"form": np.frombuffer(b'{"n_columns": 9, "columns": []}', dtype=np.uint8)},
        {"form": np.frombuffer(b'{"n_columns": 7, "columns": [], "x": 1}', dtype=np.uint8)},
        {"form": np.frombuffer(b"[", dtype=np.uint8)},
    ],
)
def test_stored_arrays_of_another_form_are_refused(change):
    arrays = OnnxEmbedding(network()).fit(rows()).to_arrays()
    gc.collect()

    with pytest.raises(InvalidStateError):
        OnnxEmbedding.from_arrays({**arrays, **change})


def test_a_path_is_not_a_model():
    with pytest.raises(InvalidParameterError, match=r"OnnxModel\.from_file"):
        OnnxEmbedding("model.onnx")
