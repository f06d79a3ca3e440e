"""Moves between two samples, column by column, in terms that people read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray, StateArrays
from detectors.checks import as_rows, fitted, state_array
from detectors.errors import InvalidParameterError, InvalidStateError
from detectors.two_sample.ks.distribution import ks_p_values

Direction = Literal["up", "down", "none"]

MOST_ROWS = 1_000
"""Rows of a reference that are kept; a caller with more draws a sample of them."""

QUANTILES = (0.05, 0.5, 0.95)

CHANCE_LEVEL = 0.01
"""A column with a higher p-value moved no more than chance lets it."""

# The mean of Kolmogorov's distribution, sqrt(pi / 2) * ln 2, and of |Z| of a normal Z.
_MEAN_DISTANCE = 0.8687
_MEAN_ABSOLUTE = 0.7979

LEAST_EXPECTED = 5.0
"""Rows of a category that the smaller sample is expected to have; rarer ones are put together."""


@dataclass(frozen=True, eq=False)
class ColumnMove:
    """How one column of a sample compares with the reference.

    Attributes
    ----------
    column : int
        The index of the column.
    is_category : bool
    statistic : float
        In [0, 1]: the Kolmogorov-Smirnov distance of numbers, or half the sum of the absolute
        differences of the categories' shares (the total variation distance). A missing value is one
        more category, and of numbers one that lies above all others.
    p_value : float
        In (0, 1], of this column alone, not corrected for the number of columns.
    by_chance : float
        About the statistic that two samples of this size have on average where nothing moved. Of
        1,000 categories it is 0.4 for samples of 1,000 rows, of numbers 0.04.
    direction : {"up", "down", "none"}
        Of the mean rank of observed numbers, which one wild value cannot turn; "none" where it is
        equal, where a sample observed nothing, and for categories.
    quantiles_ref, quantiles_test : ndarray of float64, shape (3,), or None
        5 %, 50 % and 95 % of the observed numbers, NaN where there are none; None for categories.
    shares_ref, shares_test : ndarray of float64, shape (n_codes,), or None
        The share of all rows that have each of the ``codes``; None for numbers.
    codes : ndarray of float64, shape (n_codes,), or None
        Ascending: every code that either sample has; None for numbers.
    missing_ref, missing_test : float
        The share of rows that miss the column.
    """

    column: int
    is_category: bool
    statistic: float
    p_value: float
    by_chance: float
    direction: Direction
    quantiles_ref: FloatArray | None
    quantiles_test: FloatArray | None
    shares_ref: FloatArray | None
    shares_test: FloatArray | None
    codes: FloatArray | None
    missing_ref: float
    missing_test: float


class ColumnShifts:
    """Compares samples with a reference column by column, to tell what moved.

    It explains a drift that a test has found and does not decide on one: p-values are of each
    column alone. Those of numbers are the Kolmogorov-Smirnov test's, conservative with ties; those
    of categories come from the chi-square distribution, with categories that are expected fewer
    than 5 times in either sample put together, and are approximate where such a group stays small.

    Parameters
    ----------
    categorical_columns : iterable of int
        The indices, from 0, of columns that hold codes of categories.

    Raises
    ------
    InvalidParameterError
        If ``categorical_columns`` holds something other than different indices.

    References
    ----------
    Smirnov: Table for Estimating the Goodness of Fit of Empirical Distributions, 1948,
    doi:10.1214/aoms/1177730256

    Examples
    --------
    >>> shifts = ColumnShifts(categorical_columns=[1]).fit([[1.0, 0.0], [2.0, 0.0], [3.0, 1.0]])
    >>> moves = shifts.compare([[7.0, 0.0], [8.0, 1.0], [np.nan, 1.0]])
    >>> [(move.statistic.__round__(2), move.direction) for move in moves]
    [(1.0, 'up'), (0.33, 'none')]
    """

    def __init__(self, categorical_columns: Iterable[int] = ()) -> None:
        indices = list(categorical_columns)
        if len(set(indices)) < len(indices) or any(
            isinstance(i, bool) or not isinstance(i, int | np.integer) or i < 0 for i in indices
        ):
            raise InvalidParameterError(
                f"categorical_columns must be different indices from 0, not {indices}"
            )
        self._categorical = frozenset(int(i) for i in indices)
        self._ref: FloatArray | None = None

    def fit(self, x_ref: FloatArray) -> Self:
        """Keep the reference, shape (n_ref, n_columns); of more than 1,000 rows, every n-th.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least one row, or holds infinity.
        InvalidParameterError
            If a categorical column lies outside ``x_ref``.
        """
        self._ref = None
        rows = as_rows(x_ref, "x_ref", allow_missing=True)
        if self._categorical and max(self._categorical) >= rows.shape[1]:
            raise InvalidParameterError(
                f"categorical column {max(self._categorical)} is not one of the {rows.shape[1]} "
                "columns, counted from 0"
            )
        if len(rows) > MOST_ROWS:
            rows = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).round().astype(np.int64)]
        self._ref = np.sort(rows, axis=0)
        return self

    @property
    def n_ref(self) -> int:
        """Rows of the reference that are kept; raises NotFittedError before :meth:`fit`."""
        return len(fitted(self._ref, self))

    def compare(self, x_test: FloatArray) -> list[ColumnMove]:
        """Compare ``x_test``, shape (n_test, n_columns), with the reference: one move per column.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x_test`` is not made of at least one row as wide as the reference, or holds
            infinity.
        """
        ref = fitted(self._ref, self)
        rows = as_rows(x_test, "x_test", n_columns=ref.shape[1], allow_missing=True)
        test = np.sort(rows, axis=0)
        is_category = np.isin(np.arange(ref.shape[1]), sorted(self._categorical))
        numbers = np.flatnonzero(~is_category)
        moves = dict(zip(numbers, _numbers(ref[:, numbers], test[:, numbers]), strict=True))
        for column in self._categorical:
            moves[column] = _category(ref[:, column], test[:, column])
        return [ColumnMove(column, **moves[column]) for column in range(ref.shape[1])]

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The rows that are kept, each column sorted, and which columns are categories."""
        return {
            "sorted_ref": fitted(self._ref, self).copy(),
            "is_category": np.isin(
                np.arange(fitted(self._ref, self).shape[1]), sorted(self._categorical)
            ),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore what compares equally.

        Raises
        ------
        InvalidStateError
            If an array is missing or the arrays do not fit each other.
        """
        ref = state_array(arrays, "sorted_ref", ndim=2, allow_missing=True).astype(np.float64)
        is_category = state_array(arrays, "is_category", ndim=1, kind="b")
        if is_category.size != ref.shape[1] or len(ref) > MOST_ROWS:
            raise InvalidStateError("stored arrays 'sorted_ref' and 'is_category' do not fit")
        if not ((ref[1:] >= ref[:-1]) | np.isnan(ref[1:])).all():
            raise InvalidStateError("stored array 'sorted_ref' does not ascend")
        shifts = cls(np.flatnonzero(is_category).tolist())
        shifts._ref = ref
        return shifts


def ranking(moves: Sequence[ColumnMove]) -> list[int]:
    """Order moves by how much moved: what chance explains last, the rest by the statistic.

    What chance gives on average is taken off the statistic first: of a column with many categories
    it is large where nothing moved.

    Returns
    -------
    list of int
        Places in ``moves``; equal moves keep their order.

    Examples
    --------
    >>> shifts = ColumnShifts().fit([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    >>> ranking(shifts.compare([[1.0, 7.0], [2.0, 8.0], [3.0, 9.0]]))
    [1, 0]
    """

    def place(i: int) -> tuple[bool, float]:
        move = moves[i]
        return move.p_value > CHANCE_LEVEL, move.by_chance - move.statistic

    return sorted(range(len(moves)), key=place)


def _numbers(ref: FloatArray, test: FloatArray) -> Iterator[dict[str, Any]]:
    """Describe each column of numbers; both samples sorted, NaN last."""
    n_ref, n_test, n_columns = len(ref), len(test), ref.shape[1]
    if n_columns == 0:
        return
    # Above everything that is observed a missing value is one more value, the largest.
    ref_columns, test_columns = (np.where(np.isnan(x), np.inf, x).T.copy() for x in (ref, test))
    n_observed_ref, n_observed_test = ((~np.isnan(x)).sum(axis=0) for x in (ref, test))
    below, at = _counts(ref_columns, test_columns)
    gaps = _largest_gaps(below, at, n_test)
    statistics = gaps / (n_ref * n_test)
    p_values = ks_p_values(gaps, n_ref, n_test)
    by_chance = float(_MEAN_DISTANCE * np.sqrt(1 / n_ref + 1 / n_test))
    # Of observed pairs: those where the test's value is larger, less those where it is smaller.
    is_observed = np.isfinite(ref_columns)
    wins = ((n_observed_test[:, np.newaxis] - at - below) * is_observed).sum(axis=1)
    for column in range(n_columns):
        yield {
            "is_category": False,
            "statistic": float(statistics[column]),
            "p_value": float(p_values[column]),
            "by_chance": by_chance,
            "direction": ("none", "up", "down")[int(np.sign(wins[column]))],
            "quantiles_ref": _quantiles(ref_columns[column, : n_observed_ref[column]]),
            "quantiles_test": _quantiles(test_columns[column, : n_observed_test[column]]),
            "shares_ref": None,
            "shares_test": None,
            "codes": None,
            "missing_ref": 1.0 - n_observed_ref[column] / n_ref,
            "missing_test": 1.0 - n_observed_test[column] / n_test,
        }


def _counts(ref: FloatArray, test: FloatArray) -> tuple[IntArray, IntArray]:
    """How many of the test's values lie below each of the reference's, and at or below it.

    Both samples sorted, shapes (n_columns, n_ref) and (n_columns, n_test). A column in which no
    value of one ties with one of the other is searched once: half the time of ``compare`` is this.
    """
    below, at = (np.empty(ref.shape, dtype=np.int64) for _ in range(2))
    for column, (values, of_test) in enumerate(zip(ref, test, strict=True)):
        found = of_test.searchsorted(values, "left")
        ties = (of_test.take(found, mode="clip") == values).any()
        below[column] = found
        at[column] = of_test.searchsorted(values, "right") if ties else found
    return below, at


def _largest_gaps(below: IntArray, at: IntArray, n_test: int) -> IntArray:
    """``D * n_ref * n_test`` of each column.

    Between two values of the reference only the test's distribution function moves, and it only
    rises: it is highest above the reference's just below one of them, and deepest below it at one.
    Of values that tie the first and the last give the largest differences, so that none need be
    told apart.

    Parameters
    ----------
    below, at : ndarray of int64, shape (n_columns, n_ref)
        How many of the test's values lie below each sorted value, and at or below it.
    """
    n_ref = below.shape[1]
    places = np.arange(n_ref) * n_test
    above = (below * n_ref - places).max(axis=1)
    return np.asarray(np.maximum(above, (places + n_test - at * n_ref).max(axis=1)))


def _quantiles(observed: FloatArray) -> FloatArray:
    if observed.size == 0:
        return np.full(len(QUANTILES), np.nan)
    places = [round(quantile * (observed.size - 1)) for quantile in QUANTILES]
    return observed[places]


def _category(ref: FloatArray, test: FloatArray) -> dict[str, Any]:
    """Describe a column of categories; both samples sorted, NaN last."""
    codes = np.unique(np.concatenate([ref, test]))
    # NaN sorts above every code.
    counts = np.array([np.diff(x.searchsorted(codes), append=x.size) for x in (ref, test)])
    shares = counts / counts.sum(axis=1, keepdims=True)
    missing = shares[:, -1] if np.isnan(codes[-1]) else np.zeros(2)
    n_codes = codes.size - int(np.isnan(codes[-1]))
    return {
        "is_category": True,
        "statistic": float(min(1.0, 0.5 * np.abs(shares[0] - shares[1]).sum())),
        "p_value": _chi_square_p_value(counts),
        "by_chance": _distance_by_chance(counts),
        "direction": "none",
        "quantiles_ref": None,
        "quantiles_test": None,
        "shares_ref": shares[0, :n_codes],
        "shares_test": shares[1, :n_codes],
        "codes": codes[:n_codes],
        "missing_ref": float(missing[0]),
        "missing_test": float(missing[1]),
    }


def _distance_by_chance(counts: IntArray) -> float:
    """Half the sum of the mean absolute differences of shares with the same expectation."""
    shares = counts.sum(axis=0) / counts.sum()
    variances = shares * (1 - shares) * (1 / counts.sum(axis=1)).sum()
    return float(min(1.0, 0.5 * _MEAN_ABSOLUTE * np.sqrt(variances).sum()))


def _chi_square_p_value(counts: IntArray) -> float:
    """Of two rows of counts: the chi-square distribution's, rare categories put together.

    Which are rare depends on the totals alone, so that the choice cannot favour a result.
    """
    totals = counts.sum(axis=0)
    is_rare = totals * counts.sum(axis=1).min() < LEAST_EXPECTED * counts.sum()
    rest = counts[:, is_rare].sum(axis=1, keepdims=True)
    grouped = np.concatenate([counts[:, ~is_rare], rest], axis=1)
    grouped = grouped[:, grouped.sum(axis=0) > 0]
    if grouped.shape[1] == 1:
        return 1.0
    expected = grouped.sum(axis=0) * grouped.sum(axis=1, keepdims=True) / grouped.sum()
    statistic = ((grouped - expected) ** 2 / expected).sum()
    p_value = scipy.special.chdtrc(grouped.shape[1] - 1, statistic)
    return float(max(p_value, np.finfo(np.float64).tiny))
