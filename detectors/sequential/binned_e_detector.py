"""An e-detector of rows, which it counts in cells that one half of its reference has cut."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from detectors.arrays_io import arrays_below
from detectors.base import FloatArray, StateArrays, StreamCost
from detectors.checks import as_rows, fitted, state_array, whole_number
from detectors.errors import InvalidParameterError, InvalidStateError
from detectors.sequential.counts_e_detector import CountsEDetector
from detectors.sequential.e_detector import MEMORIES, Scheme
from detectors.sequential.evidence_growth import rows_until
from detectors.two_sample.binned import bin_cut
from detectors.two_sample.chi_square.categories import category_cut
from detectors.two_sample.counts.cells import Cells, Cut, Rule

# Of a few numbers that every stored detector has.
_PARAMETER_BYTES = 200
# Rows by which recent shares are known well enough to bet on.
_LEARNING_ROWS = 60.0


class BinnedEDetector:
    """Watches rows by how many of their values lie in each cell, with a promised run time.

    It is a :class:`CountsEDetector`, which states the promise, of the cells that PSI has: between
    quantiles of a dimension or one for each of its few values, and one for missing values. A
    category has a cell; rare ones share one with those that come later. Cells must not have been
    chosen by the rows that they count, so that every other row of the reference cuts them, and only
    the rest is counted. Its order must therefore say nothing of its values; an order by time does,
    where half of the events come in a beat.

    Parameters
    ----------
    run_time : float
        The expected weight until the first false alarm, at least; positive.
    confidence : float
        In (0, 1).
    scheme : str
        ``shiryaev_roberts`` or ``cusum``.
    n_cells : int
        Cells of a dimension at most, but for those of other and of missing values; at least 2. With
        few, a shift has to be large to leave the bounds of a cell; with many, a change of shape is
        found earlier. Against 1,000 rows of 3 dimensions a shift of a mean by 0.35 standard
        deviations took 500, 840, 1,800 and 6,300 rows with 4, 6, 10 and 20 cells, one of a standard
        deviation by half of it 1,500, 650, 440 and 530 (``run_time`` 100,000; medians of 6).
    categorical_columns : iterable of int
        The indices, from 0, of dimensions whose numbers stand for categories.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Shin, Ramdas, Rinaldo: E-detectors: A Nonparametric Framework for Sequential Change Detection,
    New England Journal of Statistics in Data Science 2023, doi:10.51387/23-NEJSDS51

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> detector = BinnedEDetector(run_time=10_000).fit(rng.normal(size=(2_000, 3)))
    >>> for _ in range(100):
    ...     _ = detector.update(rng.normal(size=(20, 3)), weight=20)
    >>> detector.is_alarm
    False
    >>> n_rows = 0
    >>> while not detector.is_alarm:
    ...     n_rows += 20
    ...     _ = detector.update(rng.normal(loc=[0, 0, 1], size=(20, 3)), weight=20)
    >>> n_rows <= 100, int(detector.dimension_statistics.argmax())
    (True, 2)
    """

    kind: ClassVar[str] = "counts_e_detector"
    min_rows: ClassVar[int] = 2 * CountsEDetector.min_rows

    def __init__(
        self,
        run_time: float,
        confidence: float = 0.9,
        scheme: Scheme = "shiryaev_roberts",
        n_cells: int = 6,
        categorical_columns: Iterable[int] = (),
    ) -> None:
        self._counts = CountsEDetector(run_time, confidence, scheme)
        self._n_cells = whole_number(n_cells, "n_cells", at_least=2)
        self._categorical = frozenset(int(column) for column in categorical_columns)
        if min(self._categorical, default=0) < 0:
            raise InvalidParameterError("categorical_columns must be at least 0")
        self._cells: Cells | None = None

    @property
    def run_time(self) -> float:
        """The promised expected weight until the first false alarm."""
        return self._counts.run_time

    @property
    def statistic(self) -> float:
        """The evidence for a change, in the unit of the weights; 0 before the first update."""
        return self._counts.statistic

    @property
    def is_alarm(self) -> bool:
        """Tell whether the evidence has reached ``run_time``; :meth:`reset` begins anew."""
        return self._counts.is_alarm

    @property
    def dimension_statistics(self) -> FloatArray:
        """The evidence of each dimension, whose mean is ``statistic``, shape (n_dimensions,)."""
        return self._counts.dimension_statistics

    @property
    def memory(self) -> FloatArray:
        """All that updates change, as :meth:`resumed` takes it; its size is constant."""
        return self._counts.memory

    def fit(self, x_ref: ArrayLike) -> Self:
        """Cut cells by every other row of a reference, count the rest in them, and begin.

        Parameters
        ----------
        x_ref : ndarray of float64, shape (n_ref, n_dimensions)
            NaN where a value is missing. The rows 0, 2, 4, ... cut.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` has fewer than ``min_rows`` rows or holds infinity.
        """
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows, allow_missing=True)
        cuts = [self._cut(place, column) for place, column in enumerate(rows[::2].T)]
        cells = Cells(cuts)
        self._counts.fit(cells.count(cells.place(rows[1::2])), cells.starts)
        self._cells = cells
        return self

    def reset(self) -> None:
        """Forget all updates, as after an alarm that was attended to."""
        self._counts.reset()

    def update(self, x: ArrayLike, weight: float = 1.0) -> float:
        """Take some rows, shape (n, n_dimensions), n may be 0, and return ``statistic``.

        Parameters
        ----------
        x : ndarray of float64, shape (n, n_dimensions)
            NaN where a value is missing. In which order they come does not matter.
        weight : float
            How much of ``run_time`` passes with them, known before they are seen, or their number.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` has another width or holds infinity.
        InvalidParameterError
            If the weight is not positive and finite.
        """
        cells = fitted(self._cells, self)
        rows = as_rows(x, "x", min_rows=0, n_columns=cells.n_dimensions, allow_missing=True)
        return self._counts.update(cells.count(cells.place(rows)), weight)

    def resumed(self, memory: FloatArray) -> Self:
        """Make a detector of the same reference that goes on from the memory of another one.

        Raises
        ------
        InvalidStateError
            If the memory has another size.
        """
        other = copy(self)
        other._counts = self._counts.resumed(memory)
        return other

    @property
    def derived_bytes(self) -> int:
        """The bytes that it holds in memory for all streams besides those of ``to_arrays``."""
        return 0

    def cost(self, n_ref: int, n_dimensions: int) -> StreamCost:
        """Say what it takes, whatever the size of the reference. It need not be fitted."""
        memory = 8 * len(MEMORIES) * n_dimensions * (self._n_cells + 2 + 1)
        return StreamCost(
            memory_bytes=memory,
            reference_bytes=8 * n_dimensions * (2 * self._n_cells + 5) + memory + _PARAMETER_BYTES,
            update_us=300.0 + 0.25 * len(MEMORIES) * n_dimensions * (self._n_cells + 2),
            row_us=0.1 * n_dimensions,
        )

    def rows_to_find(
        self, shift: float, n_ref: int, n_dimensions: int, weight: float = 1.0
    ) -> float | None:
        """Say in about how many rows it finds a shift of one dimension's mean.

        See :meth:`detectors.base.SequentialDetector.rows_to_find`. Measured medians of 5 streams
        were 0.3 to 1.7 times that, with references of 1,000 and 4,000 rows of 2 and 10 dimensions.
        """
        growth = _growth(shift, n_ref // 2, self._n_cells, n_dimensions, self._counts.confidence)
        n_processes = len(MEMORIES) * n_dimensions
        return _LEARNING_ROWS + rows_until(self.run_time / weight, n_processes, growth)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on."""
        cuts = fitted(self._cells, self).cuts
        edges = np.concatenate([cut.edges for cut in cuts])
        return {
            **{f"counts/{name}": array for name, array in self._counts.to_arrays().items()},
            "rules": np.array([int(cut.rule) for cut in cuts]),
            "n_edges": np.array([cut.edges.size for cut in cuts]),
            "n_cells": np.array([self._n_cells]),
            "is_categorical": np.array([int(n in self._categorical) for n in range(len(cuts))]),
            # Dimensions without any value have no edges, and no stored array is empty.
            **({"edges": edges} if edges.size else {}),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a detector that goes on with equal values.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe a detector.
        """
        rules = state_array(arrays, "rules", ndim=1, kind="i").tolist()
        n_edges = state_array(arrays, "n_edges", ndim=1, kind="i").astype(np.int64)
        n_cells = state_array(arrays, "n_cells", ndim=1, kind="i").tolist()
        is_categorical = state_array(arrays, "is_categorical", ndim=1, kind="i")
        edges = np.empty(0)
        if n_edges.any():
            edges = state_array(arrays, "edges", ndim=1).astype(np.float64)
        counts = CountsEDetector.from_arrays(arrays_below("counts/", arrays))
        wrong = InvalidStateError("stored arrays of an e-detector do not agree")
        if not len(rules) == n_edges.size == is_categorical.size or len(n_cells) != 1:
            raise wrong
        is_known = set(rules) <= {int(rule) for rule in Rule} and (n_edges >= 0).all()
        if int(n_edges.sum()) != edges.size or not is_known:
            raise wrong
        parts = np.split(edges, np.cumsum(n_edges)[:-1])
        cells = Cells([Cut(Rule(rule), own) for rule, own in zip(rules, parts, strict=True)])
        if cells.n_cells != counts.n_cells or any((np.diff(own) <= 0.0).any() for own in parts):
            raise wrong
        try:
            detector = cls(
                counts.run_time,
                n_cells=n_cells[0],
                categorical_columns=np.flatnonzero(is_categorical).tolist(),
            )
        except InvalidParameterError as error:
            raise InvalidStateError(f"{wrong}: {error}") from error
        detector._counts, detector._cells = counts, cells
        return detector

    def _cut(self, place: int, column: FloatArray) -> Cut:
        if place not in self._categorical:
            return bin_cut(column, self._n_cells)
        edges = category_cut(column).edges
        if edges.size > self._n_cells:
            # Of the most frequent categories, those with the smallest codes where some are equal.
            values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
            edges = np.sort(values[np.argsort(-counts, kind="stable")[: self._n_cells]])
        return Cut(Rule.ALONE, edges)


def _growth(
    shift: float, n_counted: int, n_cells: int, n_dimensions: int, confidence: float
) -> float:
    """The growth of evidence with cells of equal shares in the counted half of a reference.

    Each dimension has one more cell, which stays empty: that of missing values.
    """
    counts = np.full(n_cells, n_counted // n_cells)
    counts[: n_counted - int(counts.sum())] += 1
    starts = np.arange(n_dimensions) * (n_cells + 1)
    detector = CountsEDetector(1.0, confidence).fit(
        np.tile(np.append(counts, 0), n_dimensions), starts
    )
    edges = np.concatenate([[-np.inf], ndtri(np.arange(1, n_cells) / n_cells), [np.inf]])
    return detector.growth(np.append(np.diff(ndtr(edges - shift)), 0.0))
