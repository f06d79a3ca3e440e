"""The frame of the tests with a permutation p-value."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays, TwoSampleResult
from detectors.checks import stored_number, whole_number
from detectors.errors import InvalidParameterError
from detectors.two_sample.frame import ReferenceTest
from detectors.two_sample.permutation import observed_membership, permutation_critical_value


class PermutationTest(ReferenceTest):
    """A two-sample test whose p-value counts relabelled samples.

    Parameters
    ----------
    n_permutations : int
        At least 1; the smallest p-value is ``1 / (1 + n_permutations)``.

    Raises
    ------
    InvalidParameterError
        If ``n_permutations`` is not a whole number of at least 1.
    """

    def __init__(self, n_permutations: int = 999) -> None:
        super().__init__()
        self._n_permutations = whole_number(n_permutations, "n_permutations", at_least=1)

    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The smallest statistic with a p-value of at most ``level`` against ``result``'s null.

        ``result.statistic`` reaches it exactly when ``result.p_value <= level``. It is infinite
        where ``level < 1 / (1 + n_permutations)``.

        Raises
        ------
        InvalidParameterError
            If ``level`` lies outside (0, 1) or ``result`` holds no null statistics.
        """
        if result.null_statistics is None:
            raise InvalidParameterError("result holds no null statistics: it is not of this test")
        return permutation_critical_value(result.null_statistics, level)

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        return {"n_permutations": np.array([self._n_permutations])}

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        return cls(stored_number(arrays, "n_permutations"))


def pooled_rows(x_ref: FloatArray, x_test: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both samples together in an order of their own, and which rows are of the reference.

    The order depends on the values alone. Relabellings drawn for rows in this order give equal
    p-values, not only equal statistics, however the rows of either sample were ordered.

    Returns
    -------
    tuple of two ndarray of float64
        The pooled rows, shape (n_ref + n_test, n_dimensions), and the observed membership, shape
        (n_ref + n_test, 1).

    Examples
    --------
    >>> pooled, membership = pooled_rows(np.array([[2.0], [5.0]]), np.array([[3.0]]))
    >>> pooled.ravel(), membership.ravel()
    (array([2., 3., 5.]), array([1., 0., 1.]))
    """
    pooled = np.concatenate([x_ref, x_test])
    order = np.lexsort(pooled.T)
    return pooled[order], observed_membership(len(x_ref), len(x_test))[order]
