"""The two-sample Kolmogorov–Smirnov distance of every dimension, exact with any ties.

Distances are integers, ``D * n_ref * n_test``, so that no rounding can decide a comparison.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray

KNOT_SPACING = 4
"""Test values between two knots. At 1,000 rows each and 32 dimensions without a shift, looking at
every value takes 2.4 ms; 4 takes 0.9 ms, 8 takes 1.0 ms and 16 takes 1.4 ms."""


def largest_gaps(ref: FloatArray, test: FloatArray) -> IntArray:
    """``D * n_ref * n_test`` of each dimension.

    Between two neighbouring test values only the reference's distribution function moves, and it
    only rises, so D is reached either at a test value or just below one. Both distribution
    functions rise, so their values at two knots bound the gap everywhere between them: only values
    between knots that may still exceed the largest gap at a knot are looked at.

    Parameters
    ----------
    ref, test : ndarray of float64, shapes (n_dimensions, n_ref) and (n_dimensions, n_test)
        Each column of a sample as one sorted row, without NaN; infinity is a value like others.

    Returns
    -------
    ndarray of int64, shape (n_dimensions,)

    Examples
    --------
    >>> largest_gaps(np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 9.0, 9.0]]))
    array([6])
    """
    n_ref, n_test = ref.shape[1], test.shape[1]
    knots = np.arange(KNOT_SPACING - 1, n_test + KNOT_SPACING - 1, KNOT_SPACING).clip(
        max=n_test - 1
    )
    # Before the first value both functions are 0.
    ref_at = np.zeros((len(test), knots.size + 1), dtype=np.int64)
    for dimension, values in enumerate(test[:, knots]):
        ref_at[dimension, 1:] = ref[dimension].searchsorted(values, "right")
    ref_at *= n_test
    test_at = np.concatenate([[0], (knots + 1) * n_ref])
    reached = np.abs(ref_at - test_at)[:, 1:] * _is_last(test, knots)
    gaps = reached.max(axis=1)
    highest = np.maximum(ref_at[:, 1:] - test_at[:-1], test_at[1:] - ref_at[:, :-1])
    dimensions, intervals = np.nonzero(highest > gaps[:, np.newaxis])
    starts = test_at[:-1] // n_ref
    positions = (starts[intervals, np.newaxis] + np.arange(KNOT_SPACING)).clip(max=n_test - 1)
    np.maximum.at(gaps, dimensions, _gaps_between(ref, test, dimensions, positions))
    return np.asarray(gaps)


def _is_last(test: FloatArray, positions: IntArray) -> NDArray[np.bool_]:
    """Mark the last position of each run of equal values, for every dimension."""
    n_test = test.shape[1]
    following = test[:, (positions + 1).clip(max=n_test - 1)]
    return np.asarray((positions == n_test - 1) | (test[:, positions] != following))


def _gaps_between(
    ref: FloatArray, test: FloatArray, dimensions: IntArray, positions: IntArray
) -> IntArray:
    """The largest gap at or just below the test values at ``positions``, one for each row of them.

    Of a run of equal values the last is where both functions have jumped, and the first is where
    neither has.
    """
    n_ref, n_test = ref.shape[1], test.shape[1]
    rows = dimensions[:, np.newaxis]
    values = test[rows, positions]
    at, below = np.empty_like(positions), np.empty_like(positions)
    ends = np.searchsorted(dimensions, np.arange(len(ref) + 1))
    for dimension, (start, end) in enumerate(pairwise(ends.tolist())):
        if start < end:
            at[start:end] = ref[dimension].searchsorted(values[start:end], "right")
            below[start:end] = ref[dimension].searchsorted(values[start:end], "left")
    last = (positions == n_test - 1) | (test[rows, (positions + 1) % n_test] != values)
    first = (positions == 0) | (test[rows, positions - 1] != values)
    gaps_at = np.abs(at * n_test - (positions + 1) * n_ref) * last
    gaps_below = np.abs(below * n_test - positions * n_ref) * first
    return np.asarray(np.maximum(gaps_at, gaps_below).max(axis=1, initial=0))
