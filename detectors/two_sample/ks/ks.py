"""The Kolmogorov–Smirnov test of every dimension, with Bonferroni's correction."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np

from detectors.base import FloatArray, TwoSampleResult
from detectors.checks import check_level, fitted
from detectors.errors import InvalidSampleError
from detectors.two_sample.frame import Comparison, ReferenceTest
from detectors.two_sample.ks.cells import Cells, PlacedRows
from detectors.two_sample.ks.distribution import critical_gap, ks_p_value
from detectors.two_sample.multiplicity import bonferroni


class KSTest(ReferenceTest):
    """Two-sided, two-sample Kolmogorov–Smirnov test per dimension, Bonferroni-corrected.

    The statistic is the largest D over the dimensions. It is also the effect size: D is a distance
    between distribution functions in [0, 1] that does not grow with the number of rows. Ties are
    handled exactly. p-values are exact up to ``n_ref * n_test = 10_000`` and asymptotic beyond
    (``ks_p_values``). One row in either sample is enough. Nothing is
    drawn from ``rng``.

    A dimension that is constant at one value in both samples has D = 0 and p = 1; one that left its
    constant altogether has D = 1. A missing value counts as greater than every number, so D sees a
    change in the share of missing values as well as one of the values observed.

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

    def place(self, x_test: FloatArray) -> PlacedRows | None:
        """Look rows up among the reference, once for all the samples that hold them.

        Parameters
        ----------
        x_test : ndarray of float64, shape (n, n_dimensions)

        Returns
        -------
        PlacedRows or None
            None where values are missing, in the reference or here, which asks for :meth:`test`.
        """
        x = self._checked(x_test)
        return None if self._cells is None or np.isnan(x).any() else self._cells.place(x)

    def test_placed(self, rows: PlacedRows) -> TwoSampleResult:
        """What :meth:`test` gives for these rows, but for what is only told of drift.

        ``dimension_p_values`` and ``dimension_shifts`` are NaN: the smallest p-value is that of the
        largest D, and a place does not tell how far a value lies from another.

        Raises
        ------
        InvalidSampleError
            If the reference misses values.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> test = KSTest().fit(rng.normal(size=(500, 3)))
        >>> x = rng.normal(size=(200, 3))
        >>> test.test_placed(test.place(x)).p_value == test.test(x, rng=rng).p_value
        True
        """
        if self._cells is None:
            raise InvalidSampleError("the reference misses values, so it has no places for others")
        n_ref, n_test = fitted(self._sorted, self).n_ref, len(rows)
        gaps = self._cells.largest_gaps(rows)
        # Plain numbers: each call of NumPy for a single one would take 5 µs here.
        largest = max(gaps.tolist())
        distance = largest / (n_ref * n_test)
        unknown = np.full(gaps.size, np.nan)
        return TwoSampleResult(
            statistic=distance,
            p_value=min(1.0, ks_p_value(largest, n_ref, n_test) * gaps.size),
            effect_size=distance,
            n_ref=n_ref,
            n_test=n_test,
            dimension_statistics=gaps / (n_ref * n_test),
            dimension_p_values=unknown,
            dimension_shifts=unknown,
        )

    def _prepare(self, x_ref: FloatArray) -> None:
        self.__dict__.pop("_cells", None)

    @cached_property
    def _cells(self) -> Cells | None:
        return fitted(self._sorted, self).cells()

    def _compare(
        self, x_ref: FloatArray, x_test: FloatArray, rng: np.random.Generator
    ) -> Comparison:
        attribution = fitted(self._sorted, self).attribute(x_test)
        distance = float(attribution.statistics.max())
        return Comparison(
            statistic=distance,
            p_value=float(bonferroni(attribution.p_values).min()),
            effect_size=distance,
            attribution=attribution,
        )

    def lowest_p_value(self, n_ref: int, n_test: int, n_dimensions: int) -> float:
        """Give the p-value of samples that do not overlap in any dimension."""
        return min(1.0, ks_p_value(n_ref * n_test, n_ref, n_test) * n_dimensions)

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
