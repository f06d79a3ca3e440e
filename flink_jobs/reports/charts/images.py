"""Events whose features are images, as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Shape = tuple[int, int]
"""Rows and columns of an image."""


class Thumbnail(NamedTuple):
    """A picture as a data URI, and what it shows."""

    uri: str
    text: str


def image_scale(x: Floats) -> tuple[float, float]:
    """Darkest and lightest value, common to all pictures of a comparison."""
    finite = x[np.isfinite(x)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def thumbnail(
    pixels: Floats, shape: tuple[int, int], scale: tuple[float, float], text: str
) -> Thumbnail:
    """One image in grey, light on dark."""
    return Thumbnail(_png(pixels.reshape(shape), *scale, "gray"), text)


def difference(pixels: Floats, shape: tuple[int, int], most: float, text: str) -> Thumbnail:
    """A difference of images: blue where the window is darker, orange where it is lighter."""
    return Thumbnail(_png(pixels.reshape(shape), -most, most, "PuOr_r"), text)


def _png(image: Floats, low: float, high: float, colours: str) -> str:
    buffer = io.BytesIO()
    imsave(buffer, np.nan_to_num(image), vmin=low, vmax=high or 1.0, cmap=colours, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
