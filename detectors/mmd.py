"""The maximum mean discrepancy with a Gaussian kernel and a permutation p-value."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from detectors.attribution import SortedReference
from detectors.base import FloatArray, StateArrays, TwoSampleResult
from detectors.checks import as_rows, fitted, state_array
from detectors.errors import InvalidParameterError, InvalidStateError
from detectors.kernels import gaussian_kernel, median_bandwidth, squared_distances
from detectors.permutation import (
    observed_membership,
    permutation_critical_value,
    permutation_p_value,
    permuted_statistics,
)

Bandwidth = float | Literal["median"]


class MMDTest:
    """Unbiased MMD² with kernel ``exp(-d² / bandwidth)``, p-value from permutations.

    The statistic is MMD², which may be slightly negative under the null; the effect size is
    ``sqrt(max(MMD², 0))``. The values per dimension are those of the Kolmogorov–Smirnov test and
    only attribute the move: the p-value of the result does not come from them. Both samples need
    two rows.

    Parameters
    ----------
    n_permutations : int
        At least 1; the smallest p-value is ``1 / (1 + n_permutations)``.
    bandwidth : float or "median"
        Positive, in the unit of squared distances; "median" is the median squared distance of
        different rows of the pooled sample, taken anew for every test.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf, Smola: A Kernel Two-Sample Test, JMLR 13, 2012

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = MMDTest(n_permutations=99).fit(rng.normal(size=(100, 3)))
    >>> test.test(rng.normal(loc=1.0, size=(50, 3)), rng=rng).p_value
    0.01
    """

    kind: ClassVar[str] = "mmd"
    min_rows: ClassVar[int] = 2

    def __init__(self, n_permutations: int = 999, bandwidth: Bandwidth = "median") -> None:
        if isinstance(n_permutations, bool) or not isinstance(n_permutations, int):
            raise InvalidParameterError("n_permutations must be a whole number")
        if n_permutations < 1:
            raise InvalidParameterError(f"n_permutations must be at least 1, not {n_permutations}")
        if bandwidth != "median" and not (
            isinstance(bandwidth, int | float) and 0.0 < bandwidth < math.inf
        ):
            raise InvalidParameterError(f"bandwidth must be 'median' or positive, not {bandwidth}")
        self._n_permutations = n_permutations
        self._bandwidth: Bandwidth = bandwidth
        self._x_ref: FloatArray | None = None
        self._columns: SortedReference | None = None

    def fit(self, x_ref: FloatArray) -> Self:
        """Keep a copy of ``x_ref``, shape (n_ref, n_dimensions).

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least two finite rows.
        """
        self._x_ref = as_rows(x_ref, "x_ref", min_rows=self.min_rows).copy()
        self._columns = SortedReference(self._x_ref)
        return self

    def test(self, x_test: FloatArray, *, rng: np.random.Generator) -> TwoSampleResult:
        """Compare ``x_test``, shape (n_test, n_dimensions), with the reference.

        Parameters
        ----------
        x_test : ndarray of float64, shape (n_test, n_dimensions)
            The test sample.
        rng : numpy.random.Generator
            Draws the permutations; an equal state gives an equal result.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x_test`` is not made of at least two finite rows as wide as the reference.
        """
        x_ref, x = self._checked(x_test)
        kernel = self._pooled_kernel(x_ref, x)
        membership = observed_membership(len(x_ref), len(x))
        observed = float(_unbiased_mmd2(kernel, membership)[0])
        null_statistics = permuted_statistics(
            lambda memberships: _unbiased_mmd2(kernel, memberships),
            membership,
            self._n_permutations,
            rng,
        )
        attribution = fitted(self._columns, self).attribute(x)
        return TwoSampleResult(
            statistic=observed,
            p_value=permutation_p_value(observed, null_statistics),
            effect_size=math.sqrt(max(observed, 0.0)),
            n_ref=len(x_ref),
            n_test=len(x),
            dimension_statistics=attribution.statistics,
            dimension_p_values=attribution.p_values,
            dimension_shifts=attribution.shifts,
            null_statistics=null_statistics,
        )

    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The smallest MMD² that has a p-value of at most ``level`` against ``result``'s null.

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

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """The negative witness function at each row of ``x_test``, shape (n_test,).

        The mean kernel value with the test sample (the row itself included) minus that with the
        reference: largest where the test sample is dense and the reference is not. The raised
        errors are those of :meth:`test`.
        """
        x_ref, x = self._checked(x_test)
        rows = self._pooled_kernel(x_ref, x)[len(x_ref) :]
        to_test = (rows[:, len(x_ref) :].sum(axis=1) + 1.0) / len(x)
        return np.asarray(to_test - rows[:, : len(x_ref)].mean(axis=1))

    def _checked(self, x_test: FloatArray) -> tuple[FloatArray, FloatArray]:
        x_ref = fitted(self._x_ref, self)
        return x_ref, as_rows(x_test, "x_test", min_rows=self.min_rows, n_columns=x_ref.shape[1])

    def _pooled_kernel(self, x_ref: FloatArray, x_test: FloatArray) -> FloatArray:
        """Kernel of all pairs of rows, reference first, with 0 for a row and itself."""
        distances = squared_distances(np.concatenate([x_ref, x_test]))
        bandwidth = self._bandwidth
        if bandwidth == "median":
            bandwidth = median_bandwidth(distances)
        return np.asarray(squareform(gaussian_kernel(distances, bandwidth), checks=False))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The reference, and both parameters in one array, with NaN for the median heuristic."""
        bandwidth = np.nan if self._bandwidth == "median" else self._bandwidth
        return {
            "x_ref": fitted(self._x_ref, self).copy(),
            "parameters": np.array([self._n_permutations, bandwidth]),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a test that gives equal results.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe a fitted test.
        """
        x_ref = state_array(arrays, "x_ref", ndim=2).astype(np.float64)
        parameters = arrays.get("parameters")
        if parameters is None or parameters.shape != (2,) or parameters.dtype.kind != "f":
            raise InvalidStateError("stored array 'parameters' is missing or has another form")
        n_permutations, bandwidth = parameters.tolist()
        try:
            test = cls(int(n_permutations), "median" if math.isnan(bandwidth) else bandwidth)
            return test.fit(x_ref)
        except (ValueError, OverflowError) as error:
            raise InvalidStateError(f"stored arrays describe no {cls.kind} test") from error


def _unbiased_mmd2(kernel: FloatArray, memberships: FloatArray) -> FloatArray:
    """MMD² of each column of ``memberships``, shape (n, b), from a kernel with zero diagonal.

    One product with the kernel gives the sum within the reference; row sums give the rest.
    """
    n_ref = int(memberships[:, 0].sum())
    n_test = len(memberships) - n_ref
    row_sums = kernel.sum(axis=1)
    within_ref = np.einsum("nb,nb->b", memberships, kernel @ memberships)
    from_ref = row_sums @ memberships
    between = from_ref - within_ref
    within_test = row_sums.sum() - from_ref - between
    return np.asarray(
        within_ref / (n_ref * (n_ref - 1))
        + within_test / (n_test * (n_test - 1))
        - 2.0 * between / (n_ref * n_test)
    )
