"""The frame of every two-sample test: it checks rows, keeps the reference and attributes the move.

A test derives from :class:`ReferenceTest` and only says how two checked samples are compared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import Cost, FloatArray, Needs, StateArrays, TwoSampleResult
from detectors.checks import as_rows, fitted, state_array
from detectors.errors import InvalidStateError
from detectors.two_sample.attribution import Attribution, SortedReference


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of comparing two samples; the fields are those of :class:`TwoSampleResult`.

    ``dimensions`` holds the statistics and the p-values of the dimensions. Where a test has none of
    its own, the dimensions are attributed by the Kolmogorov–Smirnov D; a test that has computed
    that attribution hands it over.
    """

    statistic: float
    p_value: float
    effect_size: float
    dimensions: tuple[FloatArray, FloatArray] | None = None
    null_statistics: FloatArray | None = None
    attribution: Attribution | None = None


class ReferenceTest(ABC):
    """A two-sample test that keeps its reference.

    Missing values, NaN, are allowed in both samples; each test documents what they mean to it.
    Infinity is refused.
    """

    kind: ClassVar[str]
    needs: ClassVar[Needs] = Needs.ROWS
    min_rows: ClassVar[int] = 1
    draws: ClassVar[bool] = True
    is_univariate: ClassVar[bool] = False

    def __init__(self) -> None:
        self._x_ref: FloatArray | None = None
        self._sorted: SortedReference | None = None

    def fit(self, x_ref: FloatArray) -> Self:
        """Keep a copy of ``x_ref``, shape (n_ref, n_dimensions).

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` has fewer than ``min_rows`` rows or holds infinity.
        InvalidParameterError
            If a parameter does not suit ``x_ref``.
        """
        self._x_ref = self._sorted = None
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows, allow_missing=True).copy()
        self._prepare(rows)
        self._x_ref, self._sorted = rows, SortedReference(rows)
        return self

    def test(self, x_test: FloatArray, *, rng: np.random.Generator) -> TwoSampleResult:
        """Compare ``x_test``, shape (n_test, n_dimensions), with the reference.

        Parameters
        ----------
        x_test : ndarray of float64, shape (n_test, n_dimensions)
            The test sample.
        rng : numpy.random.Generator
            The only source of randomness; an equal state gives an equal result.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x_test`` has fewer than ``min_rows`` rows, another width or holds infinity.
        """
        x_ref, x = fitted(self._x_ref, self), self._checked(x_test)
        comparison = self._compare(x_ref, x, rng)
        attribution = comparison.attribution or fitted(self._sorted, self).attribute(
            x, comparison.dimensions
        )
        return TwoSampleResult(
            statistic=comparison.statistic,
            p_value=comparison.p_value,
            effect_size=comparison.effect_size,
            n_ref=len(x_ref),
            n_test=len(x),
            dimension_statistics=attribution.statistics,
            dimension_p_values=attribution.p_values,
            dimension_shifts=attribution.shifts,
            null_statistics=comparison.null_statistics,
            missing=attribution.missing,
        )

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How far each row lies in the direction in which ``x_test`` moved, shape (n_test,).

        See ``SortedReference.event_scores`` for the formula. The raised
        errors are those of :meth:`test`.
        """
        reference = fitted(self._sorted, self)
        return reference.event_scores(self._checked(x_test))

    @abstractmethod
    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The statistic at which ``result`` would have had the p-value ``level``."""

    @abstractmethod
    def cost(self, n_ref: int, n_test: int, n_dimensions: int) -> Cost:
        """Say what a test of samples of these sizes takes. The test need not be fitted."""

    @abstractmethod
    def lowest_p_value(self, n_ref: int, n_test: int, n_dimensions: int) -> float:
        """Give the lowest p-value that samples of these sizes can have, corrections included."""

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The reference and the parameters."""
        return {"x_ref": fitted(self._x_ref, self).copy(), **self._parameters()}

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a test that gives equal results.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe a fitted test.
        """
        x_ref = state_array(arrays, "x_ref", ndim=2, allow_missing=True).astype(np.float64)
        try:
            return cls._from_parameters(arrays).fit(x_ref)
        except (ValueError, OverflowError) as error:
            raise InvalidStateError(f"stored arrays are not of a {cls.kind} test") from error

    @abstractmethod
    def _compare(
        self, x_ref: FloatArray, x_test: FloatArray, rng: np.random.Generator
    ) -> Comparison:
        """Compare two checked samples of equal width."""

    def _prepare(self, x_ref: FloatArray) -> None:  # noqa: B027
        """Compute what every later test needs of ``x_ref``; nothing where a test needs nothing."""

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        """The parameters as named arrays, none of them called ``x_ref``."""
        return {}

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        """An unfitted test with the stored parameters."""
        return cls()

    def _checked(self, x_test: FloatArray) -> FloatArray:
        n_columns = fitted(self._x_ref, self).shape[1]
        return as_rows(
            x_test, "x_test", min_rows=self.min_rows, n_columns=n_columns, allow_missing=True
        )
