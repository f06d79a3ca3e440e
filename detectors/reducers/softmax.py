"""Black-box shift detection: softmax outputs as they are, and the classes that they predict."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray
from detectors.errors import InvalidSampleError
from detectors.reducers.none import NoReduction

SOFTMAX_SUM_TOLERANCE = 1e-3
"""How far a row of softmax outputs may sum from 1: room for half precision and printed digits."""

SOFTMAX_VALUE_TOLERANCE = 1e-6
"""How far one softmax output may leave [0, 1]: room for the rounding of single precision."""

# Sums of outputs with three decimals lie at 0.999 and 1.001: the last bit must not decide.
_SUM_IS_ONE = SOFTMAX_SUM_TOLERANCE + SOFTMAX_VALUE_TOLERANCE
_DECIMALS = range(2, 7)


def is_distribution(x: FloatArray) -> NDArray[np.bool_]:
    """Say which rows are softmax outputs, up to rounding.

    A row sums to 1 within 0.001, or within what rounding explains: logs hold outputs with few
    decimals, each of which is then off by at most half a unit of the last place, so the sum of k
    outputs with d decimals is off by at most k · 0.5 · 10^-d. The decimals are those of the row
    itself, from 2 to 6: with one, [0.5, 0.4] would be outputs. Sums outside [0.5, 1.5] are refused
    whatever the number of classes: of what is left of such a row, rounding made most.

    Parameters
    ----------
    x : ndarray of float64, shape (n, n_classes)

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> is_distribution(np.array([[0.25, 0.75], [0.5, 0.75], [-0.5, 1.5]]))
    array([ True, False, False])
    >>> is_distribution(np.array([[0.12, 0.34, 0.55], [0.12, 0.34, 0.56]]))
    array([ True, False])
    """
    lowest, highest = -SOFTMAX_VALUE_TOLERANCE, 1.0 + SOFTMAX_VALUE_TOLERANCE
    # Of all values at once that takes a fifth of the time that it takes row by row.
    if x.size and lowest <= x.min() and x.max() <= highest:
        usable = np.ones(len(x), dtype=np.bool_)
    else:
        usable = ((x >= lowest) & (x <= highest)).all(axis=1)
    off = _off_one(x)
    usable &= off <= 0.5
    # Most often no row is left to be looked at again.
    rows = np.flatnonzero(usable & (off > _SUM_IS_ONE))
    if len(rows):
        usable[rows] = off[rows] <= _rounding(x[rows]) + SOFTMAX_VALUE_TOLERANCE
    return usable


def are_normalised(x: FloatArray) -> bool:
    """Tell whether all rows are softmax outputs that sum to 1 within 0.001, as most are.

    Of such rows :func:`is_distribution` holds and :func:`normalised` changes none; to ask this
    first takes a third of the time of both.

    Parameters
    ----------
    x : ndarray of float64, shape (n, n_classes)

    Examples
    --------
    >>> are_normalised(np.array([[0.25, 0.75]])), are_normalised(np.array([[0.49, 0.5]]))
    (True, False)
    """
    if not x.size:
        return True
    lowest, highest = np.minimum.reduce(x, axis=None), np.maximum.reduce(x, axis=None)
    if not (lowest >= -SOFTMAX_VALUE_TOLERANCE and highest <= 1.0 + SOFTMAX_VALUE_TOLERANCE):
        return False
    return bool(np.maximum.reduce(_off_one(x)) <= _SUM_IS_ONE)


def normalised(x: FloatArray) -> FloatArray:
    """Return usable rows of softmax outputs so that each sums to 1 within 0.001.

    Rows that do already are left as they are, to the last bit; all others are divided by their sum.

    Parameters
    ----------
    x : ndarray of float64, shape (n, n_classes)
        Rows for which :func:`is_distribution` holds.

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
        ``x`` itself where no row had to be divided.

    Examples
    --------
    >>> normalised(np.array([[0.25, 0.75], [0.49, 0.5]])).sum(axis=1)
    array([1., 1.])
    """
    rows = np.flatnonzero(_off_one(x) > _SUM_IS_ONE)
    if not len(rows):
        return x
    x = x.copy()
    x[rows] /= x[rows].sum(axis=1, keepdims=True)
    return x


def _off_one(x: FloatArray) -> FloatArray:
    """Return how far each row sums from 1."""
    # A fifth of the time of ``x.sum(axis=1)``, which begins anew for each row.
    return np.asarray(np.abs(np.einsum("ij->i", x) - 1.0))


def _rounding(x: FloatArray) -> FloatArray:
    """Return how far rounding may have moved the sum of each row; 0 without an end of decimals."""
    moved = np.zeros(len(x))
    for decimals in reversed(_DECIMALS):
        # Single precision holds a value up to 1 to 6e-8.
        are_rounded = (np.abs(x - x.round(decimals)) <= 1e-7).all(axis=1)
        moved[are_rounded] = x.shape[1] * 0.5 * 10.0**-decimals
    return moved


class SoftmaxOutputs(NoReduction):
    """Black-box shift detection, soft: rows are already softmax outputs of the label classifier.

    The map itself is the monitored model; this class checks that rows are what they should be and
    hands them through. Rows that rounding has moved from a sum of 1 are divided by their sum, see
    :func:`is_distribution`.

    References
    ----------
    Lipton, Wang, Smola: Detecting and Correcting for Label Shift with Black Box Predictors, ICML
    2018, doi:10.48550/arXiv.1802.03916

    Examples
    --------
    >>> SoftmaxOutputs().fit([[0.25, 0.75]]).transform([[0.5, 0.5]])
    array([[0.5, 0.5]])
    """

    kind: ClassVar[str] = "softmax_outputs"
    allows_missing: ClassVar[bool] = False

    def _checked(self, x: FloatArray, name: str, n_columns: int | None) -> FloatArray:
        rows = super()._checked(x, name, n_columns)
        if rows.shape[1] < 2:
            raise InvalidSampleError(f"{name} must have an output for each of at least 2 classes")
        if are_normalised(rows):
            return rows
        usable = is_distribution(rows)
        if not usable.all():
            row = int((~usable).argmax())
            raise InvalidSampleError(
                f"{name} must lie in [0, 1] and sum to 1 in each row as softmax outputs do, row "
                f"{row} lies in [{rows[row].min():.4g}, {rows[row].max():.4g}] and sums to "
                f"{rows[row].sum():.6g}"
            )
        return normalised(rows)


class HardPredictions(SoftmaxOutputs):
    """Black-box shift detection, hard: softmax outputs become the class that they predict.

    The predicted class is the index of the largest output, the lowest such index where outputs tie.
    It is a category:
    :class:`~detectors.two_sample.chi_square.chi_square.ChiSquareTest` compares it.

    References
    ----------
    Lipton, Wang, Smola: Detecting and Correcting for Label Shift with Black Box Predictors, ICML
    2018, doi:10.48550/arXiv.1802.03916

    Examples
    --------
    >>> HardPredictions().fit([[0.25, 0.75]]).transform([[0.2, 0.8], [0.5, 0.5]])
    array([[1.],
           [0.]])
    """

    kind: ClassVar[str] = "hard_predictions"

    def transform(self, x: FloatArray) -> FloatArray:
        """The predicted class of each row of ``x``, shape (n, n_classes), as shape (n, 1).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` is not made of softmax outputs as wide as the reference.
        """
        predicted = super().transform(x).argmax(axis=1, keepdims=True)
        return np.asarray(predicted, dtype=np.float64)
