"""The layers of an encoder: their shapes, their first weights, and their use without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detectors.base import FloatArray
from detectors.errors import InvalidParameterError
from detectors.reducers.neural.runtime import nn, torch

Layers = list[tuple[FloatArray, FloatArray]]
"""Weight and bias of each layer: (n_out, n_in, 3, 3) of a convolution, (n_out, n_in) of a dense."""

FILTERS = (16, 8, 2)
"""Filters of the paper's convolutions."""

HIDDEN_UNITS = (64,)
"""Units of the hidden layers of a dense encoder."""

SMALL_SIDE = 4
"""Images are not halved below this: 28×28, 16×16 and 8×8 all end as 2 channels of 4×4, 32 numbers,
after 3, 2 and 1 of the paper's convolutions."""

ROWS_PER_BLOCK = 16
"""Rows encoded at once. It changes no bit, only the memory in use: 28×28 images took 134 µs a row
in blocks of 16, 457 µs in one block of 1,000 and 244 µs one by one."""


@dataclass(frozen=True)
class EncoderPlan:
    """Shape of an encoder, known before its input; see ``UntrainedAutoencoder``.

    Examples
    --------
    >>> EncoderPlan(32, (28, 28)).weight_shapes(784)
    [(16, 1, 3, 3), (8, 16, 3, 3), (2, 8, 3, 3)]
    >>> EncoderPlan(3).weight_shapes(10)
    [(64, 10), (3, 64)]
    """

    n_components: int
    image_shape: tuple[int, ...] | None = None
    hidden: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check the parameters, give images a channel and fill in the default of ``hidden``."""
        shape = () if self.image_shape is None else tuple(self.image_shape)
        hidden = _default_hidden(shape) if self.hidden is None else tuple(self.hidden)
        sizes = {"n_components": (self.n_components,), "image_shape": shape, "hidden": hidden}
        for name, values in sizes.items():
            if not all(type(value) is int and value > 0 for value in values):
                raise InvalidParameterError(f"{name} must be made of positive ints, not {values}")
        if self.image_shape is not None:
            if len(shape) not in (2, 3):
                raise InvalidParameterError(
                    f"image_shape must be (height, width) or (channels, height, width), not {shape}"
                )
            if not hidden:
                raise InvalidParameterError("hidden must name the filters of a convolution")
            object.__setattr__(self, "image_shape", (1, *shape)[-3:])
        object.__setattr__(self, "hidden", hidden)

    def sides(self) -> list[tuple[int, int]]:
        """Height and width of images before the first and after each convolution and pooling."""
        _, height, width = self.image_shape or (0, 0, 0)
        # Pooling rounds up: 7×7 becomes 4×4.
        halvings = [2**i for i in range(len(self.hidden or ()) + 1)]
        return [(-(-height // by), -(-width // by)) for by in halvings]

    def weight_shapes(self, n_features: int) -> list[tuple[int, ...]]:
        """The shape of the weights of each layer, for rows of ``n_features`` numbers."""
        hidden = self.hidden or ()
        if self.image_shape is None:
            widths = (n_features, *hidden, self.n_components)
            return list(zip(widths[1:], widths[:-1], strict=True))
        channels = (self.image_shape[0], *hidden)
        shapes: list[tuple[int, ...]] = [
            (n_out, n_in, 3, 3) for n_in, n_out in zip(channels[:-1], hidden, strict=True)
        ]
        n_pooled = hidden[-1] * math.prod(self.sides()[-1])
        return shapes if n_pooled == self.n_components else [*shapes, (self.n_components, n_pooled)]


def _default_hidden(image_shape: tuple[int, ...]) -> tuple[int, ...]:
    if not image_shape:
        return HIDDEN_UNITS
    n_halvings = math.ceil(math.log2(max(*image_shape[-2:], 2 * SMALL_SIDE) / SMALL_SIDE))
    return FILTERS[-n_halvings:]


def encoder_of(plan: EncoderPlan, n_features: int, generator: torch.Generator) -> nn.Sequential:
    """An encoder for batches of rows or of images, with Glorot's weights and zero biases."""
    modules: list[nn.Module] = []
    shapes = plan.weight_shapes(n_features)
    for i, shape in enumerate(shapes):
        if len(shape) == 4:
            # ceil_mode: 7×7 images become 4×4, as in the paper.
            pooling = nn.MaxPool2d(2, ceil_mode=True)
            modules += [_layer(shape, generator), nn.ReLU(), pooling]
        else:
            flatten = [nn.Flatten()] if plan.image_shape is not None else []
            modules += [*flatten, _layer(shape, generator)]
            modules += [nn.ReLU()] if i < len(shapes) - 1 else []
    return nn.Sequential(*modules)


def decoder_of(plan: EncoderPlan, n_features: int, generator: torch.Generator) -> nn.Sequential:
    """The mirror of :func:`encoder_of`: the last layer first, growing images by repetition."""
    modules: list[nn.Module] = []
    sides = plan.sides()
    for i, shape in reversed(list(enumerate(plan.weight_shapes(n_features)))):
        mirrored = (shape[1], shape[0], *shape[2:])
        if len(shape) == 4:
            modules += [nn.Upsample(size=sides[i]), _layer(mirrored, generator)]
        elif plan.image_shape is not None:
            pooled = (plan.hidden or ())[-1:] + sides[-1]
            modules += [_layer(mirrored, generator), nn.Unflatten(1, pooled)]
        else:
            modules += [_layer(mirrored, generator)]
        modules += [nn.ReLU()] if i else []
    return nn.Sequential(*modules)


def _layer(shape: tuple[int, ...], generator: torch.Generator) -> nn.Module:
    # Made without memory and then given some: the constructors would otherwise draw weights from
    # torch's global generator.
    layer: nn.Conv2d | nn.Linear
    if len(shape) == 4:
        layer = nn.Conv2d(shape[1], shape[0], 3, padding=1, device="meta").to_empty(device="cpu")
    else:
        layer = nn.Linear(shape[1], shape[0], device="meta").to_empty(device="cpu")
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    for parameter in layer.parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
    return layer


def layers_of(encoder: nn.Sequential) -> Layers:
    """The weights of an encoder, in double precision."""
    weights = [parameter.detach().double().numpy() for parameter in encoder.parameters()]
    return list(zip(weights[::2], weights[1::2], strict=True))


def encode(rows: FloatArray, layers: Layers, image_shape: tuple[int, ...] | None) -> FloatArray:
    """Apply an encoder to rows, shape (n, n_features): the same bits whatever rows come along.

    Parameters
    ----------
    rows : ndarray of float64, shape (n, n_features)
        Standardised.
    layers : list of (weight, bias)
        As :func:`layers_of` gives them.
    image_shape : tuple of int, optional
        (channels, height, width) where the first layer is a convolution.

    Returns
    -------
    ndarray of float64, shape (n, n_components)
        In C order.
    """
    starts = range(0, len(rows), ROWS_PER_BLOCK)
    blocks = [rows[start : start + ROWS_PER_BLOCK] for start in starts]
    return np.concatenate([_encode_block(block, layers, image_shape) for block in blocks])


def _encode_block(
    rows: FloatArray, layers: Layers, image_shape: tuple[int, ...] | None
) -> FloatArray:
    z = rows if image_shape is None else rows.reshape(-1, *image_shape)
    for i, (weight, bias) in enumerate(layers):
        if weight.ndim == 4:
            z = _pooled(np.maximum(_applied(weight, bias, _patches(z)), 0.0), z.shape[2:])
        else:
            z = _applied(weight, bias, z.reshape(len(z), -1, 1))[:, :, 0]
            z = np.maximum(z, 0.0) if i < len(layers) - 1 else z
    return z.reshape(len(z), -1)


def _applied(weight: FloatArray, bias: FloatArray, inputs: FloatArray) -> FloatArray:
    """``weight`` times each row's matrix of inputs, (n, n_in, n_places), plus ``bias``."""
    # One product per row, always of the same shape: BLAS rounds a row differently with the number
    # of rows around it, and so does torch. Of 7 small networks in torch, blocks of a fixed size
    # gave 3 other bits when rows changed places; only one row at a time is safe there, at 59 µs a
    # row for 784-64-32 and 322 µs for the paper's convolutions. These products take 11 and 134 µs.
    product: FloatArray = np.matmul(weight.reshape(len(weight), -1), inputs)
    return product + bias[:, np.newaxis]


def _patches(images: FloatArray) -> FloatArray:
    """The 3×3 surroundings of each pixel, zeros outside: (n, 9 n_channels, height * width)."""
    n, n_channels, height, width = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    patches = np.empty((n, n_channels, 9, height, width))
    for k in range(9):
        down, right = divmod(k, 3)
        patches[:, :, k] = padded[:, :, down : down + height, right : right + width]
    return patches.reshape(n, 9 * n_channels, height * width)


def _pooled(pixels: FloatArray, sides: tuple[int, ...]) -> FloatArray:
    """The largest of 2×2 pixels that are not negative; an odd last row or column stands alone."""
    height, width = sides
    images = pixels.reshape(*pixels.shape[:2], height, width)
    even = np.pad(images, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)))
    upper, lower = even[:, :, ::2], even[:, :, 1::2]
    rows = np.maximum(upper, lower)
    return np.maximum(rows[..., ::2], rows[..., 1::2])
