"""The part that all e-detectors share: their parameters, and the sum of their evidence."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray, StateArrays
from detectors.checks import as_rows, check_level, fitted, state_array
from detectors.errors import InvalidParameterError, InvalidSampleError, InvalidStateError
from detectors.sequential.evidence_growth import rows_until

Scheme = Literal["shiryaev_roberts", "cusum"]
_SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

MEMORIES = (64.0, 512.0, 4_096.0)
"""Rows that the recent past reaches back. A short memory adapts to a large shift at once; a long
one tells a small shift from the noise of its own estimate."""

# Evidence beyond it is not counted: its exponential has to stay a number.
_MOST_LOG_EVIDENCE = 600.0

MAX_ROWS = 10_000
"""Rows of a reference that are kept at most: so many bound a mean to 0.04 deviations."""

# Bets are learned while evidence grows, which takes the longer for it: measured delays were 0.8 to
# 1.7 times those of bets that are known, in the middle of all 48 cases 1.3 times.
_MORE_ROWS = 1.3

LEARNING_ROWS = slice(None, None, 4)
"""The rows of a reference that decide what is looked at; the others bound means."""


class EDetector:
    """Adds up the evidence of factors that have a mean of at most 1 while nothing changes.

    Each memory has one process for each dimension. An update multiplies it by the factor ``L`` that
    its bets have won:

        ``M = L * (M + weight)``   (Shiryaev and Roberts)
        ``M = L * max(M, weight)``   (CUSUM)

    Where ``L`` has a mean of at most 1, given the past, ``M`` has a mean of at most the weight so
    far, and so has the mean over all processes, the statistic. On average it therefore takes a
    weight of ``run_time`` or more to reach ``run_time``. The first kind is never smaller than the
    second, and never alarms later.

    Parameters
    ----------
    run_time : float
        The expected weight until the first false alarm, at least; positive.
    confidence : float
        In (0, 1): the share of references for which the promise is to hold.
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
    """

    min_rows: ClassVar[int] = 2
    _has_dimensions: ClassVar[bool] = True

    def __init__(
        self,
        run_time: float,
        confidence: float = 0.9,
        scheme: Scheme = "shiryaev_roberts",
        memories: Sequence[float] = MEMORIES,
    ) -> None:
        if not 0.0 < run_time < np.inf:
            raise InvalidParameterError(f"run_time must be positive and finite, not {run_time}")
        if scheme not in _SCHEMES:
            allowed = ", ".join(_SCHEMES)
            raise InvalidParameterError(f"scheme must be one of {allowed}, not {scheme!r}")
        own = np.array(list(memories), dtype=np.float64)
        if own.ndim != 1 or not own.size or not (np.isfinite(own) & (own > 0.0)).all():
            raise InvalidParameterError("memories must be positive numbers, at least one")
        self._run_time, self._scheme = float(run_time), scheme
        self._confidence = check_level(confidence, "confidence")
        self._memories: FloatArray = own
        self._log_evidence: FloatArray | None = None

    @property
    def run_time(self) -> float:
        """The promised expected weight until the first false alarm."""
        return self._run_time

    @property
    def confidence(self) -> float:
        """The share of references for which the promise holds."""
        return self._confidence

    @property
    def statistic(self) -> float:
        """The evidence for a change, in the unit of the weights; 0 before the first update."""
        evidence = fitted(self._log_evidence, self)
        highest = float(evidence.max())
        if highest == -np.inf:
            return 0.0
        # SciPy's logsumexp takes longer than all the rest of an update of counts.
        return math.exp(highest) * float(np.exp(evidence - highest).mean())

    @property
    def is_alarm(self) -> bool:
        """Tell whether the evidence has reached ``run_time``; ``reset`` begins anew."""
        return self.statistic >= self._run_time

    @property
    def dimension_statistics(self) -> FloatArray:
        """The evidence of each dimension, whose mean is ``statistic``, shape (n_dimensions,).

        Empty for a detector that watches rows as a whole.
        """
        evidence = fitted(self._log_evidence, self)
        return np.asarray(np.exp(evidence).mean(axis=0)) if self._has_dimensions else np.empty(0)

    def _begin(self, n_dimensions: int) -> None:
        """Begin without any evidence."""
        self._log_evidence = np.full((self._memories.size, n_dimensions), -np.inf)

    def _multiply(self, log_factors: FloatArray, weight: float) -> None:
        """Let ``weight`` pass, then multiply by the factors, shape (n_memories, n_dimensions)."""
        evidence, begun = fitted(self._log_evidence, self), np.log(weight)
        before = (
            np.logaddexp(evidence, begun)
            if self._scheme == "shiryaev_roberts"
            else np.maximum(evidence, begun)
        )
        self._log_evidence = np.minimum(before + log_factors, _MOST_LOG_EVIDENCE)

    def _evidence_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The parameters and the evidence."""
        evidence = fitted(self._log_evidence, self)
        return {
            "parameters": np.array([self._run_time, self._confidence]),
            "scheme": np.array([_SCHEMES.index(self._scheme)]),
            "memories": self._memories.copy(),
            # JSON and checks of stored arrays know no infinity: 0 is a process that has not begun.
            "evidence_begun": np.isfinite(evidence).astype(np.int64),
            "log_evidence": np.where(np.isfinite(evidence), evidence, 0.0),
        }

    @classmethod
    def _of_parameters(cls, arrays: StateArrays) -> Self:
        """Make a detector, not fitted yet, of stored parameters."""
        parameters = state_array(arrays, "parameters", ndim=1).tolist()
        scheme = state_array(arrays, "scheme", ndim=1, kind="i").tolist()
        memories = state_array(arrays, "memories", ndim=1).tolist()
        if len(parameters) != 2 or len(scheme) != 1 or scheme[0] not in range(len(_SCHEMES)):
            raise InvalidStateError("stored arrays do not describe an e-detector")
        run_time, confidence = parameters
        with refused_as_state():
            return cls(run_time, confidence, _SCHEMES[scheme[0]], memories)

    def _restore_evidence(self, arrays: StateArrays) -> None:
        """Take the stored evidence; InvalidStateError where its shape is not that of ours."""
        begun = state_array(arrays, "evidence_begun", ndim=2, kind="i")
        evidence = state_array(arrays, "log_evidence", ndim=2).astype(np.float64)
        if not begun.shape == evidence.shape == fitted(self._log_evidence, self).shape:
            raise InvalidStateError("stored arrays of an e-detector do not agree")
        self._log_evidence = np.where(begun == 1, evidence, -np.inf)


class RowsEDetector(EDetector):
    """An e-detector that takes rows of numbers."""

    min_rows: ClassVar[int] = 8
    _n_columns: int | None = None

    def update(self, rows: ArrayLike, weight: float = 1.0) -> float:
        """Take some rows, and return ``statistic``.

        Parameters
        ----------
        rows : array_like of numbers, shape (n, n_columns)
            The next rows of the stream; none at all is allowed.
        weight : float
            How much of ``run_time`` passes with the update, known before its rows are seen, or
            their number. Positive.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``rows`` is not made of such rows of finite numbers; nothing changes then.
        InvalidParameterError
            If the weight is not positive and finite; nothing changes then.
        """
        n_columns, passing = fitted(self._n_columns, self), check_weight(weight)
        checked = as_rows(rows, "rows", min_rows=0, n_columns=n_columns)
        self._multiply(self._play(checked), passing)
        return self.statistic

    @property
    def memory(self) -> FloatArray:
        """All that updates change, shape (n_memory,), as :meth:`resumed` takes it.

        Its size does not depend on the number of updates. Processes that have not begun are
        infinitely small in it.
        """
        parts = [*self._learned(), fitted(self._log_evidence, self)]
        return np.concatenate([part.ravel() for part in parts])

    def resumed(self, memory: FloatArray) -> Self:
        """Make a detector of the same reference that goes on from the memory of another one.

        It shares what the reference gives. The memory is trusted to be that of a detector with
        equal parameters and an equal reference.

        Raises
        ------
        InvalidStateError
            If it has another size.
        """
        parts = [*self._learned(), fitted(self._log_evidence, self)]
        ends = np.cumsum([part.size for part in parts])
        if memory.shape != (ends[-1],):
            raise InvalidStateError(f"{memory.size} numbers are not the memory of this e-detector")
        taken = [
            own.reshape(part.shape)
            for own, part in zip(np.split(memory.copy(), ends[:-1]), parts, strict=True)
        ]
        other = copy(self)
        other._log_evidence = taken.pop()
        other._go_on_from(taken)
        return other

    @property
    def derived_bytes(self) -> int:
        """The bytes that it holds in memory for all streams besides those of ``to_arrays``."""
        return 0

    def rows_to_find(
        self, shift: float, n_ref: int, n_dimensions: int, weight: float = 1.0
    ) -> float | None:
        """Say in about how many rows it finds a shift of one dimension's mean; None if unknown.

        See :meth:`detectors.base.SequentialDetector.rows_to_find`.
        """
        growth = self._growth(shift, n_ref, n_dimensions)
        if growth is None:
            return None
        n_processes = self._memories.size * self._n_dimensions_of_evidence(n_dimensions)
        return _MORE_ROWS * rows_until(self.run_time / weight, n_processes, growth)

    def _growth(self, shift: float, n_ref: int, n_dimensions: int) -> float | None:
        """The growth of the evidence a row after a shift; None where it is not known."""
        return None

    def _n_dimensions_of_evidence(self, n_dimensions: int) -> int:
        return 1

    @abstractmethod
    def _learned(self) -> list[FloatArray]:
        """The numbers that updates change, except the evidence."""

    @abstractmethod
    def _go_on_from(self, learned: list[FloatArray]) -> None:
        """Take the place of :meth:`_learned`; nothing that is shared may change."""

    @abstractmethod
    def _play(self, rows: FloatArray) -> FloatArray:
        """Bet on rows, then learn from them; the logarithms of the factors that were won."""


def learning_and_held_out(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Divide a reference: every fourth row to learn from, the others to bound means with.

    Learning needs fewer: a scale that is a little off costs a little speed, while each bound is as
    wide as the root of the number of its rows is small.
    """
    is_held = np.ones(len(rows), dtype=bool)
    is_held[LEARNING_ROWS] = False
    return rows[LEARNING_ROWS], rows[is_held]


def check_weight(weight: float) -> float:
    """Return ``weight`` or raise InvalidParameterError unless it is positive and finite."""
    if not 0.0 < weight < np.inf:
        raise InvalidParameterError(f"weight must be positive and finite, not {weight}")
    return float(weight)


@contextmanager
def refused_as_state() -> Iterator[None]:
    """Raise what a stored parameter or sample is refused with as InvalidStateError."""
    try:
        yield
    except (InvalidParameterError, InvalidSampleError) as error:
        raise InvalidStateError(f"stored arrays do not describe an e-detector: {error}") from error
