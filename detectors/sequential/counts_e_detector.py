"""An e-detector on counts: alarms whose expected run time has a lower bound that is proven."""

from __future__ import annotations

import math
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from detectors.base import FloatArray, IntArray, StateArrays
from detectors.checks import fitted, state_array
from detectors.errors import InvalidSampleError, InvalidStateError, TooFewRowsError
from detectors.sequential.e_detector import (
    EDetector,
    check_weight,
    refused_as_state,
)

# Rows of the reference that each cell of the recent past starts with. With fewer, the first rows of
# a stream look like a shift of their own; with more, a shift has to outweigh them first.
_PRIOR_ROWS = 2.0


class CountsEDetector(EDetector):
    """Watches the shares of cells and promises a time until the first false alarm.

    Rows come in updates, such as panes, as counts of the cells of each dimension. The promise: let
    rows be independent, and distributed as those of the reference for as long as nothing changes.
    Then with probability ``confidence``, which is about the reference, the expected weight until
    the first alarm is at least ``run_time``. It holds for this reference and not on average over
    references, for any distribution, with ties and missing values, for any number of dimensions
    however they depend on each other, and without any limit theorem. Rows that depend on each
    other, such as those of an autocorrelated stream, are not covered.

    With that probability all shares ``p`` lie between bounds of Clopper and Pearson that hold for
    all cells at once. Before each update, the past alone decides on an alternative ``w``: the
    shares of recent rows, drawn to those of the reference. A row in cell j multiplies the evidence
    by ``w[j] / p[j]``, where ``p`` are the shares between the bounds that are nearest to ``w``. So
    the factor ``L`` of an update has a mean of at most 1 while nothing changes, and

        ``M = L * (M + weight)``   (Shiryaev and Roberts)
        ``M = L * max(M, weight)``   (CUSUM)

    has a mean of at most the weight so far. So has the mean of ``M`` over dimensions and memories:
    on average it takes a weight of ``run_time`` or more to reach ``run_time``. The first kind is
    never smaller than the second, and never alarms later.

    The bounds are the price of a small reference: a shift that lies within them is never found,
    however long it lasts. The cells must not have been chosen by the rows that are counted: cut
    them by one part of a reference, and count the other.

    Parameters
    ----------
    run_time : float
        The expected weight until the first false alarm, at least; positive. Its unit is that of
        the weights: 1 for each update, the rows of an update, or its milliseconds.
    confidence : float
        In (0, 1).
    scheme : str
        ``shiryaev_roberts`` or ``cusum``.
    memories : sequence of float
        Rows that the recent past reaches back; each positive.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Shin, Ramdas, Rinaldo: E-detectors: A Nonparametric Framework for Sequential Change Detection,
    New England Journal of Statistics in Data Science 2023, doi:10.51387/23-NEJSDS51

    Grünwald, de Heide, Koolen: Safe Testing, JRSS B 2024, doi:10.1093/jrsssb/qkae011

    Clopper, Pearson: The Use of Confidence or Fiducial Limits, Biometrika 1934,
    doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> detector = CountsEDetector(run_time=1_000).fit(rng.multinomial(2_000, [0.5, 0.3, 0.2]))
    >>> for _ in range(100):
    ...     _ = detector.update(rng.multinomial(50, [0.5, 0.3, 0.2]))
    >>> detector.is_alarm
    False
    >>> n_updates = 0
    >>> while not detector.is_alarm:
    ...     n_updates += 1
    ...     _ = detector.update(rng.multinomial(50, [0.3, 0.3, 0.4]))
    >>> n_updates <= 6
    True
    """

    _box: _Box | None = None

    @property
    def n_cells(self) -> int:
        """The cells of all dimensions; raises NotFittedError before ``fit``."""
        return fitted(self._box, self).n_cells

    def fit(self, counts_ref: ArrayLike, starts: ArrayLike = (0,)) -> Self:
        """Take the counts of a reference, and begin.

        Parameters
        ----------
        counts_ref : array_like of int, shape (n_cells,)
            The cells of all dimensions, one after the other. Each dimension has at least two
            cells, and counts each row once.
        starts : array_like of int, shape (n_dimensions,)
            The first cell of each dimension.

        Raises
        ------
        InvalidSampleError
            If the counts are not such counts of at least two rows.
        """
        counts, first = _as_counts(counts_ref), _as_starts(starts, np.size(counts_ref))
        n_ref = _rows_of(counts, first)
        if n_ref < self.min_rows:
            raise TooFewRowsError(f"counts_ref must count at least {self.min_rows} rows")
        self._box = _Box(counts, first, n_ref, self._confidence)
        self.reset()
        return self

    def reset(self) -> None:
        """Forget all updates, as after an alarm that was attended to."""
        box = fitted(self._box, self)
        self._recent = np.zeros((self._memories.size, *box.ref.shape))
        self._begin(len(box.ref))

    def update(self, counts: ArrayLike, weight: float = 1.0) -> float:
        """Take the counts of some rows, and return ``statistic``.

        Parameters
        ----------
        counts : array_like of int, shape (n_cells,)
            As those of the reference; no row at all is allowed.
        weight : float
            How much of ``run_time`` passes with the update, known before its rows are seen, or
            their number. Positive.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If the counts are not such counts.
        InvalidParameterError
            If the weight is not positive and finite.
        """
        box = fitted(self._box, self)
        passing = check_weight(weight)
        flat = _as_counts(counts)
        if flat.size != box.n_cells:
            raise InvalidSampleError(f"counts must have {box.n_cells} cells, not {flat.size}")
        n_rows = _rows_of(flat, box.starts)
        own = box.padded(flat)
        factors = box.log_factors(self._alternatives(box))
        self._multiply((factors * own).sum(axis=2), passing)
        self._recent *= np.exp(-n_rows / self._memories)[:, np.newaxis, np.newaxis]
        self._recent += own
        return self.statistic

    @property
    def memory(self) -> FloatArray:
        """All that updates change, shape (n_memory,), as :meth:`resumed` takes it.

        Its size does not depend on the number of updates. Processes that have not begun are
        infinitely small in it.
        """
        box = fitted(self._box, self)
        evidence = fitted(self._log_evidence, self)
        return np.concatenate([self._recent[:, box.is_cell].ravel(), evidence.ravel()])

    def resumed(self, memory: FloatArray) -> Self:
        """Make a detector of the same reference that goes on from the memory of another one.

        It shares what the reference gives, so that this takes some microseconds where to restore a
        detector takes as long as to fit it. The memory is trusted to be that of a detector with
        equal parameters and an equal reference.

        Raises
        ------
        InvalidStateError
            If it has another size.

        Examples
        --------
        >>> detector = CountsEDetector(run_time=100).fit(np.array([60, 40]))
        >>> _ = detector.update(np.array([0, 30]))
        >>> detector.resumed(detector.memory).statistic == detector.statistic
        True
        """
        box = fitted(self._box, self)
        shape = fitted(self._log_evidence, self).shape
        n_recent = self._memories.size * box.n_cells
        if memory.shape != (n_recent + math.prod(shape),):
            raise InvalidStateError(f"{memory.size} numbers are not the memory of this e-detector")
        other = copy(self)
        other.reset()
        other._recent[:, box.is_cell] = memory[:n_recent].reshape(self._memories.size, box.n_cells)
        other._log_evidence = memory[n_recent:].reshape(shape).copy()
        return other

    def growth(self, shares: FloatArray) -> float:
        """The mean logarithm of what a row is worth once the first dimension has other shares.

        Parameters
        ----------
        shares : ndarray of float64, shape (n_cells of the first dimension,)
            Known to the bets.
        """
        box = fitted(self._box, self)
        alternative = box.ref.copy()
        some = np.maximum(shares, np.finfo(np.float64).tiny)
        alternative[0, : shares.size] = some / some.sum()
        factors = box.log_factors(alternative[np.newaxis])[0, 0, : shares.size]
        return float(shares @ factors)

    def _alternatives(self, box: _Box) -> FloatArray:
        """Shares of recent rows, drawn to the reference, shape (n_memories, n_dimensions, k)."""
        prior = _PRIOR_ROWS * box.sizes[:, np.newaxis] * box.ref
        rows = self._recent + prior
        return np.asarray(rows / rows.sum(axis=2, keepdims=True))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on."""
        box = fitted(self._box, self)
        return {
            "counts_ref": box.counts,
            "starts": box.starts,
            "recent": self._recent.copy(),
            **self._evidence_arrays(),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a detector that goes on with equal values.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe a detector.
        """
        counts = state_array(arrays, "counts_ref", ndim=1, kind="i")
        starts = state_array(arrays, "starts", ndim=1, kind="i")
        detector = cls._of_parameters(arrays)
        with refused_as_state():
            detector.fit(counts, starts)
        recent = state_array(arrays, "recent", ndim=3).astype(np.float64)
        if recent.shape != detector._recent.shape:
            raise InvalidStateError("stored arrays of an e-detector do not agree")
        detector._recent = recent
        detector._restore_evidence(arrays)
        return detector


class _Box:
    """The shares of the reference and their bounds, each dimension padded to the widest one.

    Attributes
    ----------
    ref, lower, upper : ndarray of float64, shape (n_dimensions, k)
        0 where a dimension has fewer than k cells. ``ref`` is positive elsewhere.
    sizes : ndarray of int64, shape (n_dimensions,)
        Cells of each dimension.
    is_cell : ndarray of bool, shape (n_dimensions, k)
    """

    def __init__(self, counts: IntArray, starts: IntArray, n_ref: int, confidence: float) -> None:
        self.counts, self.starts, self.n_cells = counts, starts, counts.size
        self.sizes: IntArray = np.diff(np.append(starts, counts.size))
        self.is_cell = np.arange(int(self.sizes.max())) < self.sizes[:, np.newaxis]
        # Two bounds of each cell.
        risk = (1.0 - confidence) / (2.0 * counts.size)
        below = np.where(
            counts > 0, betaincinv(np.maximum(counts, 1), n_ref - counts + 1, risk), 0.0
        )
        rest = n_ref - counts
        above = np.where(rest > 0, betaincinv(counts + 1, np.maximum(rest, 1), 1.0 - risk), 1.0)
        self.lower, self.upper = self.padded(below), self.padded(above)
        smoothed = self.padded(counts + 0.5)
        self.ref: FloatArray = np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))

    def padded(self, cells: NDArray[np.generic]) -> FloatArray:
        """Numbers of all cells, one dimension a row, shape (n_dimensions, k)."""
        padded = np.zeros(self.is_cell.shape)
        padded[self.is_cell] = cells
        return padded

    def log_factors(self, alternatives: FloatArray) -> FloatArray:
        """The logarithm of what a row in each cell is worth, shape (..., n_dimensions, k).

        It is ``w / p`` for the shares ``p`` between the bounds that are nearest to ``w``: those
        with the largest ``sum(w * log(p))``. No way from there to other shares ``q`` between the
        bounds leads upwards: ``sum(w / p * (q - p)) <= 0``, so ``w / p`` has a mean of at most 1.
        """
        nearest = self._nearest(alternatives)
        ratios = np.divide(
            alternatives, nearest, out=np.ones_like(alternatives), where=self.is_cell
        )
        return np.asarray(np.log(ratios))

    def _nearest(self, w: FloatArray) -> FloatArray:
        """The shares between the bounds nearest to ``w``: ``c * w``, cut off where bounds are.

        Their sum rises with c, from that of the lower bounds to that of the upper ones, in straight
        lines between the values of c at which a share leaves its lower or meets its upper bound.
        """
        edges = np.zeros((2, *w.shape))
        np.divide(self.lower, w, out=edges[0], where=self.is_cell)
        np.divide(self.upper, w, out=edges[1], where=self.is_cell)
        slopes = np.concatenate([w, -w], axis=-1)
        places = np.concatenate([edges[0], edges[1]], axis=-1)
        order = np.argsort(places, axis=-1, kind="stable")
        places = np.take_along_axis(places, order, axis=-1)
        rising = np.cumsum(np.take_along_axis(slopes, order, axis=-1), axis=-1)
        lowest = self.lower.sum(axis=-1)[:, np.newaxis]
        sums = lowest + np.cumsum(rising[..., :-1] * np.diff(places, axis=-1), axis=-1)
        # The line on which the sum reaches 1: the last that begins below, of which the first does.
        line = (sums < 1.0).sum(axis=-1, keepdims=True).clip(max=sums.shape[-1] - 1)
        begins = np.concatenate([np.broadcast_to(lowest, line.shape), sums], axis=-1)
        slope = np.take_along_axis(rising, line, axis=-1)
        missing = 1.0 - np.take_along_axis(begins, line, axis=-1)
        c = np.take_along_axis(places, line, axis=-1)
        c = c + np.divide(missing, slope, out=np.zeros_like(c), where=slope > 0.0)
        return np.asarray(np.clip(c * w, self.lower, self.upper))


def _as_counts(counts: ArrayLike) -> IntArray:
    array = np.asarray(counts)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.size and array.min() < 0):
        raise InvalidSampleError("counts must be whole numbers of at least 0 in one dimension")
    return array.astype(np.int64)


def _as_starts(starts: ArrayLike, n_cells: int) -> IntArray:
    array = np.asarray(starts)
    if array.ndim != 1 or array.dtype.kind not in "iu" or not array.size or array[0] != 0:
        raise InvalidSampleError("starts must be places of cells, the first of them 0")
    first = array.astype(np.int64)
    if (np.diff(np.append(first, n_cells)) < 2).any():
        raise InvalidSampleError("each dimension must have at least 2 cells")
    return first


def _rows_of(counts: IntArray, starts: IntArray) -> int:
    """The number of rows, which each dimension counts."""
    rows = np.add.reduceat(counts, starts)
    if (rows != rows[0]).any():
        raise InvalidSampleError("the dimensions do not count the same number of rows")
    return int(rows[0])
