"""Events to show to a person who asks what drifted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.base import FloatArray, IntArray
from detectors.checks import as_finite
from detectors.errors import InvalidParameterError, ShapeError


@dataclass(frozen=True, eq=False)
class Exemplars:
    """Positions of events in their test sample; none is in both arrays.

    Attributes
    ----------
    most_different : ndarray of int64, shape (k,)
        The events that went furthest with the move, the furthest first.
    most_typical : ndarray of int64, shape (l,)
        The events that the move left where they were, the most typical first.
    """

    most_different: IntArray
    most_typical: IntArray


def choose_exemplars(event_scores: FloatArray, n_each: int, neutral: float = 0.0) -> Exemplars:
    """Choose the most different and the most typical events of a test sample.

    The most different events have the highest scores. The most typical ones are not those with the
    lowest: a score far below 0 belongs to an event that lies as far out, in the opposite direction
    or in a category that became rare. They are those, of the others, whose scores lie closest to
    ``neutral``. Of equal scores the earlier event comes first.

    Parameters
    ----------
    event_scores : ndarray of float64, shape (n,)
        What ``event_scores`` of a two-sample test gives.
    n_each : int
        How many of each, at least 0; at most half of the events are given, and of an odd number the
        last one goes to the most different.
    neutral : float
        The score that says nothing about a move: 0 where scores have a sign, 0.5 where they are a
        classifier's probabilities.

    Raises
    ------
    InvalidParameterError
        If ``n_each`` is negative or ``neutral`` is not finite.
    InvalidSampleError
        If the scores have more than one axis or are not finite.

    References
    ----------
    Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953

    Examples
    --------
    >>> choose_exemplars(np.array([0.1, 0.9, -0.8, 0.0, 0.7]), n_each=2)
    Exemplars(most_different=array([1, 4]), most_typical=array([3, 0]))
    """
    scores = np.asarray(event_scores, dtype=np.float64)
    if scores.ndim != 1:
        raise ShapeError(f"event_scores must have 1 dimension, not {scores.ndim}")
    if n_each < 0 or not np.isfinite(neutral):
        raise InvalidParameterError(
            f"n_each must be at least 0 and neutral finite, not {n_each} and {neutral}"
        )
    order = np.argsort(-as_finite(scores, "event_scores"), kind="stable")
    n_different = min(n_each, (scores.size + 1) // 2)
    others = np.sort(order[n_different:])
    by_distance = np.argsort(np.abs(scores[others] - neutral), kind="stable")
    n_typical = min(n_each, scores.size // 2)
    return Exemplars(
        most_different=order[:n_different].astype(np.int64),
        most_typical=others[by_distance[:n_typical]].astype(np.int64),
    )
