"""Kolmogorov–Smirnov for numeric columns, chi-square for categorical ones, Bonferroni over all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, StateArrays, TwoSampleResult
from detectors.checks import fitted, state_array, whole_number
from detectors.errors import InvalidParameterError
from detectors.two_sample.attribution import SortedReference
from detectors.two_sample.chi_square.chi_square import (
    DEFAULT_DRAWS,
    Categories,
    check_categorical,
    corrected_comparison,
    critical_surprise,
)
from detectors.two_sample.chi_square.distribution import chi_square_p_value
from detectors.two_sample.frame import Comparison, ReferenceTest
from detectors.two_sample.ks.distribution import ks_p_value
from detectors.two_sample.permutation import labelling_share


class MixedTest(ReferenceTest):
    """The test of each column that suits it, Bonferroni-corrected over all columns.

    Numeric columns are compared as ``KSTest`` does, D being the statistic of the
    dimension; categorical columns as ``ChiSquareTest`` does, with
    Cramér's V. Both lie in [0, 1], and the larger one of D and the corrected V is the effect size.
    The statistic is the surprise, ``-log10(p_value)``.

    Parameters
    ----------
    categorical_columns : iterable of int
        The indices, from 0, of at least one column; their order does not matter.
    n_draws : int
        As for ChiSquareTest.

    Raises
    ------
    InvalidParameterError
        If ``categorical_columns`` is empty, names a column twice or holds something other than
        indices, or ``n_draws`` is not a positive int.

    References
    ----------
    Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x_ref = np.column_stack([rng.normal(size=200), rng.integers(0, 3, size=200)])
    >>> x_test = np.column_stack([rng.normal(size=90), rng.integers(1, 3, size=90)])
    >>> result = MixedTest(categorical_columns=[1]).fit(x_ref).test(x_test, rng=rng)
    >>> result.p_value < 1e-6, int(result.dimension_p_values.argmin())
    (True, 1)
    """

    kind: ClassVar[str] = "mixed"

    def __init__(self, categorical_columns: Iterable[int], n_draws: int = DEFAULT_DRAWS) -> None:
        super().__init__()
        columns = list(categorical_columns)
        are_indices = all(
            isinstance(column, int | np.integer) and not isinstance(column, bool) and column >= 0
            for column in columns
        )
        if not columns or not are_indices or len(set(columns)) < len(columns):
            raise InvalidParameterError(
                f"categorical_columns must be different indices, at least one, not {columns}"
            )
        self._categorical = np.array(sorted(columns), dtype=np.int64)
        self._numeric: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._n_draws = whole_number(n_draws, "n_draws", at_least=1)
        self._sorted_numeric: SortedReference | None = None

    def _prepare(self, x_ref: FloatArray) -> None:
        self._sorted_numeric = None
        width = x_ref.shape[1]
        if self._categorical[-1] >= width:
            raise InvalidParameterError(
                f"categorical column {self._categorical[-1]} is none of the {width} columns, "
                "counted from 0"
            )
        check_categorical(x_ref, self._categorical.tolist())
        self._numeric = np.setdiff1d(np.arange(width), self._categorical)
        if self._numeric.size:
            self._sorted_numeric = SortedReference(x_ref[:, self._numeric])

    def _compare(
        self, x_ref: FloatArray, x_test: FloatArray, rng: np.random.Generator
    ) -> Comparison:
        statistics, p_values = np.empty(x_ref.shape[1]), np.empty(x_ref.shape[1])
        effect_size = 0.0
        if self._sorted_numeric is not None:
            attribution = self._sorted_numeric.attribute(x_test[:, self._numeric])
            statistics[self._numeric] = attribution.statistics
            p_values[self._numeric] = attribution.p_values
            effect_size = float(attribution.statistics.max())
        for column in self._categorical.tolist():
            categories = Categories.of(x_ref[:, column], x_test[:, column])
            statistics[column] = categories.v()
            p_values[column] = chi_square_p_value(categories.counts, self._n_draws, rng)
            effect_size = max(effect_size, categories.effect_size())
        return corrected_comparison(statistics, p_values, effect_size)

    def lowest_p_value(self, n_ref: int, n_test: int, n_dimensions: int) -> float:
        """Give the lower of what a numeric and a categorical column can have, corrected for all."""
        lowest = labelling_share(n_ref, n_test)
        if n_dimensions > self._categorical.size:
            lowest = min(lowest, ks_p_value(n_ref * n_test, n_ref, n_test))
        return min(1.0, lowest * n_dimensions)

    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The surprise of ``level``; ``result.statistic`` reaches it where its p-value does.

        Raises
        ------
        InvalidParameterError
            If ``level`` lies outside (0, 1).
        """
        return critical_surprise(level, result)

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How far each row goes with the move of ``x_test``, shape (n_test,).

        The sum of the scores that KSTest gives for the numeric columns and ChiSquareTest for the
        categorical ones; a column adds from -D to D, or from -V to V. The raised errors are those
        of :meth:`test`.
        """
        x_ref, x = fitted(self._x_ref, self), self._checked(x_test)
        scores = np.zeros(len(x))
        if self._sorted_numeric is not None:
            scores += self._sorted_numeric.event_scores(x[:, self._numeric])
        for column in self._categorical.tolist():
            scores += Categories.of(x_ref[:, column], x[:, column]).scores()
        return scores

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        return {
            "categorical_columns": self._categorical.copy(),
            "n_draws": np.array(self._n_draws),
        }

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        columns = state_array(arrays, "categorical_columns", ndim=1, kind="i").tolist()
        return cls(columns, int(state_array(arrays, "n_draws", ndim=0, kind="i").item()))
