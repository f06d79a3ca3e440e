from __future__ import annotations

import numpy as np
import pytest

from detectors import InvalidParameterError, InvalidStateError, NonFiniteError, ShapeError
from detectors.errors import TooFewRowsError
from detectors.reducers.neural.autoencoders import TrainedAutoencoder, UntrainedAutoencoder
from detectors.reducers.neural.encoders import EncoderPlan, encode, encoder_of, layers_of
from detectors.reducers.neural.runtime import torch
from detectors.reducers.neural.training import Training

SHORT = Training(max_epochs=2)


def images(n: int, *shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((n, int(np.prod(shape))))


def rows_of_rank_3(n: int, seed: int) -> np.ndarray:
    loadings = np.random.default_rng(0).normal(size=(3, 20))
    return np.tanh(np.random.default_rng(seed).normal(size=(n, 3)) @ loadings)


def short(n_components=3, **options) -> TrainedAutoencoder:
    return TrainedAutoencoder(n_components, training=SHORT, **options)


@pytest.mark.parametrize("shape", [(28, 28), (16, 16), (8, 8), (1, 28, 28), (3, 32, 32)])
def test_the_papers_convolutions_end_in_32_numbers_without_a_dense_layer(shape):
    layers = EncoderPlan(32, shape).weight_shapes(int(np.prod(shape)))

    assert all(len(layer) == 4 for layer in layers)
    rows = images(3, *shape)
    assert UntrainedAutoencoder(image_shape=shape).fit(rows).transform(rows).shape == (3, 32)


def test_the_encoder_for_mnist_is_the_papers():
    assert EncoderPlan(32, (28, 28)).weight_shapes(784) == [
        (16, 1, 3, 3),
        (8, 16, 3, 3),
        (2, 8, 3, 3),
    ]


@pytest.mark.parametrize(
    ("n_components", "shape", "hidden"),
    [(32, (10, 13), None), (5, (28, 28), None), (4, (2, 5, 3), (6,)), (7, (1, 1), (3, 2))],
)
def test_other_shapes_end_in_a_dense_layer(n_components, shape, hidden):
    rows = images(4, *shape)
    reducer = UntrainedAutoencoder(n_components, image_shape=shape, hidden=hidden)

    assert reducer.fit(rows).transform(rows).shape == (4, n_components)
    assert np.ndim(list(reducer.to_arrays().values())[-2]) == 2


@pytest.mark.parametrize(
    "plan",
    [
        EncoderPlan(32, (28, 28)),
        EncoderPlan(9, (3, 11, 6)),
        EncoderPlan(5, (2, 7, 7), (3, 4)),
        EncoderPlan(5),
        EncoderPlan(5, None, (9, 4)),
        EncoderPlan(5, None, ()),
    ],
    ids=str,
)
def test_numpy_encodes_as_torch_does(plan):
    shape = plan.image_shape or (13,)
    rows = np.random.default_rng(2).normal(size=(37, int(np.prod(shape))))
    encoder = encoder_of(plan, rows.shape[1], torch.Generator().manual_seed(4)).double()

    with torch.no_grad():
        expected = encoder(torch.from_numpy(rows.reshape(-1, *shape))).flatten(1).numpy()

    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(
        encode(rows, layers_of(encoder), plan.image_shape), expected, atol=1e-12
    )


@pytest.mark.parametrize("n_columns", [1, 3, 7, 31, 100])
@pytest.mark.parametrize("n_components", [1, 5, 32])
def test_dense_rows_keep_their_bits_whatever_rows_come_along(n_columns, n_components, rng):
    rows = rng.normal(size=(41, n_columns))
    reducer = UntrainedAutoencoder(n_components, hidden=(9,)).fit(rows)
    together = reducer.transform(rows)

    order = rng.permutation(41)
    np.testing.assert_array_equal(reducer.transform(rows[order]), together[order])
    for n in (1, 2, 15, 16, 17, 40):
        np.testing.assert_array_equal(reducer.transform(rows[-n:]), together[-n:])


@pytest.mark.parametrize("shape", [(28, 28), (3, 9, 5), (7, 7)])
def test_images_keep_their_bits_whatever_images_come_along(shape, rng):
    rows = images(35, *shape)
    reducer = UntrainedAutoencoder(image_shape=shape).fit(rows)
    together = reducer.transform(rows)

    order = rng.permutation(35)
    np.testing.assert_array_equal(reducer.transform(rows[order]), together[order])
    for n in (1, 2, 17):
        np.testing.assert_array_equal(reducer.transform(rows[-n:]), together[-n:])


@pytest.mark.parametrize("make", [UntrainedAutoencoder, short])
@pytest.mark.parametrize("shape", [None, (4, 5)])
def test_equal_seeds_give_equal_bits_and_others_do_not(make, shape, rng):
    rows = rng.normal(size=(30, 20))
    global_state = torch.get_rng_state()

    first, same, other = (
        make(3, image_shape=shape, seed=seed).fit(rows).transform(rows) for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(same, first)
    assert (other != first).any()
    assert torch.equal(torch.get_rng_state(), global_state)


def test_the_untrained_has_no_bias_and_glorots_weights(rng):
    arrays = UntrainedAutoencoder(32, hidden=(64,)).fit(rng.normal(size=(9, 784))).to_arrays()

    assert not arrays["bias_0"].any()
    assert not arrays["bias_1"].any()
    # Uniform within ±sqrt(6 / (784 + 64)) = ±0.0841.
    assert 0.0840 < np.abs(arrays["weight_0"]).max() <= 0.0842


def test_columns_are_standardised_whatever_their_scale(rng):
    rows = rng.normal(size=(30, 4))

    plain = UntrainedAutoencoder(3).fit(rows).transform(rows)
    scaled = rows * [1.0, 1024.0, 2.0**-20, 1.0] + [0.0, 0.0, 0.0, 4.0]

    np.testing.assert_allclose(
        UntrainedAutoencoder(3).fit(scaled).transform(scaled), plain, atol=1e-6
    )


def test_images_are_standardised_by_channel():
    rows = images(20, 2, 3, 3) * np.repeat([1.0, 50.0], 9)

    arrays = UntrainedAutoencoder(4, image_shape=(2, 3, 3)).fit(rows).to_arrays()

    np.testing.assert_allclose(arrays["mean"], np.repeat([0.5, 25.0], 9), rtol=0.1)
    assert len(np.unique(arrays["scale"])) == 2


def test_a_column_that_leaves_its_constant_moves_the_code(rng):
    rows = rng.normal(size=(30, 3))
    rows[:, 1] = 0.1
    reducer = UntrainedAutoencoder(4).fit(rows)
    moved = rows.copy()
    moved[:, 1] = 1.1

    assert np.isfinite(reducer.transform(rows)).all()
    assert (reducer.transform(moved) != reducer.transform(rows)).any(axis=1).all()


def unexplained(reducer, rows) -> float:
    """The share of the variance that no affine map of the codes reproduces."""
    codes = np.column_stack([reducer.transform(rows), np.ones(len(rows))])
    residual = rows - codes @ np.linalg.lstsq(codes, rows, rcond=None)[0]
    return float(residual.var() / rows.var())


def test_the_trained_keeps_more_of_new_rows_than_the_untrained():
    x_ref, x_new = rows_of_rank_3(400, seed=1), rows_of_rank_3(200, seed=2)
    training = Training(max_epochs=60, learning_rate=0.005)

    untrained = UntrainedAutoencoder(3, hidden=(16,)).fit(x_ref)
    trained = TrainedAutoencoder(3, hidden=(16,), training=training).fit(x_ref)

    assert unexplained(trained, x_new) < 0.5 * unexplained(untrained, x_new)


def test_a_convolutional_autoencoder_learns_images():
    bright = np.zeros((120, 8, 8))
    corner = np.random.default_rng(1).integers(0, 5, size=(120, 2))
    for image, (down, right) in zip(bright, corner, strict=True):
        image[down : down + 3, right : right + 3] = 1.0
    training = Training(max_epochs=25, learning_rate=0.01, batch_size=16)

    reducer = TrainedAutoencoder(image_shape=(8, 8), training=training)
    losses = reducer.fit(bright.reshape(120, 64)).losses

    assert losses[:, 1].min() < 0.5 * losses[0, 1]


def test_progress_is_told_and_the_losses_are_kept(rng):
    heard = []

    reducer = short(progress=lambda *a: heard.append(a)).fit(rng.normal(size=(30, 4)))

    assert [(epoch, n_epochs) for epoch, n_epochs, *_ in heard] == [(1, 2), (2, 2)]
    np.testing.assert_array_equal(reducer.losses, [losses for _, _, *losses in heard])


@pytest.mark.parametrize("shape", [None, (4, 5)])
def test_a_restored_autoencoder_knows_its_losses_and_refits_to_equal_bits(shape, rng):
    rows = rng.normal(size=(30, 20))
    training = Training("sgd", 0.005, batch_size=8, max_epochs=2)
    reducer = TrainedAutoencoder(3, image_shape=shape, seed=9, training=training).fit(rows)

    restored = TrainedAutoencoder.from_arrays(reducer.to_arrays())

    np.testing.assert_array_equal(restored.transform(rows), reducer.transform(rows))
    np.testing.assert_array_equal(restored.losses, reducer.losses)
    np.testing.assert_array_equal(restored.fit(rows).transform(rows), reducer.transform(rows))


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_components": 0},
        {"n_components": 2.0},
        {"n_components": True},
        {"seed": -1},
        {"seed": 1.5},
        {"image_shape": (28,)},
        {"image_shape": (1, 1, 28, 28)},
        {"image_shape": (0, 28)},
        {"image_shape": (28, 28), "hidden": ()},
        {"hidden": (8, 0)},
    ],
)
def test_parameters_outside_their_range_are_refused(parameters):
    with pytest.raises(InvalidParameterError):
        UntrainedAutoencoder(**parameters)


def test_rows_that_do_not_fill_the_image_are_refused(rng):
    with pytest.raises(ShapeError, match="784"):
        UntrainedAutoencoder(image_shape=(28, 28)).fit(rng.random((5, 783)))


def test_one_row_is_too_few():
    with pytest.raises(TooFewRowsError):
        UntrainedAutoencoder(2).fit([[1.0, 2.0]])


def test_numbers_that_overflow_on_the_way_are_refused(rng):
    reducer = UntrainedAutoencoder(2).fit(rng.normal(size=(9, 2)) * 1e-3)

    with pytest.raises(NonFiniteError):
        reducer.transform([[1.7e308, 1.7e308]])
    with pytest.raises(NonFiniteError):
        UntrainedAutoencoder(2).fit([[1.7e308], [-1.7e308], [1.7e308]])


CHANGES = [
    {"mean": np.zeros(5)},
    {"mean": np.full(20, np.nan)},
    {"scale": np.zeros(20)},
    {"scale": -np.ones(20)},
    {"weight_0": np.zeros((3, 3))},
    {"weight_0": np.zeros(20)},
    {"bias_0": np.zeros(99)},
    {"n_components": np.array(4)},
    {"n_components": np.array(-3)},
    {"seed": np.array(-1)},
    {"image_shape": np.array([1, 4, 6])},
    {"image_shape": np.array([20])},
    {"losses": np.zeros((3, 1))},
    {"optimizer": np.array(7)},
    {"optimizer": np.array(-1)},
    {"batch_size": np.array(2.5)},
    {"learning_rate": np.array(0.0)},
]


@pytest.mark.parametrize("shape", [None, (4, 5)])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(change))
def test_stored_arrays_of_another_form_are_refused(change, shape, rng):
    arrays = short(image_shape=shape).fit(rng.normal(size=(9, 20))).to_arrays()

    with pytest.raises(InvalidStateError):
        TrainedAutoencoder.from_arrays({**arrays, **change})


@pytest.mark.parametrize("shape", [None, (4, 5)])
def test_each_stored_array_is_needed(shape, rng):
    arrays = short(image_shape=shape).fit(rng.normal(size=(9, 20))).to_arrays()

    for name in arrays:
        with pytest.raises(InvalidStateError):
            TrainedAutoencoder.from_arrays({k: v for k, v in arrays.items() if k != name})
