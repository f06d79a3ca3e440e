"""Distances and kernels on pairs of rows.

Pairs are held in condensed form, each pair of different rows once, in the order of
:func:`scipy.spatial.distance.pdist`.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from detectors.base import FloatArray
from detectors.errors import NonFiniteError


def squared_distances(x: FloatArray) -> FloatArray:
    """Squared Euclidean distances of all pairs of different rows.

    Differences are squared and added, never expanded to ``|a|² - 2ab + |b|²``, which loses all
    digits far from the origin and does not give exactly 0 for equal rows.

    Parameters
    ----------
    x : ndarray of float64, shape (n, n_dimensions)

    Returns
    -------
    ndarray of float64, shape (n * (n - 1) / 2,)

    Raises
    ------
    NonFiniteError
        If a squared distance overflows, from differences of about 1e154 on.

    Examples
    --------
    >>> squared_distances(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    array([25.,  1., 18.])
    """
    distances = np.asarray(pdist(x, "sqeuclidean"), dtype=np.float64)
    if not np.isfinite(distances).all():
        raise NonFiniteError("rows are so far apart that their squared distance overflows")
    return distances


def median_bandwidth(distances: FloatArray) -> float:
    """The median heuristic on squared distances of different rows.

    Where more than half of the pairs are equal rows the median is 0 and the mean takes its place;
    where all rows are equal it is 1, which no longer matters since every kernel value is 1.

    Parameters
    ----------
    distances : ndarray of float64, shape (n_pairs,)
        Squared distances.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf, Smola: A Kernel Two-Sample Test, JMLR 13, 2012

    Examples
    --------
    >>> median_bandwidth(np.array([1.0, 2.0, 9.0])), median_bandwidth(np.array([0.0, 0.0, 3.0]))
    (2.0, 1.0)
    """
    for heuristic in (np.median, np.mean):
        bandwidth = float(heuristic(distances))
        if bandwidth > 0.0:
            return bandwidth
    return 1.0


def gaussian_kernel(distances: FloatArray, bandwidth: float) -> FloatArray:
    """``exp(-distances / bandwidth)`` for squared distances.

    Parameters
    ----------
    distances : ndarray of float64
        Squared distances.
    bandwidth : float
        Positive, in the unit of the squared distances.

    Examples
    --------
    >>> gaussian_kernel(np.array([0.0, 2.0]), bandwidth=2.0).round(3)
    array([1.   , 0.368])
    """
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.exp(-distances / bandwidth))
