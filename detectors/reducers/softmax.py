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


def is_distribution(x: FloatArray) -> NDArray[np.bool_]:
    """Which rows of ``x``, shape (n, n_classes), are softmax outputs, up to rounding; shape (n,).

    Examples
    --------
    >>> is_distribution(np.array([[0.25, 0.75], [0.5, 0.75], [-0.5, 1.5]]))
    array([ True, False, False])
    """
    lowest, highest = -SOFTMAX_VALUE_TOLERANCE, 1.0 + SOFTMAX_VALUE_TOLERANCE
    # A fifth of the time of ``x.sum(axis=1)``, which begins anew for each row.
    sums = np.einsum("ij->i", x)
    sums_to_one: NDArray[np.bool_] = np.abs(sums - 1.0) <= SOFTMAX_SUM_TOLERANCE
    # Of all values at once that takes a fifth of the time that it takes row by row.
    if x.size and lowest <= x.min() and x.max() <= highest:
        return sums_to_one
    return np.asarray(((x >= lowest) & (x <= highest)).all(axis=1) & sums_to_one, dtype=np.bool_)


class SoftmaxOutputs(NoReduction):
    """Black-box shift detection, soft: rows are already softmax outputs of the label classifier.

    The map itself is the monitored model; this class checks that rows are what they should be and
    hands them through.

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
        usable = is_distribution(rows)
        if not usable.all():
            row = int((~usable).argmax())
            raise InvalidSampleError(
                f"{name} must lie in [0, 1] and sum to 1 in each row as softmax outputs do, row "
                f"{row} lies in [{rows[row].min():.4g}, {rows[row].max():.4g}] and sums to "
                f"{rows[row].sum():.6g}"
            )
        return rows


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
