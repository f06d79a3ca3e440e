"""Corrections of p-values for the number of dimensions tested at once.

Every correction maps the vector of p-values to the vector of adjusted p-values, so that a dimension
is rejected at ``level`` where its adjusted p-value is at most ``level``; the smallest adjusted
p-value is the p-value of the whole vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np

from detectors.base import FloatArray


class Correction(Protocol):
    """Signature of every correction."""

    def __call__(self, p_values: FloatArray, n_dimensions: int | None = None) -> FloatArray:
        """Adjust ``p_values``, the smallest of ``n_dimensions``."""
        ...


def bonferroni(p_values: FloatArray, n_dimensions: int | None = None) -> FloatArray:
    """Bonferroni's correction, valid under any dependence between the dimensions.

    Parameters
    ----------
    p_values : ndarray of float64
        Uncorrected p-values.
    n_dimensions : int, optional
        How many dimensions were tested; ``p_values.size`` where not given.

    Returns
    -------
    ndarray of float64, same shape
        ``p_values`` times ``n_dimensions``, at most 1.

    References
    ----------
    Dunn: Multiple Comparisons among Means, JASA 1961, doi:10.1080/01621459.1961.10482090

    Examples
    --------
    >>> bonferroni(np.array([0.01, 0.4, 0.8]))
    array([0.03, 1.  , 1.  ])
    """
    return np.minimum(1.0, p_values * (n_dimensions or p_values.size))


def holm(p_values: FloatArray, n_dimensions: int | None = None) -> FloatArray:
    """Holm's step-down correction: as valid as Bonferroni's and never larger.

    Its smallest adjusted p-value is that of Bonferroni: whether anything moved is judged the same,
    but more dimensions are named.

    Parameters
    ----------
    p_values : ndarray of float64, shape (k,)
        Uncorrected p-values.
    n_dimensions : int, optional
        How many dimensions were tested, at least k, the others having no smaller p-values; k where
        not given.

    Returns
    -------
    ndarray of float64, shape (k,)

    References
    ----------
    Holm: A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
    Statistics 1979, https://www.jstor.org/stable/4615733

    Examples
    --------
    >>> holm(np.array([0.01, 0.4, 0.03]))
    array([0.03, 0.4 , 0.06])
    """
    order = np.argsort(p_values, kind="stable")
    n_left = (n_dimensions or p_values.size) - np.arange(p_values.size)
    adjusted = np.empty(p_values.shape)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, p_values[order] * n_left))
    return adjusted


def benjamini_hochberg(p_values: FloatArray, n_dimensions: int | None = None) -> FloatArray:
    """Benjamini and Hochberg's step-up correction: bounds the share of false discoveries.

    Where no dimension moved, the smallest adjusted p-value is at most ``level`` with probability
    ``level`` at most, as with Bonferroni. That, and the share of false discoveries, need dimensions
    that are independent or positively dependent.

    Parameters
    ----------
    p_values : ndarray of float64, shape (k,)
        Uncorrected p-values.
    n_dimensions : int, optional
        How many dimensions were tested, at least k, the others having p-values of 1; k where not
        given.

    Returns
    -------
    ndarray of float64, shape (k,)

    References
    ----------
    Benjamini, Hochberg: Controlling the False Discovery Rate, JRSS B 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.4, 0.03]))
    array([0.03 , 0.4  , 0.045])
    """
    order = np.argsort(p_values, kind="stable")[::-1]
    rank = np.arange(p_values.size, 0, -1)
    # The factor first: rounded, it never exceeds that of Holm, so that neither does the product.
    factors = (n_dimensions or p_values.size) / rank
    adjusted = np.empty(p_values.shape)
    adjusted[order] = np.minimum.accumulate(np.minimum(1.0, p_values[order] * factors))
    return adjusted


CORRECTIONS: Mapping[str, Correction] = MappingProxyType(
    {"bonferroni": bonferroni, "holm": holm, "benjamini_hochberg": benjamini_hochberg}
)
"""The corrections by the names that configurations call them by."""
