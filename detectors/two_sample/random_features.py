"""Random Fourier features and the maximum mean discrepancy estimated from them."""

from __future__ import annotations

import math

import numpy as np

from detectors.base import FloatArray
from detectors.checks import as_finite, as_rows, whole_number
from detectors.errors import InvalidParameterError
from detectors.two_sample.kernels import (
    Bandwidth,
    check_bandwidth,
    median_bandwidth,
    squared_distances,
)


def check_features(n_features: int, seed: int) -> None:
    """Raise InvalidParameterError unless ``n_features`` is even and ``seed`` in range."""
    whole_number(n_features, "n_features", at_least=2)
    if n_features % 2:
        raise InvalidParameterError(f"n_features must be even and positive, not {n_features}")
    check_seed(seed)


def check_seed(seed: int) -> int:
    """Return ``seed`` or raise InvalidParameterError unless it is an int in [0, 2**32)."""
    if whole_number(seed, "seed", at_least=0) >= 2**32:
        raise InvalidParameterError(f"seed must lie in [0, 2**32), not {seed}")
    return seed


def draw_frequencies(n_dimensions: int, n_features: int, bandwidth: float, seed: int) -> FloatArray:
    """Draw the frequencies whose mean cosine is ``exp(-d² / bandwidth)``.

    Every frequency gives two features, a cosine and a sine.

    Returns
    -------
    ndarray of float64, shape (n_features / 2, n_dimensions)
        Normal with variance ``2 / bandwidth`` per dimension.

    Examples
    --------
    >>> frequencies = draw_frequencies(3, 20_000, bandwidth=4.0, seed=0)
    >>> phases = frequencies @ np.array([1.0, 0.0, 1.0])
    >>> round(float(np.cos(phases).mean()), 2), round(math.exp(-2.0 / 4.0), 2)
    (0.6, 0.61)
    """
    normal = np.random.default_rng(seed).normal(size=(n_features // 2, n_dimensions))
    return np.asarray(normal * math.sqrt(2.0 / bandwidth))


def random_features(offsets: FloatArray, frequencies: FloatArray) -> FloatArray:
    """Cosines, then sines, of the phase of each row at each frequency.

    The squared norm of a row of features is exactly the number of frequencies.

    Parameters
    ----------
    offsets : ndarray of float64, shape (n, n_dimensions)
        Rows relative to any fixed point; near the rows, rounding of the phases is least.
    frequencies : ndarray of float64, shape (n_features / 2, n_dimensions)

    Returns
    -------
    ndarray of float64, shape (n, n_features)

    Raises
    ------
    NonFiniteError
        If a phase overflows.

    Examples
    --------
    >>> random_features(np.array([[0.0], [np.pi]]), np.array([[1.0]])).round(3) + 0.0
    array([[ 1.,  0.],
           [-1.,  0.]])
    """
    with np.errstate(over="ignore", invalid="ignore"):
        phases = as_finite(offsets @ frequencies.T, "the phases")
    return np.concatenate([np.cos(phases), np.sin(phases)], axis=1)


def rff_mmd2(
    x_ref: FloatArray,
    x_test: FloatArray,
    *,
    bandwidth: Bandwidth = "median",
    n_features: int = 256,
    seed: int = 0,
) -> float:
    """Unbiased MMD² with the kernel of ``MMDTest``, from random features.

    Kernel values of different rows are replaced by products of their features, so that the mean
    over seeds is the exact MMD². The standard error over seeds is at most
    ``(sqrt(8 V) + 1 / (n_ref - 1) + 1 / (n_test - 1)) / sqrt(n_features)``, where ``V`` is the
    exact MMD² with the pairs of a row and itself included; a larger shift has a larger error.

    Parameters
    ----------
    x_ref : ndarray of float64, shape (n_ref, n_dimensions)
        At least two rows.
    x_test : ndarray of float64, shape (n_test, n_dimensions)
        At least two rows.
    bandwidth : float or "median"
        Positive, in the unit of squared distances; "median" is that of pairs of reference rows.
    n_features : int
        Even and positive; the cost grows with it as with the number of rows.
    seed : int
        At least 0; an equal seed gives an equal result.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.
    InvalidSampleError
        If a sample is not made of at least two finite rows, or phases overflow.

    References
    ----------
    Rahimi, Recht: Random Features for Large-Scale Kernel Machines, NeurIPS 2007

    Sutherland, Schneider: On the Error of Random Fourier Features, UAI 2015,
    doi:10.48550/arXiv.1506.02785

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x_ref, x_test = rng.normal(size=(200, 3)), rng.normal(loc=1.0, size=(100, 3))
    >>> round(rff_mmd2(x_ref, x_test, bandwidth=4.0), 2)
    0.24
    """
    check_features(n_features, seed)
    reference = as_rows(x_ref, "x_ref", min_rows=2)
    rows = as_rows(x_test, "x_test", min_rows=2, n_columns=reference.shape[1])
    width = used_bandwidth(reference, check_bandwidth(bandwidth))
    frequencies = draw_frequencies(reference.shape[1], n_features, width, seed)
    centre = mean_row(reference)
    mean_ref = random_features(reference - centre, frequencies).mean(axis=0)
    mean_test = random_features(rows - centre, frequencies).mean(axis=0)
    between = float(mean_ref.dot(mean_test)) / len(frequencies)
    return within(mean_ref, len(reference)) + within(mean_test, len(rows)) - 2.0 * between


def used_bandwidth(x_ref: FloatArray, bandwidth: Bandwidth) -> float:
    """``bandwidth``, or the median over pairs of reference rows."""
    if bandwidth == "median":
        return median_bandwidth(squared_distances(x_ref))
    return bandwidth


def within(mean: FloatArray, n: int) -> float:
    """Mean product of the features of two different rows, from the mean of the features."""
    squared_norm = float(mean.dot(mean)) / (len(mean) // 2)
    return (n * squared_norm - 1.0) / (n - 1)


def mean_row(rows: FloatArray) -> FloatArray:
    """The mean of ``rows``, exact where they are equal and without overflow where they are near."""
    return np.asarray(rows[0] + (rows - rows[0]).mean(axis=0))
