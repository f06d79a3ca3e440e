"""Autoencoders as reducers: torch draws and trains their weights, NumPy applies the encoder.

References
----------
Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953
"""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_finite, as_rows, fitted, state_array
from detectors.errors import InvalidParameterError, InvalidStateError, ShapeError
from detectors.reducers.neural.encoders import (
    EncoderPlan,
    Layers,
    decoder_of,
    encode,
    encoder_of,
    layers_of,
)
from detectors.reducers.neural.runtime import torch
from detectors.reducers.neural.training import OPTIMIZERS, Progress, Training, train_autoencoder


class UntrainedAutoencoder:
    """An encoder with random weights and zero biases: a random, non-linear projection.

    Of the reference it learns only the standardisation of its input: mean and standard deviation of
    each column, or of each channel of images. A constant column keeps its scale.

    Parameters
    ----------
    n_components : int
        Outputs of the encoder; the paper reduces everything to 32.
    image_shape : tuple of int, optional
        (height, width) or (channels, height, width) of the images that the rows hold, in C order.
        The encoder is then convolutional: filters of 3×3, ReLU and 2×2 maximum pooling, and a
        linear layer only where the pooled images do not already hold ``n_components`` numbers.
        Without it the encoder is dense, with ReLU between its layers.
    hidden : tuple of int, optional
        Filters of each convolution, or units of each hidden dense layer. By default the paper's 16,
        8 and 2 filters, of which images that are small already leave out the first ones, or 64
        units.
    seed : int
        Of the weights, which torch draws from a generator of their own.

    Raises
    ------
    InvalidParameterError
        If a parameter is outside its range.

    Examples
    --------
    >>> images = np.random.default_rng(1).random((20, 784))
    >>> UntrainedAutoencoder(image_shape=(28, 28)).fit(images).transform(images).shape
    (20, 32)
    """

    kind: ClassVar[str] = "untrained_autoencoder"
    min_rows: ClassVar[int] = 2

    def __init__(
        self,
        n_components: int = 32,
        *,
        image_shape: tuple[int, ...] | None = None,
        hidden: tuple[int, ...] | None = None,
        seed: int = 0,
    ) -> None:
        self._plan = EncoderPlan(n_components, image_shape, hidden)
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise InvalidParameterError(f"seed must be an int in [0, 2**63), not {seed!r}")
        self._seed = seed
        self._mean: FloatArray | None = None
        self._scale: FloatArray | None = None
        self._layers: Layers | None = None

    def fit(self, x_ref: FloatArray) -> Self:
        """Standardise by ``x_ref``, shape (n_ref, n_features), and find the weights.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least two finite rows, of as many columns as
            ``image_shape`` has numbers.
        """
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows)
        shape = self._plan.image_shape
        if shape is not None and rows.shape[1] != math.prod(shape):
            raise ShapeError(f"x_ref must have {math.prod(shape)} columns, not {rows.shape[1]}")
        with np.errstate(over="ignore", invalid="ignore"):
            mean, scale = _moments(rows, 1 if shape is None else rows.shape[1] // shape[0])
            standardised = as_finite((rows - mean) / scale, "standardised x_ref")
        self._layers = self._learned(standardised)
        self._mean, self._scale = mean, scale
        return self

    def _learned(self, standardised: FloatArray) -> Layers:
        generator = torch.Generator().manual_seed(self._seed)
        return layers_of(encoder_of(self._plan, standardised.shape[1], generator))

    def transform(self, x: FloatArray) -> FloatArray:
        """Encode ``x``, shape (n, n_features), to shape (n, n_components).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of at least one finite row as wide as the reference.
        """
        mean, scale = fitted(self._mean, self), fitted(self._scale, self)
        layers = fitted(self._layers, self)
        rows = as_rows(x, "x", n_columns=mean.size)
        with np.errstate(over="ignore", invalid="ignore"):
            reduced = encode((rows - mean) / scale, layers, self._plan.image_shape)
        return as_finite(reduced, "encoded x")

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Standardisation, weights and parameters."""
        arrays: dict[str, NDArray[np.generic]] = {
            "mean": fitted(self._mean, self).copy(),
            "scale": fitted(self._scale, self).copy(),
            "n_components": np.array(self._plan.n_components),
            "seed": np.array(self._seed),
        }
        if self._plan.image_shape is not None:
            arrays["image_shape"] = np.array(self._plan.image_shape)
        for i, (weight, bias) in enumerate(fitted(self._layers, self)):
            # What torch has drawn or trained has single precision: no digit is lost.
            arrays[f"weight_{i}"] = weight.astype(np.float32)
            arrays[f"bias_{i}"] = bias.astype(np.float32)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a reducer whose ``transform`` gives equal results.

        Raises
        ------
        InvalidStateError
            If an array is missing or the arrays do not fit each other.
        """
        mean = state_array(arrays, "mean", ndim=1).astype(np.float64)
        scale = state_array(arrays, "scale", ndim=1).astype(np.float64)
        if scale.shape != mean.shape or not (scale > 0.0).all():
            raise InvalidStateError("stored array 'scale' does not fit 'mean' or is not positive")
        layers = _stored_layers(arrays)
        try:
            reducer = cls._from_parameters(arrays, layers)
        except InvalidParameterError as error:
            raise InvalidStateError(f"stored parameters: {error}") from error
        shape = reducer._plan.image_shape
        if shape is not None and math.prod(shape) != mean.size:
            raise InvalidStateError("stored arrays 'mean' and 'image_shape' have other widths")
        if [w.shape for w, _ in layers] != reducer._plan.weight_shapes(mean.size):
            raise InvalidStateError("stored weights do not have the shapes of this encoder")
        reducer._mean, reducer._scale, reducer._layers = mean, scale, layers
        return reducer

    @classmethod
    def _from_parameters(cls, arrays: StateArrays, layers: Layers) -> Self:
        image_shape = None
        if "image_shape" in arrays:
            image_shape = tuple(state_array(arrays, "image_shape", ndim=1, kind="i").tolist())
        # The last dense layer leads to the components; what comes before is hidden.
        hidden = [w.shape[0] for w, _ in layers if w.ndim == 4 or image_shape is None]
        return cls(
            state_array(arrays, "n_components", ndim=0, kind="i").item(),
            image_shape=image_shape,
            hidden=tuple(hidden if image_shape is not None else hidden[:-1]),
            seed=state_array(arrays, "seed", ndim=0, kind="i").item(),
        )


def _moments(rows: FloatArray, n_together: int) -> tuple[FloatArray, FloatArray]:
    """Mean and scale of each column, shared by ``n_together`` neighbouring columns at a time."""
    cells = rows.reshape(len(rows), -1, n_together)
    # The mean of n equal numbers may be off by a rounding error, which looks like variance.
    constant = cells.min(axis=(0, 2)) == cells.max(axis=(0, 2))
    mean = np.where(constant, cells[0, :, 0], cells.mean(axis=(0, 2)))
    deviation = cells.std(axis=(0, 2))
    scale = np.where(constant | (deviation == 0.0), 1.0, deviation)
    return np.repeat(mean, n_together), np.repeat(scale, n_together)


def _stored_layers(arrays: StateArrays) -> Layers:
    layers: Layers = []
    while f"weight_{len(layers)}" in arrays or not layers:
        i = len(layers)
        stored = arrays.get(f"weight_{i}")
        ndim = 4 if stored is not None and stored.ndim == 4 else 2
        weight = state_array(arrays, f"weight_{i}", ndim=ndim).astype(np.float64)
        bias = state_array(arrays, f"bias_{i}", ndim=1).astype(np.float64)
        if bias.size != len(weight):
            raise InvalidStateError(f"stored array 'bias_{i}' does not fit its weights")
        layers.append((weight, bias))
    return layers


class TrainedAutoencoder(UntrainedAutoencoder):
    """The encoder of an autoencoder that was trained to reproduce the reference.

    The decoder mirrors the encoder and is dropped after training. The loss is the squared error of
    the standardised input. The reference should not hold the rows that are tested later.

    Parameters
    ----------
    n_components, image_shape, hidden, seed
        As for :class:`UntrainedAutoencoder`, whose weights training starts from. The seed also
        draws the held-out rows and the order of the others, so that equal seeds give equal weights.
    training : Training
        Optimizer, step size, and when to stop.
    progress : callable, optional
        Called as ``progress(epoch, max_epochs, training_loss, validation_loss)`` after each epoch.
        It is not part of the stored state.

    Raises
    ------
    InvalidParameterError
        If a parameter is outside its range; from ``fit``, if the training diverges.

    Examples
    --------
    >>> x_ref = np.random.default_rng(1).normal(size=(200, 1)) * [1.0, 2.0, 3.0]
    >>> reducer = TrainedAutoencoder(1, hidden=(8,), training=Training(max_epochs=3)).fit(x_ref)
    >>> reducer.transform(x_ref).shape, reducer.losses.shape
    ((200, 1), (3, 2))
    """

    kind: ClassVar[str] = "trained_autoencoder"

    def __init__(
        self,
        n_components: int = 32,
        *,
        image_shape: tuple[int, ...] | None = None,
        hidden: tuple[int, ...] | None = None,
        seed: int = 0,
        training: Training | None = None,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(n_components, image_shape=image_shape, hidden=hidden, seed=seed)
        self._training = Training() if training is None else training
        self._progress = progress
        self._losses: FloatArray | None = None

    @property
    def losses(self) -> FloatArray:
        """Training and validation loss of each epoch, shape (n_epochs, 2)."""
        return fitted(self._losses, self).copy()

    def _learned(self, standardised: FloatArray) -> Layers:
        generator = torch.Generator().manual_seed(self._seed)
        shape = self._plan.image_shape
        encoder = encoder_of(self._plan, standardised.shape[1], generator)
        decoder = decoder_of(self._plan, standardised.shape[1], generator)
        rows = torch.from_numpy(standardised.astype(np.float32))
        self._losses = train_autoencoder(
            torch.nn.Sequential(encoder, decoder),
            rows if shape is None else rows.reshape(-1, *shape),
            self._training,
            generator=generator,
            progress=self._progress,
        )
        return layers_of(encoder)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Standardisation, weights, parameters and the record of losses."""
        settings = asdict(self._training)
        settings["optimizer"] = OPTIMIZERS.index(self._training.optimizer)
        stored = {name: np.array(value) for name, value in settings.items()}
        return {**super().to_arrays(), **stored, "losses": self.losses}

    @classmethod
    def _from_parameters(cls, arrays: StateArrays, layers: Layers) -> Self:
        reducer = super()._from_parameters(arrays, layers)
        settings = {
            field.name: state_array(arrays, field.name, ndim=0, kind="fi").item()
            for field in fields(Training)
        }
        # A number that stands for no optimizer is refused as the name that it is not.
        optimizer = dict(enumerate(OPTIMIZERS)).get(settings["optimizer"], "unknown")
        reducer._training = Training(**{**settings, "optimizer": optimizer})
        losses = state_array(arrays, "losses", ndim=2).astype(np.float64)
        if losses.shape[1] != 2:
            raise InvalidStateError("stored array 'losses' must have 2 columns")
        reducer._losses = losses
        return reducer
