"""Simulated shifts of images for experiments: noise, image transforms and missing classes.

Images are rows of pixels. The shifts and their intensities are those of the paper; the share
of a knocked-out class is rounded up to a whole row, where the paper's code rounds up to an even
number of them.

References
----------
Rabanser, Günnemann, Lipton: Failing Loudly: An Empirical Study of Methods for Detecting Dataset
Shift, NeurIPS 2019, doi:10.48550/arXiv.1810.11953
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray
from detectors.checks import as_rows, share_of
from detectors.errors import InvalidParameterError, InvalidSampleError

Intensity = Literal["small", "medium", "large"]
V = TypeVar("V")

NOISE_SCALES: Mapping[Intensity, float] = MappingProxyType(
    {"small": 1 / 255, "medium": 10 / 255, "large": 100 / 255}
)
"""Standard deviation of the noise for pixels in [0, 1]."""


@dataclass(frozen=True)
class ImageShift:
    """How far images are moved at most; each image draws its own values uniformly within.

    Attributes
    ----------
    rotation_degrees : float
        Rotation to either side.
    translation : float
        Translation in each direction, as a share of the image's side.
    shear_degrees : float
        Shear to either side.
    zoom : float
        Each side is scaled by a factor in [1 - zoom, 1 + zoom].
    horizontal_flip, vertical_flip : bool
        Whether half of the images are mirrored.
    """

    rotation_degrees: float
    translation: float
    shear_degrees: float
    zoom: float
    horizontal_flip: bool = False
    vertical_flip: bool = False


IMAGE_SHIFTS: Mapping[Intensity, ImageShift] = MappingProxyType(
    {
        "small": ImageShift(10.0, 0.05, 0.1, 0.1),
        "medium": ImageShift(40.0, 0.2, 0.2, 0.2, horizontal_flip=True),
        "large": ImageShift(90.0, 0.4, 0.3, 0.4, horizontal_flip=True, vertical_flip=True),
    }
)


def gaussian_noise(
    x: FloatArray, intensity: Intensity, *, share: float = 1.0, rng: np.random.Generator
) -> FloatArray:
    """Add Gaussian noise to a share of the rows and clip them to [0, 1].

    Parameters
    ----------
    x : ndarray of float64, shape (n, n_features)
        Pixels in [0, 1]; not modified.
    intensity : {"small", "medium", "large"}
        Standard deviation of 1, 10 or 100 on a scale of 255.
    share : float
        Share of the rows to shift, in [0, 1], rounded up to a whole row.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float64, shape (n, n_features)

    Raises
    ------
    InvalidSampleError
        If ``x`` is not made of finite rows in [0, 1].
    InvalidParameterError
        If ``intensity`` or ``share`` lies outside its range.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> gaussian_noise([[0.5, 0.5], [0.5, 0.5]], "medium", share=0.5, rng=rng).round(3)
    array([[0.5  , 0.5  ],
           [0.495, 0.525]])
    """
    shifted = as_rows(x, "x").copy()
    if shifted.min() < 0.0 or shifted.max() > 1.0:
        raise InvalidSampleError("x must hold pixels in [0, 1]")
    scale = _at(NOISE_SCALES, intensity)
    rows = _chosen(len(shifted), share, rng)
    noise = rng.normal(scale=scale, size=(rows.size, shifted.shape[1]))
    shifted[rows] = np.clip(shifted[rows] + noise, 0.0, 1.0)
    return shifted


def image_shift(
    x: FloatArray,
    intensity: Intensity,
    *,
    image_shape: tuple[int, ...],
    share: float = 1.0,
    rng: np.random.Generator,
) -> FloatArray:
    """Rotate, translate, shear, zoom and flip a share of the images, each in its own way.

    Pixels from beyond the border take the value of the nearest pixel of the image.

    Parameters
    ----------
    x : ndarray of float64, shape (n, n_features)
        Images as rows; not modified.
    intensity : {"small", "medium", "large"}
        See :data:`IMAGE_SHIFTS`.
    image_shape : tuple of int
        (height, width) or (height, width, channels), with product ``n_features``.
    share : float
        Share of the rows to shift, in [0, 1], rounded up to a whole row.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float64, shape (n, n_features)

    Raises
    ------
    InvalidSampleError
        If ``x`` is not made of finite rows of that many pixels.
    InvalidParameterError
        If ``intensity``, ``image_shape`` or ``share`` lies outside its range.

    Examples
    --------
    >>> x = np.eye(5).reshape(1, 25)
    >>> image_shift(x, "large", image_shape=(5, 5), rng=np.random.default_rng(0)).shape
    (1, 25)
    """
    if len(image_shape) not in (2, 3) or min(image_shape) < 1:
        raise InvalidParameterError(f"image_shape must be 2 or 3 positive sizes, not {image_shape}")
    shifted = as_rows(x, "x", n_columns=math.prod(image_shape)).copy()
    limits = _at(IMAGE_SHIFTS, intensity)
    for row in _chosen(len(shifted), share, rng):
        image = shifted[row].reshape(*image_shape[:2], -1)
        shifted[row] = _moved(image, limits, rng).ravel()
    return shifted


def knock_out(
    labels: ArrayLike, knocked_out: int | str, *, share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The rows that stay when a share of one class is dropped.

    Parameters
    ----------
    labels : array_like of int or str, shape (n,)
        The class of each row.
    knocked_out : int or str
        The class to drop rows from.
    share : float
        Share of that class to drop, in [0, 1], rounded up to a whole row.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int64, shape (n_kept,)
        Indices of the kept rows, ascending.

    Raises
    ------
    InvalidSampleError
        If no row has the class ``knocked_out``.
    InvalidParameterError
        If ``share`` lies outside [0, 1].

    Examples
    --------
    >>> knock_out([0, 1, 0, 1], 0, share=1.0, rng=np.random.default_rng(0))
    array([1, 3])
    """
    of_class = np.flatnonzero(np.asarray(labels) == knocked_out)
    if of_class.size == 0:
        raise InvalidSampleError(f"no row has the class {knocked_out!r}")
    dropped = of_class[_chosen(of_class.size, share, rng)]
    return np.setdiff1d(np.arange(len(np.asarray(labels))), dropped)


def _at(table: Mapping[Intensity, V], intensity: Intensity) -> V:
    if intensity not in table:
        raise InvalidParameterError(f"intensity must be one of {', '.join(table)}, not {intensity}")
    return table[intensity]


def _chosen(n: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.choice(n, size=share_of(share, n), replace=False))


def _moved(image: FloatArray, limits: ImageShift, rng: np.random.Generator) -> FloatArray:
    """One image, shape (height, width, channels), moved at random within ``limits``."""
    matrix, translation = _affine(limits, image.shape[:2], rng)
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre + translation - matrix @ centre
    channels = [
        scipy.ndimage.affine_transform(image[..., channel], matrix, offset, order=1, mode="nearest")
        for channel in range(image.shape[2])
    ]
    moved: FloatArray = np.stack(channels, axis=-1)
    flip_vertically, flip_horizontally = rng.random(2) < 0.5
    if limits.vertical_flip and flip_vertically:
        moved = moved[::-1]
    if limits.horizontal_flip and flip_horizontally:
        moved = moved[:, ::-1]
    return moved


def _affine(
    limits: ImageShift, sides: tuple[int, ...], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """A random map from pixels of the moved image to pixels of the original, about the centre."""
    angle = math.radians(rng.uniform(-limits.rotation_degrees, limits.rotation_degrees))
    shear = math.radians(rng.uniform(-limits.shear_degrees, limits.shear_degrees))
    zoom = rng.uniform(1.0 - limits.zoom, 1.0 + limits.zoom, size=2)
    translation = rng.uniform(-limits.translation, limits.translation, size=2) * np.array(sides)
    rotated = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    sheared = np.array([[1.0, -math.sin(shear)], [0.0, math.cos(shear)]])
    return rotated @ sheared @ np.diag(zoom), rotated @ translation
