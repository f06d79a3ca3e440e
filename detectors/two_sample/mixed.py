"""Kolmogorov–Smirnov for numeric columns, chi-square for categorical ones, Bonferroni over all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import Cost, FloatArray, StateArrays, TwoSampleResult
from detectors.checks import fitted, state_array, stored_number, whole_number
from detectors.errors import InvalidParameterError
from detectors.two_sample.attribution import SortedReference
from detectors.two_sample.chi_square.categories import category_cut
from detectors.two_sample.chi_square.chi_square import (
    DEFAULT_DRAWS,
    categories_cost,
    category_p_value_of_fewer,
    category_scores,
    corrected_comparison,
    corrected_v,
    cramers_v,
    critical_surprise,
    surprise,
    unwatched,
)
from detectors.two_sample.chi_square.distribution import chi_square_p_value
from detectors.two_sample.chi_square.tables import cramers_v_squared
from detectors.two_sample.counts.cells import Cut
from detectors.two_sample.counts.frame import Counts, CountsReferenceTest, drawing
from detectors.two_sample.frame import Comparison
from detectors.two_sample.ks.cells import ks_cut, largest_gaps_in_cells
from detectors.two_sample.ks.distribution import ks_p_value, ks_p_value_of, ks_p_values
from detectors.two_sample.ks.ks import KSTest, ks_effect_size
from detectors.two_sample.permutation import labelling_share


class MixedTest(CountsReferenceTest):
    """The test of each column that suits it, Bonferroni-corrected over all columns.

    Numeric columns are compared as ``KSTest`` does, D being the statistic of the dimension;
    categorical columns as ``ChiSquareTest`` does, with Cramér's V. Both lie in [0, 1]. The effect
    size is the larger one of what these tests give for their columns. The statistic is the
    surprise, ``-log10(p_value)``.

    Parameters
    ----------
    categorical_columns : iterable of int
        The indices, from 0, of at least one column; their order does not matter.
    n_draws : int
        As for ChiSquareTest.
    n_cells : int or None
        As for KSTest.

    Raises
    ------
    InvalidParameterError
        If ``categorical_columns`` is empty, names a column twice or holds something other than
        indices, ``n_draws`` is not a positive int, or ``n_cells`` is none of at least 2.

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

    def __init__(
        self,
        categorical_columns: Iterable[int],
        n_draws: int = DEFAULT_DRAWS,
        n_cells: int | None = None,
    ) -> None:
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
        self._n_cells = None if n_cells is None else whole_number(n_cells, "n_cells", at_least=2)
        self._sorted_numeric: SortedReference | None = None

    def _cuts(self, x_ref: FloatArray) -> list[Cut]:
        self._sorted_numeric = None
        width = x_ref.shape[1]
        if self._categorical[-1] >= width:
            raise InvalidParameterError(
                f"categorical column {self._categorical[-1]} is not one of the {width} columns, "
                "counted from 0"
            )
        self._numeric = np.setdiff1d(np.arange(width), self._categorical)
        if self._numeric.size:
            self._sorted_numeric = SortedReference(x_ref[:, self._numeric])
        is_numeric = np.isin(np.arange(width), self._numeric).tolist()
        return [
            ks_cut(column, self._n_cells) if numeric else category_cut(column)
            for column, numeric in zip(x_ref.T, is_numeric, strict=True)
        ]

    def _compare_counts(self, counts: Counts, rng: np.random.Generator | None) -> Comparison:
        n_ref, n_test, cells = counts.n_ref, counts.n_test, counts.cells
        draws = drawing(rng)
        gaps = largest_gaps_in_cells(
            counts.ref.cumsum(), counts.test.cumsum(), n_ref, n_test, cells.starts
        )
        statistics = gaps / (n_ref * n_test)
        p_values = np.empty(cells.n_dimensions)
        p_values[self._numeric] = ks_p_values(gaps[self._numeric], n_ref, n_test)
        effect_size = 0.0
        if self._numeric.size:
            distance = float(statistics[self._numeric].max())
            effect_size = ks_effect_size(distance, n_ref, n_test, self._numeric.size)
        tables = [counts.table(column) for column in self._categorical.tolist()]
        squares = [cramers_v_squared(table) for table in tables]
        statistics[self._categorical] = [cramers_v(squared) for squared in squares]
        p_values[self._categorical] = [
            chi_square_p_value(table, self._n_draws, draws) for table in tables
        ]
        effect_size = max(effect_size, corrected_v(tables, squares))
        return corrected_comparison(statistics, p_values, effect_size)

    @property
    def unwatched_columns(self) -> tuple[int, ...]:
        """The columns in which no category is frequent enough for a cell of its own, from 0."""
        return unwatched(fitted(self._cells, self))

    def cost(self, n_ref: int, n_test: int, n_dimensions: int) -> Cost:
        """Say what a test takes: that of KSTest and of ChiSquareTest for their columns."""
        n_categorical = self._categorical.size
        ks = KSTest(self._n_cells).cost(n_ref, n_test, max(0, n_dimensions - n_categorical))
        chi_square = categories_cost(n_ref, n_test, n_categorical)
        return Cost(*(a + b for a, b in zip(astuple(ks), astuple(chi_square), strict=True)))

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

    def p_value_of_fewer(
        self, result: TwoSampleResult, dimension: int, n_ref: int, n_test: int
    ) -> float:
        """Give the uncorrected p-value of a column's D or V for so many rows."""
        if dimension not in self._categorical:
            return ks_p_value_of(float(result.dimension_statistics[dimension]), n_ref, n_test)
        counts = fitted(self._counts_ref, self)[fitted(self._cells, self).of(dimension)]
        return category_p_value_of_fewer(result, dimension, np.count_nonzero(counts), n_ref, n_test)

    def statistic_of(self, result: TwoSampleResult, dimension: int, p_value: float) -> float:
        """Give the surprise of ``p_value``."""
        return surprise(p_value)

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How far each row goes with the move of ``x_test``, shape (n_test,).

        The sum of the scores that KSTest gives for the numeric columns and ChiSquareTest for the
        categorical ones; a column adds from -D to D, or from -V to V. The raised errors are those
        of :meth:`test`.
        """
        cells, counts = self._counted(x_test)
        scores = np.zeros(len(cells))
        if self._sorted_numeric is not None:
            scores += self._sorted_numeric.event_scores(self._checked(x_test)[:, self._numeric])
        for column in self._categorical.tolist():
            of_cell = category_scores(counts, column)
            scores += of_cell[cells[:, column] - counts.cells.starts[column]]
        return scores

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        return {
            "categorical_columns": self._categorical.copy(),
            "n_draws": np.array(self._n_draws),
            "n_cells": np.array([self._n_cells or 0]),
        }

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        columns = state_array(arrays, "categorical_columns", ndim=1, kind="i").tolist()
        n_draws = int(state_array(arrays, "n_draws", ndim=0, kind="i").item())
        return cls(columns, n_draws, stored_number(arrays, "n_cells") or None)
