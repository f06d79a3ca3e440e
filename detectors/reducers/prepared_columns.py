"""The numbers that stand for the columns of a row: what :class:`Prepared` learns of a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray, StateArrays
from detectors.checks import state_array
from detectors.errors import InvalidStateError
from detectors.reducers.indicators import LEAST_ROWS, Indicators, indicators_per_column
from detectors.reducers.robust_scale import BOUND, RobustScale


@dataclass(frozen=True, eq=False)
class PreparedColumns:
    """Numbers, then indicators of categories, then indicators of missing numbers.

    Attributes
    ----------
    n_columns : int
        Of a raw row.
    categorical : ndarray of int64, shape (n_categorical,)
        Which columns hold categories, ascending.
    scale : bool
        Whether numbers are scaled, and everything else weighed to go with them.
    numbers : RobustScale
        Of the other columns.
    categories : tuple of Indicators
        Of the categorical ones.
    missing_weights : ndarray of float64, shape (n_columns - n_categorical,)
        What the indicator of a missing number is; 0 where a column has none.
    irregular_scale : RobustScale
        Of how many columns of a row are irregular.
    """

    n_columns: int
    categorical: IntArray
    scale: bool
    numbers: RobustScale
    categories: tuple[Indicators, ...]
    missing_weights: FloatArray
    irregular_scale: RobustScale

    @classmethod
    def of(cls, rows: FloatArray, categorical: IntArray, scale: bool) -> Self:
        """Learn from the rows of a reference, shape (n_ref, n_columns)."""
        numbers = np.delete(rows, categorical, axis=1)
        most = indicators_per_column(categorical.size)
        learned = cls(
            n_columns=rows.shape[1],
            categorical=categorical,
            scale=scale,
            numbers=RobustScale.of(numbers),
            categories=tuple(Indicators.of(rows[:, column], most) for column in categorical),
            missing_weights=_missing_weights(numbers) * scale,
            irregular_scale=RobustScale(np.zeros(1), np.ones(1), np.ones(1)),
        )
        counts = learned._n_irregular(rows)
        return cls(**{**vars(learned), "irregular_scale": RobustScale.of(counts)})

    def prepare(self, rows: FloatArray) -> FloatArray:
        """Turn raw rows, shape (n, n_columns), to the complete ones that a reducer sees."""
        numbers = np.delete(rows, self.categorical, axis=1)
        known = self.numbers.apply(numbers) if self.scale else self.numbers.impute(numbers)
        indicators = [
            indicators.apply(rows[:, column], weighted=self.scale)
            for column, indicators in zip(self.categorical, self.categories, strict=True)
        ]
        some = self.missing_weights > 0.0
        missing = np.isnan(numbers[:, some]) * self.missing_weights[some]
        return np.ascontiguousarray(np.concatenate([known, *indicators, missing], axis=1))

    def irregular(self, rows: FloatArray) -> FloatArray:
        """How many columns of each row are irregular, scaled; or their share; shape (n, 1)."""
        counts = self._n_irregular(rows)
        return self.irregular_scale.apply(counts) if self.scale else counts / self.n_columns

    def _n_irregular(self, rows: FloatArray) -> FloatArray:
        is_irregular = np.isnan(rows)
        numeric = self._numeric()
        is_irregular[:, numeric] |= self.numbers.leaves_constant(rows[:, numeric])
        for column, indicators in zip(self.categorical, self.categories, strict=True):
            is_irregular[:, column] |= indicators.is_new(rows[:, column])
        return np.asarray(is_irregular.sum(axis=1, keepdims=True), dtype=np.float64)

    def _numeric(self) -> IntArray:
        return np.delete(np.arange(self.n_columns), self.categorical)

    def sources(self) -> IntArray:
        """The raw column of each number of a prepared row."""
        n_indicators = [indicators.codes.size + 1 for indicators in self.categories]
        numeric = self._numeric()
        missing = numeric[self.missing_weights > 0.0]
        return np.concatenate([numeric, np.repeat(self.categorical, n_indicators), missing])

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything that is learned, as named arrays; none of them is empty."""
        arrays: dict[str, NDArray[np.generic]] = {
            "n_columns": np.array(self.n_columns),
            "scale": np.array(int(self.scale)),
            **self.irregular_scale.to_arrays("irregular_"),
        }
        if self.missing_weights.size:
            arrays |= self.numbers.to_arrays("")
            arrays["missing_weights"] = self.missing_weights.copy()
        if self.categories:
            arrays["categorical"] = self.categorical.copy()
            arrays["n_codes"] = np.array([c.codes.size for c in self.categories])
            arrays["weights"] = np.array([c.weight for c in self.categories])
            arrays["has_rest"] = np.array([int(c.has_rest) for c in self.categories])
            # A code that no column has goes first: there may be no other.
            arrays["codes"] = np.concatenate([[-1.0], *(c.codes for c in self.categories)])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore it; InvalidStateError if an array is missing or the arrays do not fit."""
        n_columns = int(state_array(arrays, "n_columns", ndim=0, kind="i").item())
        categorical, categories = _stored_categories(arrays)
        numbers = RobustScale(np.empty(0), np.empty(0), np.empty(0))
        missing_weights = np.empty(0)
        if "centres" in arrays:
            numbers = RobustScale.from_arrays(arrays, "")
            missing_weights = state_array(arrays, "missing_weights", ndim=1).astype(np.float64)
        irregular_scale = RobustScale.from_arrays(arrays, "irregular_")
        fits = (
            numbers.centres.size == missing_weights.size == n_columns - categorical.size
            and irregular_scale.centres.size == 1
            and (missing_weights >= 0.0).all()
            and n_columns >= 1
        )
        if not fits or (categorical.size and categorical[-1] >= n_columns):
            raise InvalidStateError("stored arrays of the prepared columns do not fit each other")
        scale = bool(state_array(arrays, "scale", ndim=0, kind="i").item())
        return cls(
            n_columns, categorical, scale, numbers, categories, missing_weights, irregular_scale
        )


def _missing_weights(numbers: FloatArray) -> FloatArray:
    """The weight of an indicator of missing values; 0 where hardly any is missing.

    Columns with a single missing value are counted among the irregular ones alone: an indicator for
    those that happen to miss one in the reference, and not in the sample, would tell them apart.
    """
    shares = np.isnan(numbers).mean(axis=0)
    has_own = shares * len(numbers) >= LEAST_ROWS - 0.5
    variances = np.maximum(shares * (1.0 - shares), 1.0 / BOUND**2)
    return np.where(has_own, 1.0 / np.sqrt(variances), 0.0)


def _stored_categories(arrays: StateArrays) -> tuple[IntArray, tuple[Indicators, ...]]:
    if "categorical" not in arrays:
        return np.empty(0, dtype=np.int64), ()
    categorical = state_array(arrays, "categorical", ndim=1, kind="i").astype(np.int64)
    n_codes = state_array(arrays, "n_codes", ndim=1, kind="i").astype(np.int64)
    weights = state_array(arrays, "weights", ndim=1).astype(np.float64)
    has_rest = state_array(arrays, "has_rest", ndim=1, kind="i").astype(np.bool_)
    codes = state_array(arrays, "codes", ndim=1, allow_missing=True).astype(np.float64)[1:]
    fit = n_codes.size == weights.size == has_rest.size == categorical.size
    if not fit or (n_codes < 0).any() or n_codes.sum() != codes.size:
        raise InvalidStateError("stored arrays of the categories do not fit each other")
    if (np.diff(categorical) <= 0).any() or categorical[0] < 0:
        raise InvalidStateError("stored array 'categorical' does not ascend from 0")
    pieces = np.split(codes, np.cumsum(n_codes)[:-1])
    columns = zip(pieces, weights.tolist(), has_rest.tolist(), strict=True)
    return categorical, tuple(Indicators(*column) for column in columns)
