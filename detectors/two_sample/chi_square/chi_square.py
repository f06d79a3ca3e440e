"""Pearson's chi-square test of homogeneity of every column, with Bonferroni's correction."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from detectors.base import Cost, FloatArray, IntArray, StateArrays, TwoSampleResult
from detectors.checks import check_level, fitted, state_array, whole_number
from detectors.two_sample.chi_square.categories import MOST_CATEGORIES_KEPT, category_cut
from detectors.two_sample.chi_square.distribution import chi_square_p_value
from detectors.two_sample.chi_square.tables import cramers_v_squared
from detectors.two_sample.counts.cells import Cells, Cut, Rule
from detectors.two_sample.counts.frame import Counts, CountsReferenceTest, drawing
from detectors.two_sample.effect_sizes import above_null, mean_largest_excess
from detectors.two_sample.frame import Comparison
from detectors.two_sample.multiplicity import bonferroni
from detectors.two_sample.permutation import labelling_share

DEFAULT_DRAWS = 9_999
"""Random tables of a column. They take 10 to 20 ms for one with 10 categories and 0.1 s for 50."""

_SMALLEST = float(np.finfo(np.float64).tiny)

PRIOR = 0.5
"""Rows added to each category when shares are compared, so that a single row says little."""


def cramers_v(squared: float) -> float:
    """Cramér's V of its square, in [0, 1]: 0 where the shares are equal, 1 where none is shared.

    Examples
    --------
    >>> cramers_v(cramers_v_squared(np.array([[9, 0], [0, 4]])))
    1.0
    """
    return math.sqrt(max(0.0, min(1.0, squared)))


def corrected_v(tables: Sequence[IntArray], squares: Sequence[float]) -> float:
    """The largest Cramér's V of the columns without the part that is expected under the null.

    V² is ``(n_categories - 1) / (n - 1)`` on average under the null; that is taken off, and so is
    by how much the largest of all columns exceeds it (``mean_largest_excess``). What is left is
    scaled so that samples without a common category keep 1.

    Parameters
    ----------
    tables : sequence of ndarray of int64, each of shape (2, n_categories)
        Of the same rows, one for each column; at least one.
    squares : sequence of float
        V² of each table (:func:`cramers_v_squared`).

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    Bergsma: A Bias-Correction for Cramér's V, 2013, doi:10.1016/j.jkss.2012.10.002

    Examples
    --------
    >>> tables = [np.array([[9, 0], [0, 4]]), np.array([[9, 8], [3, 4]])]
    >>> [corrected_v([table], [cramers_v_squared(table)]) for table in tables]
    [1.0, 0.0]
    """
    n_rows = int(tables[0].sum())
    degrees = Counter(table.shape[1] - 1 for table in tables if table.shape[1] > 1)
    if n_rows <= 2 or not degrees:
        return 0.0
    largest = mean_largest_excess(tuple(sorted(degrees.items())))
    return max(
        above_null(squared, (table.shape[1] - 1 + largest) / (n_rows - 1))
        for table, squared in zip(tables, squares, strict=True)
    )


def category_scores(counts: Counts, dimension: int) -> FloatArray:
    """V times the relative rise of each cell of a dimension."""
    table = counts.table(dimension)
    cells = counts.cells.of(dimension)
    ref = (counts.ref[cells] + PRIOR) / (counts.n_ref + PRIOR * table.shape[1])
    test = (counts.test[cells] + PRIOR) / (counts.n_test + PRIOR * table.shape[1])
    v = cramers_v(cramers_v_squared(table))
    return np.asarray(v * (test - ref) / (test + ref))


class ChiSquareTest(CountsReferenceTest):
    """Chi-square test of homogeneity per column, Bonferroni-corrected, for categorical columns.

    Every distinct value is a category, whatever its size, and a missing value, NaN, is one of its
    own. A category that vanished from the test sample is a cell with count 0; one that neither
    sample has does not exist. Categories that are rare in the reference share a cell with those
    that are new in the test sample, by a rule of
    :func:`~detectors.two_sample.chi_square.categories.category_cut`: a column of identifiers or
    numbers, all different, is compared by its missing values alone (:attr:`unwatched_columns`).
    Where the categories left are still too many for the rows, they are compared in groups
    (:func:`~detectors.two_sample.chi_square.tables.group_rare`).

    The statistic is the surprise, ``-log10(p_value)``: chi-square values of columns with different
    numbers of categories cannot be compared. The statistic of a dimension is Cramér's V; times the
    square root of ``n_ref + n_test`` it is the root of chi-square. The effect size is the largest V
    without its part under the null (:func:`corrected_v`). The shift of a dimension is that
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

    def _cuts(self, x_ref: FloatArray) -> list[Cut]:
        return [category_cut(column) for column in x_ref.T]

    def _compare_counts(self, counts: Counts, rng: np.random.Generator | None) -> Comparison:
        draws = drawing(rng)
        tables = [counts.table(dimension) for dimension in range(counts.cells.n_dimensions)]
        p_values = [chi_square_p_value(table, self._n_draws, draws) for table in tables]
        squares = [cramers_v_squared(table) for table in tables]
        return corrected_comparison(
            statistics=np.array([cramers_v(squared) for squared in squares]),
            p_values=np.array(p_values),
            effect_size=corrected_v(tables, squares),
        )

    @property
    def unwatched_columns(self) -> tuple[int, ...]:
        """The columns in which no category is frequent enough for a cell of its own, from 0."""
        return unwatched(fitted(self._cells, self))

    def cost(self, n_ref: int, n_test: int, n_dimensions: int) -> Cost:
        """Say what a test takes; of a column with ``MOST_CATEGORIES_KEPT`` categories at most."""
        return categories_cost(n_ref, n_test, n_dimensions)

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
        cells, counts = self._counted(x_test)
        scores = np.zeros(len(cells))
        for dimension in range(counts.cells.n_dimensions):
            of_cell = category_scores(counts, dimension)
            scores += of_cell[cells[:, dimension] - counts.cells.starts[dimension]]
        return scores

    def p_value_of_fewer(
        self, result: TwoSampleResult, dimension: int, n_ref: int, n_test: int
    ) -> float:
        """Give the uncorrected, asymptotic p-value of a column's V for so many rows."""
        counts = fitted(self._counts_ref, self)[fitted(self._cells, self).of(dimension)]
        return category_p_value_of_fewer(result, dimension, np.count_nonzero(counts), n_ref, n_test)

    def statistic_of(self, result: TwoSampleResult, dimension: int, p_value: float) -> float:
        """Give the surprise of ``p_value``."""
        return surprise(p_value)

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        return {"n_draws": np.array(self._n_draws)}

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        return cls(int(state_array(arrays, "n_draws", ndim=0, kind="i").item()))


def corrected_comparison(
    statistics: FloatArray, p_values: FloatArray, effect_size: float
) -> Comparison:
    """The comparison of all columns, with the surprise of the corrected p-value as statistic."""
    p_value = float(bonferroni(p_values).min())
    return Comparison(
        statistic=surprise(p_value),
        p_value=p_value,
        effect_size=effect_size,
        dimensions=(statistics, p_values),
    )


def critical_surprise(level: float, result: TwoSampleResult) -> float:
    """``-log10(level)``, moved by a rounding error where that would judge ``result`` otherwise."""
    bound = surprise(check_level(level))
    if result.p_value <= level:
        return min(bound, result.statistic)
    return max(bound, math.nextafter(result.statistic, math.inf))


def surprise(p_value: float) -> float:
    """Give ``-log10(p_value)``, never below 0."""
    return max(0.0, -math.log10(p_value))


def category_p_value_of_fewer(
    result: TwoSampleResult, dimension: int, n_categories: int, n_ref: int, n_test: int
) -> float:
    """Give the asymptotic p-value of a column's V for other numbers of rows.

    Chi-square grows with the rows that both samples stand for: the correction of first order of Rao
    and Scott, doi:10.1214/aos/1176346391.
    """
    squared = float(result.dimension_statistics[dimension]) ** 2
    own = result.n_ref * result.n_test / (result.n_ref + result.n_test)
    fewer = n_ref * n_test / (n_ref + n_test)
    statistic = squared * (result.n_ref + result.n_test) * fewer / own
    return max(float(chdtrc(max(1, n_categories - 1), statistic)), _SMALLEST)


def unwatched(cells: Cells) -> tuple[int, ...]:
    """The columns of categories in which none has a cell of its own."""
    columns = enumerate(cells.cuts)
    return tuple(d for d, cut in columns if cut.rule is Rule.ALONE and cut.edges.size == 0)


def categories_cost(n_ref: int, n_test: int, n_dimensions: int) -> Cost:
    """The cost of a test of this number of columns of categories.

    Measured on a shared core: 1 to 4 ms a column where random tables or all of them are needed,
    0.1 where expected counts are large.
    """
    n_cells = min(n_ref, MOST_CATEGORIES_KEPT) + 2
    return Cost(
        summary_bytes=8 * n_cells * n_dimensions,
        reference_bytes=8 * n_ref * n_dimensions,
        test_bytes=16 * n_cells * n_dimensions + 3_000_000,
        test_us=2_500.0 * n_dimensions,
    )
