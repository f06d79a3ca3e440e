"""A domain classifier that learns as it goes and bets on its own predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from detectors.base import FloatArray, StateArrays, StreamCost
from detectors.checks import as_rows, fitted, state_array, whole_number
from detectors.errors import InvalidStateError
from detectors.reducers.robust_scale import RobustScale
from detectors.sequential.e_detector import (
    MAX_ROWS,
    MEMORIES,
    RowsEDetector,
    Scheme,
    learning_and_held_out,
    refused_as_state,
)
from detectors.sequential.linear_bets import without_noise
from detectors.sequential.mean_bounds import upper_mean_bound
from detectors.sequential.whitening import Whitening, radius_of, within_radius
from detectors.two_sample.random_features import check_seed

REFIT_ROWS = 64
"""Rows between two times at which the bets follow the classifier. More often costs time, and a
little of the confidence each time; with more rows a large shift is found later."""

# The largest and the smallest logit that is bet with. A row wins a factor of e at most.
_MOST_LOGIT, _LEAST_LOGIT = 1.0, -2.0
# The largest norm of the weights, from which no step of learning leads away.
_MOST_WEIGHT = 3.0
# The share of run times that may be lost to bounds that fail, made up for by the threshold.
_LOST_SHARE = 0.1


class ClassifierEDetector(RowsEDetector):
    """Learns to tell the stream from its reference, and promises a time until a false alarm.

    The promise: let rows be independent, and distributed as those of the reference for as long as
    nothing changes. Then with probability ``confidence``, which is about the reference, the
    expected weight until the first alarm is at least ``run_time``. It holds for this reference and
    not on average over references, for any distribution, with ties, and without any limit theorem.
    Rows that depend on each other, such as those of an autocorrelated stream, are not covered.

    Logistic regressions on columns, their squares and products of pairs learn online to tell recent
    rows from a quarter of the reference. Podkopaev and Ramdas bet on the prediction for the next
    row, which comes from either of two streams. A fixed reference is not a second stream: its rows
    run out, and its share has to be played by a bound. A row of the stream multiplies the evidence
    by the odds ``r(x)`` that the classifier gives it, over an upper bound ``U`` of the mean of r
    under the reference. The classifier of the bets changes every 64 rows, and knows nothing of the
    other three quarters of the reference, the rows held out. So they are a fresh sample for each
    new r, and bound its mean, the k-th time with a risk that is ``1 / (k * (k + 1))`` of the whole.
    So the distance from the mean of the rows held out to U grows as time passes, by about a half
    from the tenth time to the ten thousandth.

    With a probability of ``1 - d`` no bound ever fails. Then the probability of a failure given the
    reference is above 0.1 for at most ``d / 0.1`` of all references; d is ``0.1 * (1 -
    confidence)``. For the others, evidence that was not spoilt has to reach the threshold with a
    probability of 0.9 at least, and the weight counts as 0.9 of itself to make up for that.

    Memory and the time of a row do not depend on the length of the stream; both grow with the rows
    of the reference, of which ``max_rows`` are kept. A shift that lies within the bounds is never
    found.

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
        Rows that each classifier's past reaches back; each positive.
    n_products : int
        Pairs of columns whose products are features, at most; drawn where there are more pairs.
    max_rows : int
        Rows of the reference that are used at most, the first ones; at least 8.
    seed : int
        Draws the pairs; at least 0.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Podkopaev, Ramdas: Sequential Predictive Two-Sample and Independence Testing, NeurIPS 2023,
    doi:10.48550/arXiv.2305.00143

    Pandeva, Bakker, Naesseth, Forré: E-Valuating Classifier Two-Sample Tests, TMLR 2024,
    doi:10.48550/arXiv.2210.13027

    Shin, Ramdas, Rinaldo: E-detectors: A Nonparametric Framework for Sequential Change Detection,
    New England Journal of Statistics in Data Science 2023, doi:10.51387/23-NEJSDS51

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> detector = ClassifierEDetector(run_time=1_000).fit(rng.normal(size=(2_000, 3)))
    >>> for _ in range(20):
    ...     _ = detector.update(rng.normal(size=(50, 3)))
    >>> detector.is_alarm
    False
    >>> n_updates = 0
    >>> while not detector.is_alarm:
    ...     n_updates += 1
    ...     _ = detector.update(rng.normal(size=(50, 3)) * [1.5, 1.0, 1.0])
    >>> n_updates <= 10
    True
    """

    kind: ClassVar[str] = "classifier_e_detector"
    _has_dimensions: ClassVar[bool] = False

    def __init__(
        self,
        run_time: float,
        confidence: float = 0.9,
        scheme: Scheme = "shiryaev_roberts",
        memories: Sequence[float] = MEMORIES,
        n_products: int = 64,
        max_rows: int = MAX_ROWS,
        seed: int = 0,
    ) -> None:
        super().__init__(run_time, confidence, scheme, memories)
        self._n_products = whole_number(n_products, "n_products", at_least=0)
        self._max_rows = whole_number(max_rows, "max_rows", at_least=self.min_rows)
        self._seed = check_seed(seed)
        self._x_ref: FloatArray | None = None

    def fit(self, x_ref: ArrayLike) -> Self:
        """Keep ``x_ref``, shape (n_ref, n_columns), up to ``max_rows``, and begin.

        Raises
        ------
        InvalidSampleError
            If ``x_ref`` is not made of at least 8 rows of finite numbers.
        """
        rows = as_rows(x_ref, "x_ref", min_rows=self.min_rows)[: self._max_rows].copy()
        learning, held_out = learning_and_held_out(rows)
        self._scale = RobustScale.of(learning)
        self._pairs = _pairs(rows.shape[1], self._n_products, self._seed)
        features = _quadratic(self._scale.apply(learning), self._pairs)
        self._whitening = Whitening.aligned(features)
        self._learning, self._held_out = self._features(learning), self._features(held_out)
        self._x_ref, self._n_columns = rows, rows.shape[1]
        self.reset()
        return self

    def reset(self) -> None:
        """Forget all updates, as after an alarm that was attended to."""
        fitted(self._x_ref, self)
        shape = self._memories.size, self._whitening.n_components
        self._weights, self._bets = np.zeros(shape), np.zeros(shape)
        self._log_bounds, self._rows = np.zeros(shape[0]), np.zeros(shape[0])
        self._n_waiting, self._n_refits = 0, 0
        self._begin(1)

    @property
    def derived_bytes(self) -> int:
        """The bytes that it holds in memory for all streams besides those of ``to_arrays``."""
        return self._learning.nbytes + self._held_out.nbytes

    def cost(self, n_ref: int, n_dimensions: int) -> StreamCost:
        """Say what it takes with a reference of ``n_ref`` rows. It need not be fitted."""
        n_products = min(self._n_products, n_dimensions * (n_dimensions - 1) // 2)
        n_features, n_kept = 2 * n_dimensions + n_products, min(n_ref, self._max_rows)
        memory = 8 * (self._memories.size * (2 * n_features + 3) + 2)
        return StreamCost(
            memory_bytes=memory,
            reference_bytes=8 * (n_kept * n_dimensions + 50) + memory,
            update_us=250.0 + n_kept * (0.03 + 0.0008 * n_features),
            row_us=3.0 + 0.0003 * n_kept,
        )

    def _learned(self) -> list[FloatArray]:
        counts = np.array([self._n_waiting, self._n_refits], dtype=np.float64)
        return [self._weights, self._bets, self._log_bounds, self._rows, counts]

    def _go_on_from(self, learned: list[FloatArray]) -> None:
        self._weights, self._bets, self._log_bounds, self._rows, counts = learned
        self._n_waiting, self._n_refits = (int(count) for count in counts)

    def _features(self, rows: FloatArray) -> FloatArray:
        """Whitened features of rows, shape (n, n_components)."""
        features = _quadratic(self._scale.apply(rows), self._pairs)
        return within_radius(self._whitening.apply(features))

    def _play(self, rows: FloatArray) -> FloatArray:
        features = self._features(rows)
        factors = _logits(features, self._bets).sum(axis=0) - len(rows) * self._log_bounds
        if len(rows):
            self._learn(features)
            self._n_waiting += len(rows)
        if self._n_waiting >= REFIT_ROWS:
            self._refit()
        return np.asarray(factors[:, np.newaxis])

    def _multiply(self, log_factors: FloatArray, weight: float) -> None:
        super()._multiply(log_factors, (1.0 - _LOST_SHARE) * weight)

    def _learn(self, features: FloatArray) -> None:
        """Take a step towards the rows and away from the reference, longer with a short memory.

        Where features are white, two gradients lead to the weights that are best for those rows.
        """
        steps = -np.expm1(-len(features) / self._memories)[:, np.newaxis]
        chances = expit(features @ self._weights.T)
        chances_ref = expit(self._learning @ self._weights.T)
        towards = (1.0 - chances).T @ features / len(features)
        away = chances_ref.T @ self._learning / len(self._learning)
        weights = self._weights + 2.0 * steps * (towards - away)
        norms = np.sqrt((weights * weights).sum(axis=1, keepdims=True))
        self._weights = weights * np.minimum(1.0, _MOST_WEIGHT / np.maximum(norms, _MOST_WEIGHT))
        self._rows = self._rows * np.exp(-len(features) / self._memories) + len(features)

    def _refit(self) -> None:
        """Let the bets follow the weights, and bound the odds that they give the reference."""
        self._n_waiting = 0
        self._n_refits += 1
        turns = self._n_refits * (self._n_refits + 1)
        risk = _LOST_SHARE * (1.0 - self._confidence) / (self._memories.size * turns)
        self._bets = self._shrunk(math.sqrt(-2.0 * math.log(risk) / len(self._held_out)))
        self._log_bounds = np.zeros(self._memories.size)
        active = self._bets.any(axis=1)
        if active.any():
            bets = self._bets[active]
            odds = np.exp(_logits(self._held_out, bets))
            variances = np.exp(_logits(self._learning, bets)).var(axis=0)
            norms = np.sqrt((bets * bets).sum(axis=1)) * radius_of(self._whitening.n_components)
            tops = np.exp(np.minimum(norms, _MOST_LOGIT))
            self._log_bounds[active] = np.log(upper_mean_bound(odds, variances, tops, 1.0, risk))

    def _shrunk(self, margin: float) -> FloatArray:
        """The weights, less what noise explains, and less what the bound will cost."""
        weights = without_noise(self._weights, self._weights, self._rows)
        norms = np.sqrt((weights * weights).sum(axis=1, keepdims=True))
        lost = np.divide(margin, norms, out=np.ones_like(norms), where=norms > margin)
        return np.asarray((1.0 - lost) * weights)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on; the reference and the state of the classifiers."""
        return {
            "x_ref": fitted(self._x_ref, self).copy(),
            "numbers": np.array([self._n_products, self._max_rows, self._seed]),
            "counts": np.array([self._n_waiting, self._n_refits]),
            "weights": self._weights.copy(),
            "bets": self._bets.copy(),
            "log_bounds": self._log_bounds.copy(),
            "recent_rows": self._rows.copy(),
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
        x_ref = state_array(arrays, "x_ref", ndim=2)
        numbers = state_array(arrays, "numbers", ndim=1, kind="i").tolist()
        if len(numbers) != 3:
            raise InvalidStateError("stored arrays of an e-detector do not agree")
        with refused_as_state():
            memories = common._memories.tolist()
            detector = cls(
                common.run_time, common._confidence, common._scheme, memories, *numbers
            ).fit(x_ref)
        detector._restore_classifiers(arrays)
        detector._restore_evidence(arrays)
        return detector

    def _restore_classifiers(self, arrays: StateArrays) -> None:
        weights, bets = (
            state_array(arrays, name, ndim=2).astype(np.float64) for name in ("weights", "bets")
        )
        bounds, rows = (
            state_array(arrays, name, ndim=1).astype(np.float64)
            for name in ("log_bounds", "recent_rows")
        )
        counts = state_array(arrays, "counts", ndim=1, kind="i").tolist()
        fit = weights.shape == bets.shape == self._bets.shape and len(counts) == 2
        if not fit or not bounds.shape == rows.shape == self._rows.shape or min(counts) < 0:
            raise InvalidStateError("stored arrays of an e-detector do not agree")
        self._weights, self._bets, self._log_bounds, self._rows = weights, bets, bounds, rows
        self._n_waiting, self._n_refits = counts


def _logits(features: FloatArray, bets: FloatArray) -> FloatArray:
    """The logits that are bet with, shape (n, n_memories)."""
    return np.asarray(np.clip(features @ bets.T, _LEAST_LOGIT, _MOST_LOGIT))


def _pairs(n_columns: int, n_products: int, seed: int) -> NDArray[np.int64]:
    """The pairs of columns to multiply, shape (2, n_pairs): all, or as many as are allowed."""
    first, second = np.triu_indices(n_columns, k=1)
    if first.size > n_products:
        drawn = np.random.default_rng(seed).choice(first.size, size=n_products, replace=False)
        first, second = first[np.sort(drawn)], second[np.sort(drawn)]
    return np.stack([first, second])


def _quadratic(columns: FloatArray, pairs: NDArray[np.int64]) -> FloatArray:
    """Columns, their squares, and the products of the pairs."""
    products = columns[:, pairs[0]] * columns[:, pairs[1]]
    return np.concatenate([columns, columns * columns, products], axis=1)
