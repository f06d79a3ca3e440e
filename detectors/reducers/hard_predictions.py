"""Black-box shift detection on predicted classes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.base import FloatArray
from detectors.reducers.unreduced import SoftmaxOutputs


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
