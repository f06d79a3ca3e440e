"""The Kolmogorov-Smirnov distance of two samples that are counted in the same cells.

Distances are integers, ``D * n_ref * n_test``, so that no rounding can decide a comparison.
"""

from __future__ import annotations

import numpy as np

from detectors.base import FloatArray, IntArray
from detectors.two_sample.counts.cells import Cut, Rule


def ks_cut(column: FloatArray, n_cells: int | None) -> Cut:
    """Cut a column of the reference on and between its values, or at ``n_cells`` of its quantiles.

    With quantiles every value that more than ``1 / n_cells`` of the observed rows have is an edge,
    and no open interval holds as many.

    Parameters
    ----------
    column : ndarray of float64, shape (n_ref,)
        NaN where a value is missing.
    n_cells : int or None
        The most edges; None for one at each value.

    Examples
    --------
    >>> ks_cut(np.array([3.0, 1.0, 1.0, 2.0, np.nan]), None).edges
    array([1., 2., 3.])
    >>> ks_cut(np.arange(100.0), 4).edges
    array([24., 49., 74., 99.])
    """
    observed = column[~np.isnan(column)]
    edges = np.unique(observed)
    if n_cells is not None and edges.size > n_cells:
        # "inverted_cdf" does not interpolate: the edges are values, and do not overflow.
        shares = np.arange(1, n_cells + 1) / n_cells
        edges = np.unique(np.quantile(observed, shares, method="inverted_cdf"))
    return Cut(Rule.ON_AND_BETWEEN, edges)


def largest_gaps_in_cells(
    ref_up_to: IntArray, test_up_to: IntArray, n_ref: int, n_test: int, starts: IntArray
) -> IntArray:
    """``D * n_ref * n_test`` of each dimension, at the edges of its cells.

    Between two values of the reference only the other sample's distribution function moves, and it
    only rises. Where each of them is an edge, D is reached at one or just below one.

    Parameters
    ----------
    ref_up_to, test_up_to : ndarray of int64, shape (n_cells,)
        Running sums of the counts of each sample, through all dimensions.
    n_ref, n_test : int
        Rows of each sample; their product below 9.2e18.
    starts : ndarray of int64, shape (n_dimensions,)
        The first cell of each dimension.

    Examples
    --------
    >>> ref, test = np.cumsum([0, 1, 0, 1, 0, 1, 0, 0]), np.cumsum([0, 0, 0, 1, 0, 0, 2, 0])
    >>> largest_gaps_in_cells(ref, test, 3, 3, np.array([0]))
    array([6])
    """
    # Products of running sums over all dimensions may go round 2**64, and so does what each
    # dimension has behind it on both sides; the differences, at most n_ref * n_test, are exact.
    gaps = test_up_to * np.int64(n_ref)
    gaps -= ref_up_to * np.int64(n_test)
    highest = np.maximum.reduceat(gaps, starts)
    return np.maximum(highest, -np.minimum.reduceat(gaps, starts))
