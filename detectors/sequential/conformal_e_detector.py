"""A conformal test martingale that is true to its reference, as an e-detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from detectors.base import FloatArray, StateArrays, StreamCost
from detectors.checks import as_rows, fitted, state_array, whole_number
from detectors.errors import InvalidStateError
from detectors.reducers.robust_scale import RobustScale
from detectors.sequential.e_detector import (
    LEARNING_ROWS,
    MAX_ROWS,
    MEMORIES,
    RowsEDetector,
    Scheme,
    learning_and_held_out,
    refused_as_state,
)
from detectors.sequential.evidence_growth import NORMAL_PLACES, growth_of_bets
from detectors.sequential.linear_bets import LinearBets
from detectors.sequential.mean_bounds import upper_mean_bound
from detectors.sequential.whitening import Whitening

# The largest absolute values of the three polynomials.
_REACH = np.sqrt([3.0, 5.0, 7.0])
_RADIUS = float(np.sqrt((_REACH * _REACH).sum()))


class ConformalEDetector(RowsEDetector):
    """Bets that conformal p-values are not uniform, and promises a time until a false alarm.

    The promise: let rows be independent, and distributed as those of the reference for as long as
    nothing changes. Then with probability ``confidence``, which is about the reference, the
    expected weight until the first alarm is at least ``run_time``. It holds for this reference and
    not on average over references, for any distribution, with ties, and without any limit theorem.
    Rows that depend on each other, such as those of an autocorrelated stream, are not covered.

    A row has a score for each column, its value, and one more: its distance from the middle of all
    columns, which sees what no column alone shows. Three quarters of the reference have scores as
    well, and the conformal p-value of a score is its rank among them, at random within its place
    and among ties. Bets are on the mean of three polynomials of the p-value, of degrees 1 to 3:
    that scores are larger or smaller, more or less spread, lopsided.

    Vovk and others prove that p-values are independent and uniform where each is computed from all
    rows before. That would take a memory that grows. With a fixed reference they are independent
    given the reference, but not uniform: they fall into the n + 1 places between its scores with
    probabilities that are distributed as Dirichlet's with all parameters 1, whatever the
    distribution of scores. From that follow bounds of the means of the polynomials, all at once. A
    bet wins its polynomials less the largest mean that the bounds allow, and so has a mean of at
    most 0 while nothing changes.

    No random number is drawn: the win of a row is its mean over ranks within its place and among
    ties. Given the scores of the reference, the mean of a polynomial over rows is then itself a
    mean over ways to break their ties, and Chernoff's bound is for the mean of a convex function.

    The bounds are the price of a small reference: a shift that lies within them is never found,
    however long it lasts. With 1,500 rows held out and 10 columns they are 0.1 standard deviations
    of a polynomial wide on each side. Correlations that change are found where distances change.

    Memory does not depend on the length of the stream, but grows with the reference, up to
    ``max_rows``; the time of a row grows with the logarithm of its number of rows.

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
    max_rows : int
        Rows of the reference that are used at most, the first ones; at least 8.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Vovk, Petej, Nouretdinov, Ahlberg, Carlsson, Gammerman: Retrain or not retrain: conformal test
    martingales for change-point detection, COPA 2021, doi:10.48550/arXiv.2102.10439

    Shaer, Bar, Prinster, Romano: Testing For Distribution Shifts with Conditional Conformal Test
    Martingales, 2026, doi:10.48550/arXiv.2602.13848 (bounds of another kind for the same end)

    Shin, Ramdas, Rinaldo: E-detectors: A Nonparametric Framework for Sequential Change Detection,
    New England Journal of Statistics in Data Science 2023, doi:10.51387/23-NEJSDS51

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> detector = ConformalEDetector(run_time=1_000).fit(rng.normal(size=(2_000, 3)))
    >>> for _ in range(20):
    ...     _ = detector.update(rng.normal(size=(50, 3)))
    >>> detector.is_alarm
    False
    >>> n_updates = 0
    >>> while not detector.is_alarm:
    ...     n_updates += 1
    ...     _ = detector.update(rng.normal(size=(50, 3)) + [0.0, 0.8, 0.0])
    >>> n_updates <= 10, int(detector.dimension_statistics.argmax())
    (True, 1)
    """

    kind: ClassVar[str] = "conformal_e_detector"
    _scores: FloatArray | None = None

    def __init__(
        self,
        run_time: float,
        confidence: float = 0.9,
        scheme: Scheme = "shiryaev_roberts",
        memories: Sequence[float] = MEMORIES,
        max_rows: int = MAX_ROWS,
    ) -> None:
        super().__init__(run_time, confidence, scheme, memories)
        self._max_rows = whole_number(max_rows, "max_rows", at_least=self.min_rows)

    def fit(self, x_ref: ArrayLike) -> Self:
        """Keep the scores of ``x_ref``, shape (n_ref, n_columns), and begin.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least 8 rows of finite numbers.
        """
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows)[: self._max_rows]
        learning, held_out = learning_and_held_out(rows)
        self._scale = RobustScale.of(learning)
        self._whitening = Whitening.aligned(self._scale.apply(learning))
        self._begin_with(np.sort(self._scores_of(held_out), axis=1))
        return self

    def _begin_with(self, scores: FloatArray) -> None:
        """Begin with sorted scores, shape (n_scores, n_held_out)."""
        self._scores, self._n_columns = scores, len(scores) - 1
        self._bounds = _bounds(scores.shape[1], self._risk(len(scores)))
        self.reset()

    def reset(self) -> None:
        """Forget all updates, as after an alarm that was attended to."""
        n_scores = len(fitted(self._scores, self))
        lower, upper = np.repeat(self._bounds[:, np.newaxis, :], n_scores, axis=1)
        reach = np.tile(_REACH, (n_scores, 1))
        self._bets = LinearBets(lower, upper, reach, _RADIUS, self._memories)
        self._begin(n_scores)

    def cost(self, n_ref: int, n_dimensions: int) -> StreamCost:
        """Say what it takes with a reference of ``n_ref`` rows. It need not be fitted."""
        n_scores, n_kept = n_dimensions + 1, min(n_ref, self._max_rows)
        memory = 8 * self._memories.size * (4 * n_scores + 1)
        of_maps = n_dimensions * (n_dimensions + 4)
        return StreamCost(
            memory_bytes=memory,
            reference_bytes=8 * (n_scores * n_kept + of_maps + 50) + memory,
            update_us=150.0 + 60.0 * n_scores,
            row_us=0.5 * n_scores,
        )

    def _growth(self, shift: float, n_ref: int, n_dimensions: int) -> float:
        n_kept = min(n_ref, self._max_rows)
        n_held_out = n_kept - len(range(*LEARNING_ROWS.indices(n_kept)))
        lower, upper = _bounds(n_held_out, self._risk(n_dimensions + 1))
        begins = np.floor(ndtr(NORMAL_PLACES + shift) * n_held_out) / (n_held_out + 1)
        moved = _polynomials(begins, begins + 1.0 / (n_held_out + 1))
        return growth_of_bets(moved, lower, upper, _REACH, _RADIUS)

    def _n_dimensions_of_evidence(self, n_dimensions: int) -> int:
        return n_dimensions + 1

    def _risk(self, n_scores: int) -> float:
        """The risk of each of all bounds."""
        return (1.0 - self._confidence) / (2 * _REACH.size * n_scores)

    def _learned(self) -> list[FloatArray]:
        return [self._bets.recent, self._bets.rows]

    def _go_on_from(self, learned: list[FloatArray]) -> None:
        self._bets = self._bets.resumed(*learned)

    def _scores_of(self, rows: FloatArray) -> FloatArray:
        """The columns, and how far rows lie from their middle, shape (n_scores, n)."""
        white = self._whitening.apply(self._scale.apply(rows))
        return np.ascontiguousarray(np.vstack([rows.T, (white * white).sum(axis=1)]))

    def _play(self, rows: FloatArray) -> FloatArray:
        scores = fitted(self._scores, self)
        features = np.stack(
            [
                _polynomials(*_places(*both))
                for both in zip(scores, self._scores_of(rows), strict=True)
            ],
            axis=1,
        )
        factors = self._bets.log_factors(features)
        self._bets.learn(features)
        return factors

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on; of the reference the scores."""
        return {
            "scores": fitted(self._scores, self).copy(),
            "max_rows": np.array([self._max_rows]),
            **self._scale.to_arrays("column_"),
            **self._whitening.to_arrays("columns_"),
            **self._bets.to_arrays(),
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
        common = cls._of_parameters(arrays)
        max_rows = state_array(arrays, "max_rows", ndim=1, kind="i").tolist()
        if len(max_rows) != 1:
            raise InvalidStateError("stored arrays of an e-detector do not agree")
        with refused_as_state():
            memories = common._memories.tolist()
            detector = cls(common.run_time, common._confidence, common._scheme, memories, *max_rows)
        scores = state_array(arrays, "scores", ndim=2).astype(np.float64)
        detector._scale = RobustScale.from_arrays(arrays, "column_")
        detector._whitening = Whitening.from_arrays(arrays, "columns_")
        n_columns = len(scores) - 1
        shape = detector._whitening.matrix.shape
        if shape != (n_columns, n_columns) or detector._scale.centres.size != n_columns:
            raise InvalidStateError("stored arrays of an e-detector do not agree")
        if (np.diff(scores, axis=1) < 0.0).any():
            raise InvalidStateError("stored array 'scores' is not sorted")
        detector._begin_with(scores)
        detector._bets.restore(arrays)
        detector._restore_evidence(arrays)
        return detector


def _places(scores: FloatArray, new: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Between which p-values new scores lie, in a reference of sorted scores."""
    n_places = scores.size + 1
    begins = scores.searchsorted(new, side="left") / n_places
    ends = (scores.searchsorted(new, side="right") + 1) / n_places
    return begins, ends


def _polynomials(begins: FloatArray, ends: FloatArray) -> FloatArray:
    """The means of Legendre's polynomials of variance 1 over intervals of [0, 1], shape (n, 3)."""
    integrals = _integrals(ends) - _integrals(begins)
    return np.asarray(integrals / (ends - begins)[:, np.newaxis])


def _integrals(p: FloatArray) -> FloatArray:
    """The integrals from 0 to p of the polynomials of degree 1, 2 and 3, shape (n, 3)."""
    falling = p * (p - 1.0)
    first, second = falling, falling * (2.0 * p - 1.0)
    third = falling * (5.0 * falling + 1.0)
    return np.asarray(np.stack([first, second, third], axis=1) * _REACH)


def _bounds(n: int, risk: float) -> FloatArray:
    """Bounds of the means of the polynomials, given n scores of a reference, shape (2, 3).

    Let D be distributed as Dirichlet's with n + 1 parameters 1, and b be values of a polynomial.
    Then ``sum(D * b) >= m`` has at most the probability ``prod(1 / (1 + t * (m - b)))``, for any t
    that leaves all factors positive, since D is distributed as exponential numbers over their sum.
    That is the product of :func:`upper_mean_bound`, here with all that is known in advance.
    """
    edges = np.arange(n + 2) / (n + 1.0)
    values = _polynomials(edges[:-1], edges[1:])
    below, above = (upper_mean_bound(sign * values, 1.0, _REACH, 0.0, risk) for sign in (-1.0, 1.0))
    return np.stack([-below, above])
