"""The Kolmogorov–Smirnov test of every dimension, with Bonferroni's correction."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.attribution import SortedReference
from detectors.base import FloatArray, StateArrays, TwoSampleResult
from detectors.checks import as_rows, check_level, fitted, state_array
from detectors.errors import InvalidStateError
from detectors.ks_distribution import critical_gap
from detectors.multiplicity import bonferroni


class KSTest:
    """Two-sided, two-sample Kolmogorov–Smirnov test per dimension, Bonferroni-corrected.

    The statistic is the largest D over the dimensions. It is also the effect size: D is a distance
    between distribution functions in [0, 1] that does not grow with the number of rows. Ties are
    handled exactly. p-values are exact up to ``n_ref * n_test = 10_000`` and asymptotic beyond
    (:func:`detectors.ks_distribution.ks_p_values`). One row in either sample is enough.

    A dimension that is constant at one value in both samples has D = 0 and p = 1; one that left its
    constant altogether has D = 1.

    References
    ----------
    Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = KSTest().fit(rng.normal(size=(500, 3)))
    >>> result = test.test(rng.normal(loc=[0, 0, 1], size=(200, 3)), rng=rng)
    >>> result.p_value < 1e-6, int(result.dimension_statistics.argmax())
    (True, 2)
    """

    kind: ClassVar[str] = "ks"
    min_rows: ClassVar[int] = 1

    def __init__(self) -> None:
        self._reference: SortedReference | None = None

    def fit(self, x_ref: FloatArray) -> Self:
        """Sort the columns of ``x_ref``, shape (n_ref, n_dimensions), once.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least one finite row.
        """
        self._reference = SortedReference(as_rows(x_ref, "x_ref", min_rows=self.min_rows))
        return self

    def test(self, x_test: FloatArray, *, rng: np.random.Generator) -> TwoSampleResult:
        """Compare ``x_test``, shape (n_test, n_dimensions), with the reference.

        Parameters
        ----------
        x_test : ndarray of float64, shape (n_test, n_dimensions)
            The test sample.
        rng : numpy.random.Generator
            Not used: this test draws nothing.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x_test`` is not made of at least one finite row as wide as the reference.
        """
        reference, x = self._checked(x_test)
        attribution = reference.attribute(x)
        distance = float(attribution.statistics.max())
        return TwoSampleResult(
            statistic=distance,
            p_value=float(bonferroni(attribution.p_values).min()),
            effect_size=distance,
            n_ref=reference.n_ref,
            n_test=x.shape[0],
            dimension_statistics=attribution.statistics,
            dimension_p_values=attribution.p_values,
            dimension_shifts=attribution.shifts,
        )

    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The smallest D that has a corrected p-value of at most ``level`` at ``result``'s sizes.

        ``result.statistic`` reaches it exactly when ``result.p_value <= level``. It is infinite
        where the samples are too small for any D to be that rare.

        Raises
        ------
        InvalidParameterError
            If ``level`` lies outside (0, 1).
        """
        n_dimensions = result.dimension_statistics.size
        gap = critical_gap(check_level(level), n_dimensions, result.n_ref, result.n_test)
        return np.inf if gap is None else gap / (result.n_ref * result.n_test)

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How far each row lies in the direction in which ``x_test`` moved, shape (n_test,).

        See :meth:`detectors.attribution.SortedReference.event_scores` for the formula. The raised
        errors are those of :meth:`test`.
        """
        reference, x = self._checked(x_test)
        return reference.event_scores(x)

    def _checked(self, x_test: FloatArray) -> tuple[SortedReference, FloatArray]:
        reference = fitted(self._reference, self)
        return reference, as_rows(
            x_test, "x_test", min_rows=self.min_rows, n_columns=reference.n_dimensions
        )

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The sorted columns of the reference, the only thing that a fitted test holds."""
        return {"columns": fitted(self._reference, self).columns.copy()}

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a test that gives equal results.

        Raises
        ------
        InvalidStateError
            If the sorted columns are missing, not finite or not sorted.
        """
        columns = state_array(arrays, "columns", ndim=2).astype(np.float64)
        if (columns[:, 1:] < columns[:, :-1]).any():
            raise InvalidStateError("stored array 'columns' is not sorted")
        return cls().fit(columns.T)
