from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from detectors.errors import InvalidParameterError
from detectors.reducers.neural.runtime import nn, single_threaded, torch
from detectors.reducers.neural.training import MIN_IMPROVEMENT, Training, train_autoencoder


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear_autoencoder(n_features: int = 6, seed: int = 3) -> nn.Sequential:
    layers = nn.Sequential(nn.Linear(n_features, 2), nn.Linear(2, n_features))
    for parameter in layers.parameters():
        nn.init.normal_(parameter, std=0.1, generator=generator(seed))
    return layers


def rows_of_rank_2(n: int = 200) -> torch.Tensor:
    return torch.randn(n, 2, generator=generator(7)) @ torch.randn(2, 6, generator=generator(8))


def trained(rows, training, seed=1, **options) -> tuple[nn.Module, np.ndarray]:
    autoencoder = linear_autoencoder(rows.shape[1])
    return autoencoder, train_autoencoder(
        autoencoder, rows, training, generator=generator(seed), **options
    )


@pytest.mark.parametrize("training", [Training(learning_rate=0.01), Training("sgd", 0.02)])
def test_training_learns_to_reproduce_rows_of_low_rank(training):
    _, losses = trained(rows_of_rank_2(), training)

    assert losses[-1, 1] < 0.05 * losses[0, 1]


def test_equal_seeds_give_equal_bits_and_others_do_not():
    training = Training(max_epochs=5)

    first, losses = trained(rows_of_rank_2(), training, seed=1)
    same, same_losses = trained(rows_of_rank_2(), training, seed=1)
    _, other_losses = trained(rows_of_rank_2(), training, seed=2)

    np.testing.assert_array_equal(same_losses, losses)
    for one, two in zip(first.parameters(), same.parameters(), strict=True):
        assert torch.equal(one, two)
    assert (other_losses != losses).all()


def test_neither_the_number_of_threads_nor_the_global_generator_matters_or_changes():
    before = torch.get_num_threads()
    _, losses = trained(rows_of_rank_2(), Training(max_epochs=3))
    autoencoder = linear_autoencoder()

    try:
        torch.set_num_threads(2)
        torch.manual_seed(6)
        state = torch.get_rng_state()
        again = train_autoencoder(
            autoencoder, rows_of_rank_2(), Training(max_epochs=3), generator=generator()
        )
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(before)

    np.testing.assert_array_equal(again, losses)


def test_training_stops_early_where_there_is_nothing_to_learn():
    noise = torch.randn(60, 6, generator=generator(9))

    _, losses = trained(noise, Training(learning_rate=0.05, patience=4, max_epochs=500))

    assert len(losses) < 100
    n_since_best = len(losses) - 1 - int(losses[:, 1].argmin())
    assert n_since_best <= 4


def test_the_weights_of_the_best_epoch_stay():
    noise = torch.randn(60, 6, generator=generator(9))
    held_out = noise[torch.randperm(60, generator=generator(1))[:15]]

    autoencoder, losses = trained(
        noise, Training(learning_rate=0.1, patience=6, validation_share=0.25)
    )

    with torch.no_grad():
        loss = float(nn.functional.mse_loss(autoencoder(held_out), held_out))
    assert loss == pytest.approx(losses[:, 1].min(), rel=2 * MIN_IMPROVEMENT)
    assert loss < losses[-1, 1]


def test_progress_hears_of_every_epoch():
    heard = []

    def hear(*values):
        heard.append(values)

    _, losses = trained(
        rows_of_rank_2(), Training(max_epochs=3), progress=lambda *a: heard.append(a)
    )

    assert heard == [(i + 1, 3, *losses[i].tolist()) for i in range(3)]


def test_two_rows_are_enough():
    _, losses = trained(rows_of_rank_2(2), Training(max_epochs=2, validation_share=0.9))

    assert losses.shape == (2, 2)


def test_a_training_that_diverges_says_so():
    with pytest.raises(InvalidParameterError, match=r"diverged in epoch .* learning_rate 1000"):
        trained(100.0 * rows_of_rank_2(), Training("sgd", learning_rate=1000.0))


@pytest.mark.parametrize(
    "setting",
    [
        {"optimizer": "lbfgs"},
        {"learning_rate": 0.0},
        {"learning_rate": np.nan},
        {"learning_rate": np.inf},
        {"batch_size": 0},
        {"max_epochs": 2.0},
        {"patience": True},
        {"validation_share": 0.0},
        {"validation_share": 1.0},
        {"validation_share": np.nan},
    ],
)
def test_settings_outside_their_range_are_refused(setting):
    with pytest.raises(InvalidParameterError):
        Training(**setting)


def test_threads_are_given_back_after_an_error():
    before = torch.get_num_threads()

    with pytest.raises(KeyError), single_threaded():
        raise KeyError

    assert torch.get_num_threads() == before


WITHOUT_TORCH = """
import importlib, sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoTorch())
for module in ("autoencoders", "training"):
    try:
        importlib.import_module(f"detectors.reducers.neural.{module}")
    except ImportError as error:
        print(error)
"""


def test_without_torch_the_import_names_the_extra_that_brings_it():
    command = [sys.executable, "-c", WITHOUT_TORCH]

    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed.count("pip install '.[torch]'") == 2
