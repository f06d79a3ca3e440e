"""Pearson's chi-square test of homogeneity of every column, with Bonferroni's correction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray, StateArrays, TwoSampleResult
from detectors.checks import check_level, fitted, state_array, whole_number
from detectors.errors import NotCategoricalError
from detectors.two_sample.chi_square.distribution import chi_square_p_value
from detectors.two_sample.chi_square.tables import cramers_v_squared
from detectors.two_sample.frame import Comparison, ReferenceTest
from detectors.two_sample.multiplicity import bonferroni
from detectors.two_sample.permutation import labelling_share

FEW_CATEGORIES = 20
"""Up to here a column is categorical however few rows the reference has."""

DEFAULT_DRAWS = 9_999
"""Random tables of a column. They take 10 to 20 ms for one with 10 categories and 0.1 s for 50."""

PRIOR = 0.5
"""Rows added to each category when shares are compared, so that a single row says little."""


@dataclass(frozen=True, eq=False)
class Categories:
    """How two columns fall into categories.

    Attributes
    ----------
    counts : ndarray of int64, shape (2, n_categories)
        Rows of the reference and of the test sample in each category that either has.
    of_test : ndarray of int64, shape (n_test,)
        The category of each row of the test sample.

    Examples
    --------
    >>> Categories.of(np.array([3.0, 3.0, np.nan]), np.array([np.nan, 7.0])).counts
    array([[2, 0, 1],
           [0, 1, 1]])
    """

    counts: IntArray
    of_test: IntArray

    @classmethod
    def of(cls, ref: FloatArray, test: FloatArray) -> Self:
        """Sort the rows of two columns into their distinct values; NaN is one of them."""
        values, inverse = np.unique(np.concatenate([ref, test]), return_inverse=True)
        of_ref, of_test = inverse[: ref.size], inverse[ref.size :]
        counts = [np.bincount(category, minlength=values.size) for category in (of_ref, of_test)]
        return cls(np.stack(counts), of_test)

    def v(self) -> float:
        """Cramér's V, in [0, 1]: 0 where the shares are equal, 1 where no category is shared."""
        return math.sqrt(max(0.0, min(1.0, cramers_v_squared(self.counts))))

    def effect_size(self) -> float:
        """Cramér's V without the part that is expected under the null, in [0, 1].

        V² is ``(n_categories - 1) / (n - 1)`` on average under the null; that is taken off, and
        what is left is scaled so that samples without a common category keep 1.

        References
        ----------
        Bergsma: A Bias-Correction for Cramér's V, 2013, doi:10.1016/j.jkss.2012.10.002
        """
        n_rows, n_categories = int(self.counts.sum()), self.counts.shape[1]
        if n_rows <= 2:
            return 0.0
        above = cramers_v_squared(self.counts) - (n_categories - 1) / (n_rows - 1)
        return math.sqrt(max(0.0, min(1.0, above * (n_rows - 1) / (n_rows - 2))))

    def scores(self) -> FloatArray:
        """V times the relative rise of each test row's category, shape (n_test,)."""
        n_rows = self.counts.sum(axis=1, keepdims=True)
        shares = (self.counts + PRIOR) / (n_rows + PRIOR * self.counts.shape[1])
        rise = (shares[1] - shares[0]) / (shares[1] + shares[0])
        return np.asarray(self.v() * rise[self.of_test])


class ChiSquareTest(ReferenceTest):
    """Chi-square test of homogeneity per column, Bonferroni-corrected, for categorical columns.

    Every distinct value is a category, whatever its size, and a missing value, NaN, is one of its
    own. A category that is new in the test sample, or vanished from it, is a cell with count 0; one
    that neither sample has does not exist. Of a column with more than 50 categories, some of them
    rare, those with less than 2 % of all rows are compared in groups
    (:func:`~detectors.two_sample.chi_square.tables.group_rare`). A reference is refused that has
    more than 20 categories in a column and more than half as many as rows: such a column holds
    numbers or an identifier.

    The statistic is the surprise, ``-log10(p_value)``: chi-square values of columns with different
    numbers of categories cannot be compared. The statistic of a dimension is Cramér's V; times the
    square root of ``n_ref + n_test`` it is the root of chi-square. The effect size is the largest V
    after correction for its bias (:meth:`Categories.effect_size`). The shift of a dimension is that
    of its codes and means something only where they are ordered.

    p-values are exact for small samples and for two categories, and otherwise asymptotic or, where
    expected counts are small, from random tables. Where no random table is as far from the
    reference, an upper bound takes their place
    (:func:`~detectors.two_sample.chi_square.distribution.chi_square_p_value`).

    Parameters
    ----------
    n_draws : int
        Random tables, at least 1. A column's p-value below ``1 / (1 + n_draws)`` is a bound, 10 to
        200 times too large where it is not tiny: where moderate moves of rare categories matter,
        draw several times the number of columns over the level.

    Raises
    ------
    InvalidParameterError
        If ``n_draws`` is not a positive int.

    References
    ----------
    Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = ChiSquareTest().fit(rng.integers(0, 3, size=(200, 2)))
    >>> result = test.test(rng.integers(0, [3, 4], size=(100, 2)), rng=rng)
    >>> result.p_value < 1e-6, int(result.dimension_statistics.argmax())
    (True, 1)
    """

    kind: ClassVar[str] = "chi_square"

    def __init__(self, n_draws: int = DEFAULT_DRAWS) -> None:
        super().__init__()
        self._n_draws = whole_number(n_draws, "n_draws", at_least=1)

    def _prepare(self, x_ref: FloatArray) -> None:
        check_categorical(x_ref, range(x_ref.shape[1]))

    def _compare(
        self, x_ref: FloatArray, x_test: FloatArray, rng: np.random.Generator
    ) -> Comparison:
        columns = [Categories.of(*pair) for pair in zip(x_ref.T, x_test.T, strict=True)]
        p_values = [chi_square_p_value(column.counts, self._n_draws, rng) for column in columns]
        return corrected_comparison(
            statistics=np.array([column.v() for column in columns]),
            p_values=np.array(p_values),
            effect_size=max(column.effect_size() for column in columns),
        )

    def lowest_p_value(self, n_ref: int, n_test: int, n_dimensions: int) -> float:
        """Give the p-value of samples that share no category, in any dimension."""
        return min(1.0, labelling_share(n_ref, n_test) * n_dimensions)

    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The surprise of ``level``; ``result.statistic`` reaches it where its p-value does.

        Raises
        ------
        InvalidParameterError
            If ``level`` lies outside (0, 1).
        """
        return critical_surprise(level, result)

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How much more frequent the categories of each row became, shape (n_test,).

        The sum over the dimensions of ``V * (test - ref) / (test + ref)``, where ``test`` and
        ``ref`` are the shares of the row's category, half a row added to each: V in a category that
        is new, -V in one that nearly vanished. The raised errors are those of :meth:`test`.
        """
        x = self._checked(x_test)
        x_ref = fitted(self._x_ref, self)
        pairs = zip(x_ref.T, x.T, strict=True)
        return np.asarray(np.sum([Categories.of(*pair).scores() for pair in pairs], axis=0))

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        return {"n_draws": np.array(self._n_draws)}

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        return cls(int(state_array(arrays, "n_draws", ndim=0, kind="i").item()))


def check_categorical(x_ref: FloatArray, columns: Iterable[int]) -> None:
    """Refuse columns that hold numbers or identifiers instead of categories.

    Those have more than ``FEW_CATEGORIES`` distinct values, and more than half as many as rows. If
    no value repeated, the p-value would be 1 whatever happens.

    Raises
    ------
    NotCategoricalError
        Names the first such column of ``columns``, counted from 0.
    """
    for column in columns:
        n_categories = np.unique(x_ref[:, column]).size
        if n_categories > max(FEW_CATEGORIES, len(x_ref) / 2):
            raise NotCategoricalError(column, n_categories, len(x_ref))


def corrected_comparison(
    statistics: FloatArray, p_values: FloatArray, effect_size: float
) -> Comparison:
    """The comparison of all columns, with the surprise of the corrected p-value as statistic."""
    p_value = float(bonferroni(p_values).min())
    return Comparison(
        statistic=_surprise(p_value),
        p_value=p_value,
        effect_size=effect_size,
        dimensions=(statistics, p_values),
    )


def critical_surprise(level: float, result: TwoSampleResult) -> float:
    """``-log10(level)``, moved by a rounding error where that would judge ``result`` otherwise."""
    bound = _surprise(check_level(level))
    if result.p_value <= level:
        return min(bound, result.statistic)
    return max(bound, math.nextafter(result.statistic, math.inf))


def _surprise(p_value: float) -> float:
    return max(0.0, -math.log10(p_value))
