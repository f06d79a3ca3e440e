"""Events whose features are images, as small pictures inside the page."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Shape = tuple[int, int]
"""Rows and columns of an image."""

# From the lowest to the highest value.
_GREY = ((0, 0, 0), (255, 255, 255))
_PURPLE_TO_ORANGE = ((94, 60, 153), (247, 247, 247), (230, 97, 1))


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
    return Thumbnail(_uri(pixels.reshape(shape), *scale, _GREY), text)


def difference(pixels: Floats, shape: tuple[int, int], most: float, text: str) -> Thumbnail:
    """A difference of images: purple where the window is darker, orange where it is lighter."""
    return Thumbnail(_uri(pixels.reshape(shape), -most, most, _PURPLE_TO_ORANGE), text)


def _uri(image: Floats, low: float, high: float, colours: tuple[tuple[int, ...], ...]) -> str:
    places = np.clip((np.nan_to_num(image) - low) / ((high - low) or 1.0), 0.0, 1.0)
    at = np.linspace(0.0, 1.0, len(colours))
    channels = [np.interp(places, at, side) for side in zip(*colours, strict=True)]
    png = _png(np.rint(np.stack(channels, axis=-1)).astype(np.uint8))
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Write an image of shape (rows, columns, 3) as PNG (ISO/IEC 15948)."""
    n_rows, n_columns, _ = pixels.shape
    # Eight bits, three colours; each row begins with the filter that it uses, none.
    head = struct.pack(">IIBBBBB", n_columns, n_rows, 8, 2, 0, 0, 0)
    rows = np.insert(pixels.reshape(n_rows, -1), 0, 0, axis=1)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
