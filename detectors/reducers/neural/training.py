"""Training of an autoencoder: squared error, early stopping, equal seeds give equal weights.

References
----------
Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.base import FloatArray
from detectors.checks import share_of
from detectors.errors import InvalidParameterError
from detectors.reducers.neural.runtime import nn, single_threaded, torch

Progress = Callable[[int, int, float, float], object]
"""Called after each epoch with its number from 1, ``max_epochs``, training and validation loss."""

MIN_IMPROVEMENT = 1e-3
"""An epoch counts as better where it lowers the best validation loss by this share of it."""

OPTIMIZERS = ("adam", "sgd")
SGD_MOMENTUM = 0.9


@dataclass(frozen=True)
class Training:
    """How an autoencoder is trained.

    Attributes
    ----------
    optimizer : {"adam", "sgd"}
        "sgd" has a momentum of 0.9, as in the paper's code (there with ``learning_rate=0.01``).
    learning_rate : float
        Step size, positive.
    batch_size : int
        Rows per step.
    max_epochs : int
        The most passes over the training rows.
    patience : int
        Training ends after this many epochs without a better validation loss.
    validation_share : float
        The share of the rows in (0, 1) that are held out to decide when to stop; at least one row.

    Raises
    ------
    InvalidParameterError
        If a setting is outside its range.

    Examples
    --------
    >>> Training(max_epochs=20).patience
    10
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128
    max_epochs: int = 200
    patience: int = 10
    validation_share: float = 0.1

    def __post_init__(self) -> None:
        """Check every setting."""
        if self.optimizer not in OPTIMIZERS:
            raise InvalidParameterError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, not {self.optimizer!r}"
            )
        for name in ("batch_size", "max_epochs", "patience"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidParameterError(f"{name} must be a positive int, not {value!r}")
        if not 0.0 < self.learning_rate < math.inf:
            raise InvalidParameterError(f"learning_rate must be positive, not {self.learning_rate}")
        if not 0.0 < self.validation_share < 1.0:
            raise InvalidParameterError(
                f"validation_share must lie between 0 and 1, not {self.validation_share}"
            )


def train_autoencoder(
    autoencoder: nn.Module,
    rows: torch.Tensor,
    training: Training,
    *,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> FloatArray:
    """Train ``autoencoder`` in place to reproduce ``rows``; the best epoch's weights stay.

    Parameters
    ----------
    autoencoder : torch.nn.Module
        Maps a batch to a batch of the same shape.
    rows : torch.Tensor, shape (n, ...)
        At least two rows; the held-out ones are drawn among them.
    training : Training
        Optimizer, step size and when to stop.
    generator : torch.Generator
        Draws the held-out rows and the order of the others; torch's global generator is not used.
    progress : callable, optional
        Called after each epoch.

    Returns
    -------
    ndarray of float64, shape (n_epochs, 2)
        Mean squared error per epoch: on the training rows, while they were learned, and on the
        held-out rows.

    Raises
    ------
    InvalidParameterError
        If the loss leaves the finite numbers.

    Examples
    --------
    >>> autoencoder = nn.Linear(2, 2, bias=False)
    >>> _ = nn.init.zeros_(autoencoder.weight)
    >>> rows = torch.eye(2).repeat(10, 1)
    >>> training = Training(learning_rate=0.05)
    >>> losses = train_autoencoder(
    ...     autoencoder, rows, training, generator=torch.Generator().manual_seed(1)
    ... )
    >>> bool(losses[0, 1] > 0.4), bool(losses[:, 1].min() < 1e-6)
    (True, True)
    """
    order = torch.randperm(len(rows), generator=generator)
    n_held_out = min(share_of(training.validation_share, len(rows)), len(rows) - 1)
    held_out, learned = rows[order[:n_held_out]], rows[order[n_held_out:]]
    optimizer = _optimizer(autoencoder, training)
    losses: list[tuple[float, float]] = []
    best, best_epoch, best_weights = math.inf, 0, _copied(autoencoder)
    with single_threaded():
        for epoch in range(1, training.max_epochs + 1):
            losses.append(
                (
                    _learn_once(autoencoder, learned, training.batch_size, optimizer, generator),
                    _loss(autoencoder, held_out),
                )
            )
            _refuse_divergence(losses, training)
            if progress is not None:
                progress(epoch, training.max_epochs, *losses[-1])
            if losses[-1][1] < best * (1.0 - MIN_IMPROVEMENT):
                best, best_epoch, best_weights = losses[-1][1], epoch, _copied(autoencoder)
            elif epoch - best_epoch >= training.patience:
                break
    autoencoder.load_state_dict(best_weights)
    return np.array(losses)


def _optimizer(autoencoder: nn.Module, training: Training) -> torch.optim.Optimizer:
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            autoencoder.parameters(), lr=training.learning_rate, momentum=SGD_MOMENTUM
        )
    return torch.optim.Adam(autoencoder.parameters(), lr=training.learning_rate)


def _copied(module: nn.Module) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _learn_once(
    autoencoder: nn.Module,
    rows: torch.Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> float:
    total = 0.0
    for batch in torch.split(torch.randperm(len(rows), generator=generator), batch_size):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(autoencoder(rows[batch]), rows[batch])
        torch.autograd.backward(loss)
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(rows)


def _loss(autoencoder: nn.Module, rows: torch.Tensor) -> float:
    with torch.no_grad():
        return float(nn.functional.mse_loss(autoencoder(rows), rows))


def _refuse_divergence(losses: list[tuple[float, float]], training: Training) -> None:
    if not np.isfinite(losses[-1]).all():
        raise InvalidParameterError(
            f"training diverged in epoch {len(losses)}: learning_rate {training.learning_rate} "
            "is too large for these rows"
        )
