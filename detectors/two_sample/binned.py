"""The population stability index and the Jensen-Shannon distance, judged by random tables."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from detectors.base import Cost, FloatArray, IntArray, StateArrays
from detectors.checks import stored_number, whole_number
from detectors.two_sample.counts.cells import Cut, Rule
from detectors.two_sample.counts.frame import Counts, CountsReferenceTest, drawing
from detectors.two_sample.counts.random_tables import random_tables
from detectors.two_sample.effect_sizes import above_null
from detectors.two_sample.frame import Comparison
from detectors.two_sample.permutation import PermutationTest, permutation_p_value

FEW = 3
"""So few rows say little about whether a value is the only one of its kind."""


class BinnedTest(CountsReferenceTest, PermutationTest):
    """A test that compares the shares of the two samples in bins.

    The bins are cut once, at quantiles of the reference; :func:`bin_cut` states the rule. Missing
    values have a bin of their own.

    Under the null, rows that are relabelled at random fall into the bins of one dimension as a
    table with both margins given, which is drawn for each dimension by itself: that takes no rows,
    and its time does not grow with their number. The statistic is the largest of all dimensions,
    and its p-value counts the draws whose largest reaches it. Drawn so, the dimensions are
    independent. Whatever they depend on each other in truth, at most ``-log(1 - level)`` of all
    tests alarm, 5.13 % at a level of 5 %: that is the most that Bonferroni's inequality leaves.

    Few reference rows make the test conservative, since they lie evenly in bins cut at their own
    quantiles: with 40 of them, 0.5 to 4 % of 400 tests of 3 dimensions alarmed without a shift at a
    level of 5 %, against 20, 30 and 300 test rows; with 300 against 40, 5 to 6 %.

    Parameters
    ----------
    n_permutations : int
        At least 1; the smallest p-value is ``1 / (1 + n_permutations)``.
    n_bins : int
        Bins of the observed values of a dimension, at least 2.

    Raises
    ------
    InvalidParameterError
        If a parameter is not a whole number in its range.
    """

    def __init__(self, n_permutations: int = 999, n_bins: int = 10) -> None:
        super().__init__()
        self._n_permutations = whole_number(n_permutations, "n_permutations", at_least=1)
        self._n_bins = whole_number(n_bins, "n_bins", at_least=2)

    @property
    def n_bins(self) -> int:
        """Bins of the observed values of a dimension."""
        return self._n_bins

    def _cuts(self, x_ref: FloatArray) -> list[Cut]:
        return [bin_cut(column, self._n_bins) for column in x_ref.T]

    def _compare_counts(self, counts: Counts, rng: np.random.Generator | None) -> Comparison:
        draws = drawing(rng)
        pairs = [
            self._with_null(counts.table(dimension), draws)
            for dimension in range(counts.cells.n_dimensions)
        ]
        observed = np.array([own for own, _ in pairs])
        null = np.array([drawn for _, drawn in pairs])
        largest, null_largest = float(observed.max()), null.max(axis=0)
        p_values = [permutation_p_value(*pair) for pair in pairs]
        return Comparison(
            statistic=largest,
            p_value=self._p_value(largest, null_largest, counts.n_ref, counts.n_test),
            effect_size=self._effect_size(largest, null_largest),
            dimensions=(observed, np.array(p_values)),
            null_statistics=null_largest,
        )

    def _with_null(self, table: IntArray, rng: np.random.Generator) -> tuple[float, FloatArray]:
        """The statistic of one dimension's table, and those of tables with the same margins."""
        observed = float(self._statistics(table[:1], table[1:])[0])
        totals, smaller = table.sum(axis=0), int(table.sum(axis=1).argmin())
        n_rows = int(table[smaller].sum())
        drawn = random_tables(totals, n_rows, self._n_permutations, rng)
        samples = (drawn, totals - drawn) if smaller == 0 else (totals - drawn, drawn)
        return observed, self._statistics(*samples)

    @abstractmethod
    def _statistics(self, ref: IntArray, test: IntArray) -> FloatArray:
        """The statistics of tables, given the counts of each sample, both of shape (n_tables, k).

        No cell is empty in both samples.
        """

    @abstractmethod
    def _effect_size(self, statistic: float, null: FloatArray) -> float:
        """``statistic`` without its part under the null."""

    def cost(self, n_ref: int, n_test: int, n_dimensions: int) -> Cost:
        """Say what a test takes: bins times random tables, whatever the number of rows."""
        n_cells = self._n_bins + 2
        return Cost(
            summary_bytes=8 * n_cells * n_dimensions,
            reference_bytes=8 * n_ref * n_dimensions,
            test_bytes=60 * n_cells * self._n_permutations
            + 16 * self._n_permutations * n_dimensions
            + 100_000,
            test_us=100.0 + (60.0 + 0.3 * n_cells * self._n_permutations) * n_dimensions,
        )

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        return {**super()._parameters(), "n_bins": np.array([self._n_bins])}

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        return cls(stored_number(arrays, "n_permutations"), stored_number(arrays, "n_bins"))


class PSITest(BinnedTest):
    """Population stability index per dimension, p-value from random tables.

    PSI is the sum over the bins of ``(p - q) * log(p / q)``, p and q being the shares of the two
    samples. So that no share is 0, both samples first get half a row for each bin of the dimension,
    spread over its bins as both samples together are: equal shares stay equal. The effect size is
    PSI less its mean under the null, at least 0.

    The customary thresholds, 0.1 for a slight and 0.25 for a large shift, say nothing about the
    sample sizes. Where nothing moved, PSI with k bins is about ``(1 / n_ref + 1 / n_test)`` times a
    chi-squared variable with ``k - 1`` degrees of freedom: 0.18 on average for 100 rows against 100
    in 10 bins, and 0.0018 for 10,000 against 10,000. Of 2,000 pairs of equally distributed samples
    of 100 rows 81 % exceeded 0.1 and 17 % exceeded 0.25. The p-value here keeps
    its level at any size.

    PSI grows with the number of bins, so a dimension of few values counts less in the largest.

    Parameters
    ----------
    n_permutations : int
        At least 1; the smallest p-value is ``1 / (1 + n_permutations)``.
    n_bins : int
        Bins of the observed values of a dimension, at least 2: between quantiles of the reference,
        or one for each of its values where there are no more. Missing values have one of their own.

    Raises
    ------
    InvalidParameterError
        If a parameter is not a whole number in its range.

    References
    ----------
    Yurdakul, Naranjo: Statistical Properties of the Population Stability Index, Journal of Risk
    Model Validation 2020, doi:10.21314/JRMV.2020.227

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = PSITest(n_permutations=99).fit(rng.normal(size=(100, 3)))
    >>> result = test.test(rng.normal(loc=[0, 0, 1], size=(50, 3)), rng=rng)
    >>> result.p_value, int(result.dimension_statistics.argmax())
    (0.01, 2)
    """

    kind: ClassVar[str] = "psi"

    def _statistics(self, ref: IntArray, test: IntArray) -> FloatArray:
        n_ref, n_test, added = _n_rows(ref), _n_rows(test), ref.shape[1] / 2
        spread = added * (ref + test) / (n_ref + n_test)
        p, q = (ref + spread) / (n_ref + added), (test + spread) / (n_test + added)
        return np.asarray(((p - q) * np.log(p / q)).sum(axis=1))

    def _effect_size(self, statistic: float, null: FloatArray) -> float:
        return max(0.0, statistic - float(null.mean()))


class JensenShannonTest(BinnedTest):
    """Jensen–Shannon distance per dimension, p-value from random tables.

    The distance is the square root of the divergence to base 2 and lies in [0, 1]: 0 where the
    samples have equal shares in all bins, 1 where no bin holds rows of both. It needs no smoothing.
    The effect size is the root of the divergence less its mean under the null, scaled so that
    samples with nothing in common keep 1. As with PSI, what the distance is where nothing moved
    depends on the sample sizes and the number of bins, so that no fixed threshold suits all of
    them; the p-value does.

    Parameters
    ----------
    n_permutations : int
        At least 1; the smallest p-value is ``1 / (1 + n_permutations)``.
    n_bins : int
        Bins of the observed values of a dimension, at least 2: between quantiles of the reference,
        or one for each of its values where there are no more. Missing values have one of their own.

    Raises
    ------
    InvalidParameterError
        If a parameter is not a whole number in its range.

    References
    ----------
    Lin: Divergence Measures Based on the Shannon Entropy, IEEE Transactions on Information Theory
    1991, doi:10.1109/18.61115

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = JensenShannonTest(n_permutations=99).fit(rng.normal(size=(100, 3)))
    >>> result = test.test(rng.normal(loc=[0, 0, 1], size=(50, 3)), rng=rng)
    >>> result.p_value, int(result.dimension_statistics.argmax())
    (0.01, 2)
    """

    kind: ClassVar[str] = "jensen_shannon"

    def _statistics(self, ref: IntArray, test: IntArray) -> FloatArray:
        p, q = ref / _n_rows(ref), test / _n_rows(test)
        middle = (p + q) / 2
        divergences = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / math.log(4.0)
        # Rounding may leave the range by 1e-16.
        return np.asarray(np.sqrt(np.clip(divergences, 0.0, 1.0)))

    def _effect_size(self, statistic: float, null: FloatArray) -> float:
        return above_null(statistic**2, float((null**2).mean()))


def bin_cut(column: FloatArray, n_bins: int) -> Cut:
    """Cut a column of the reference into bins.

    A column with at most ``n_bins`` different values, each seen more than ``FEW`` times, has a bin
    for each and one for all other values. Any other has the bins between its quantiles; each
    reaches up to and includes its upper edge, a value of the column, and the last has none. Where
    values are rare others are likely to come: a bin for these would find some in any sample.

    Parameters
    ----------
    column : ndarray of float64, shape (n_ref,)
        NaN where a value is missing.
    n_bins : int
        The most bins that observed values get, but for that of other values.

    Examples
    --------
    >>> bin_cut(np.array([1.0, 2.0, 3.0, 4.0, np.nan]), 2).edges
    array([2.])
    >>> bin_cut(np.array([7.0, 5.0] * 4), 10)
    Cut(rule=<Rule.ALONE: 0>, edges=array([5., 7.]))
    """
    observed = column[~np.isnan(column)]
    values, counts = np.unique(observed, return_counts=True)
    if values.size <= n_bins and (counts > FEW).all():
        return Cut(Rule.ALONE, values)
    if values.size <= n_bins:
        return Cut(Rule.UP_TO, values[:-1])
    # "inverted_cdf" does not interpolate: values near the largest float64 cannot overflow.
    shares = np.arange(1, n_bins) / n_bins
    return Cut(Rule.UP_TO, np.unique(np.quantile(observed, shares, method="inverted_cdf")))


def _n_rows(counts: IntArray) -> int:
    """Rows in a sample, the same in every table."""
    return int(counts[0].sum())
