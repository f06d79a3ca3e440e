"""Check whether a detected shift harms the model, from fresh labels of a few telling rows.

References
----------
Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray, IntArray
from detectors.checks import check_level
from detectors.errors import InvalidParameterError, InvalidSampleError, ShapeError
from detectors.two_sample.classifier.domain_classifier import HeldOut

MIN_LABELS = 10
"""With fewer labels one wrong prediction may decide: of 4, against 99 % on the validation rows, it
gives p = 0.04; of 10, p = 0.1."""


class Verdict(StrEnum):
    """Result of the check: what the labels say about the shift."""

    HARMFUL = "harmful"
    NOT_SHOWN_HARMFUL = "not_shown_harmful"
    TOO_FEW_LABELS = "too_few_labels"


@dataclass(frozen=True, eq=False)
class Malignancy:
    """How well the monitored model does on the strangest rows of a test sample.

    Attributes
    ----------
    verdict : Verdict
        Harmful where ``p_value`` is at most the level.
    accuracy : float or None
        Share of correct predictions among the selected rows that have a label; None without any.
    accuracy_low, accuracy_high : float
        Clopper–Pearson interval of the accuracy, at the confidence ``1 - level``.
    accuracy_ref : float
        Share of correct predictions on the labelled validation rows.
    p_value : float
        Probability, were both accuracies equal, of so few correct predictions among the selected
        rows (Fisher's exact test, one-sided).
    rows : ndarray of int64, shape (n_selected,)
        The selected rows of the test sample, strangest first: the ones whose labels are wanted.
    n_labelled : int
        How many of them have a label.
    """

    verdict: Verdict
    accuracy: float | None
    accuracy_low: float
    accuracy_high: float
    accuracy_ref: float
    p_value: float
    rows: IntArray
    n_labelled: int


def strangest_rows(held_out: HeldOut, threshold: float = 0.8) -> IntArray:
    """Held-out rows of the test sample with ``P(test) > threshold``, strangest first.

    Raises
    ------
    InvalidParameterError
        If ``threshold`` lies outside [0, 1).

    Examples
    --------
    >>> p_test = np.array([0.7, 0.85, 0.99])
    >>> strangest_rows(HeldOut(np.arange(3), np.array([4, 0, 2]), 1.0 - p_test, p_test))
    array([2, 0])
    """
    if not 0.0 <= threshold < 1.0:
        raise InvalidParameterError(f"threshold must lie in [0, 1), not {threshold}")
    # Equal probabilities in the order of their rows
    order = np.lexsort((held_out.rows_test, -held_out.p_test_of_test))
    strange = held_out.p_test_of_test[order] > threshold
    return np.asarray(held_out.rows_test[order][strange])


def malignancy(
    held_out: HeldOut,
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    n_correct_ref: int,
    n_labels_ref: int,
    threshold: float = 0.8,
    level: float = 0.05,
) -> Malignancy:
    """Compare the monitored model's accuracy on the strangest rows with that on validation rows.

    To be asked once a two-sample test has found a shift. The paper looks at all held-out rows with
    ``P(test) > threshold``, those of the reference among them, and gives no test. Here only rows of
    the test sample count: reference rows that look like the test sample have old labels, which say
    nothing about the model today and pull the accuracy towards the old one. The labels take no
    part in the selection, so the p-value is exact for the selected rows. They are extremes,
    however: the accuracy over the whole test sample is usually better than ``accuracy``.

    Parameters
    ----------
    held_out : HeldOut
        From :meth:`~detectors.two_sample.classifier.domain_classifier.DomainClassifier.held_out`.
    labels : array_like of numbers, shape (n_test,)
        The true class of each row of the test sample; NaN where it is not known, or not yet.
    predictions : array_like of numbers, shape (n_test,)
        The monitored model's class for each row of the test sample.
    n_correct_ref, n_labels_ref : int
        Correct predictions and labelled rows of the model's validation sample.
    threshold : float
        In [0, 1).
    level : float
        The probability with which a harmless selection may be called harmful.

    Raises
    ------
    InvalidSampleError
        If the arrays do not fit each other or a labelled row has no prediction.
    InvalidParameterError
        If a parameter lies outside its range.

    Examples
    --------
    >>> p_test = np.linspace(0.81, 0.99, 20)
    >>> held_out = HeldOut(np.arange(20), np.arange(20), 1.0 - p_test, p_test)
    >>> result = malignancy(
    ...     held_out, np.ones(20), np.repeat([0, 1], 10), n_correct_ref=950, n_labels_ref=1000
    ... )
    >>> result.verdict.value, result.accuracy, result.p_value < 1e-6
    ('harmful', 0.5, True)
    """
    level = check_level(level)
    if not 0 <= n_correct_ref <= n_labels_ref or n_labels_ref == 0:
        raise InvalidParameterError(
            f"n_correct_ref must lie in 0 to n_labels_ref, not {n_correct_ref} of {n_labels_ref}"
        )
    rows = strangest_rows(held_out, threshold)
    correct = _correct(labels, predictions, held_out.rows_test, rows)
    n, n_correct = len(correct), int(correct.sum())
    low, high = (0.0, 1.0)
    if n:
        low, high = scipy.stats.binomtest(n_correct, n).proportion_ci(1.0 - level, method="exact")
    p_value = _p_value(n_correct, n, n_correct_ref, n_labels_ref)
    too_few = n < MIN_LABELS or _p_value(0, n, n_correct_ref, n_labels_ref) > level
    verdict = Verdict.HARMFUL if p_value <= level else Verdict.NOT_SHOWN_HARMFUL
    return Malignancy(
        verdict=Verdict.TOO_FEW_LABELS if too_few else verdict,
        accuracy=n_correct / n if n else None,
        accuracy_low=float(low),
        accuracy_high=float(high),
        accuracy_ref=n_correct_ref / n_labels_ref,
        p_value=p_value,
        rows=rows,
        n_labelled=n,
    )


def _correct(
    labels: ArrayLike, predictions: ArrayLike, held_out_rows: IntArray, rows: IntArray
) -> NDArray[np.bool_]:
    """Say for each of ``rows`` with a label whether it was predicted right."""
    truth, predicted = _as_classes(labels, "labels"), _as_classes(predictions, "predictions")
    if len(truth) != len(predicted) or held_out_rows.max(initial=-1) >= len(truth):
        raise ShapeError("labels and predictions must have one class for each row of x_test")
    labelled = rows[~np.isnan(truth[rows])]
    if np.isnan(predicted[labelled]).any():
        raise InvalidSampleError("a labelled row has no prediction")
    return np.asarray(truth[labelled] == predicted[labelled])


def _as_classes(classes: ArrayLike, name: str) -> FloatArray:
    try:
        array = np.asarray(classes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidSampleError(f"{name} must hold numbers") from error
    if array.ndim != 1:
        raise ShapeError(f"{name} must have 1 dimension, not {array.ndim}")
    return array


def _p_value(n_correct: int, n: int, n_correct_ref: int, n_labels_ref: int) -> float:
    """Fisher's p-value of so few correct, given how many are correct in both samples together."""
    tail = scipy.stats.hypergeom.cdf(n_correct, n_labels_ref + n, n_correct_ref + n_correct, n)
    return float(np.clip(tail, np.finfo(np.float64).tiny, 1.0))
