"""A classifier that tells test rows from reference rows, judged on rows it has not seen.

References
----------
Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953

Lopez-Paz, Oquab: Revisiting Classifier Two-Sample Tests, ICLR 2017, doi:10.48550/arXiv.1610.06545
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import FloatArray, IntArray
from detectors.checks import as_finite, as_rows
from detectors.errors import ShapeError
from detectors.two_sample.classifier.logistic import FourierLogistic


class ProbabilisticClassifier(Protocol):
    """Two methods of a scikit-learn classifier; any object that has them will do."""

    def fit(self, x: FloatArray, y: IntArray, /) -> object:
        """Learn from ``x``, shape (n, n_columns), and ``y``, 0 or 1, shape (n,)."""
        ...

    def predict_proba(self, x: FloatArray, /) -> FloatArray:
        """Probabilities of 0 and of 1, shape (n, 2)."""
        ...


MakeClassifier = Callable[[np.random.Generator], ProbabilisticClassifier]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions of the classifier for rows that did not take part in its training.

    Both samples have equally many of them, ``n_rows / 2``.

    Attributes
    ----------
    rows_ref, rows_test : ndarray of int64, shape (n_rows / 2,)
        Which rows of the reference and of the test sample were held out.
    p_test_of_ref, p_test_of_test : ndarray of float64, shape (n_rows / 2,)
        The classifier's probability that each of these rows belongs to the test sample.
    """

    rows_ref: IntArray
    rows_test: IntArray
    p_test_of_ref: FloatArray
    p_test_of_test: FloatArray

    @property
    def n_rows(self) -> int:
        """Held-out rows of both samples together."""
        return len(self.rows_ref) + len(self.rows_test)

    @property
    def correct_ref(self) -> NDArray[np.bool_]:
        """Rows of ``rows_ref`` that were recognised; a probability of 1/2 counts as reference."""
        return np.asarray(self.p_test_of_ref <= 0.5)

    @property
    def correct_test(self) -> NDArray[np.bool_]:
        """Rows of ``rows_test`` that were recognised."""
        return np.asarray(self.p_test_of_test > 0.5)

    @property
    def n_correct(self) -> int:
        """Recognised rows of both samples together."""
        return int(self.correct_ref.sum()) + int(self.correct_test.sum())

    @property
    def accuracy(self) -> float:
        """Share of recognised rows; 1/2 is expected where the samples do not differ."""
        return self.n_correct / self.n_rows


class DomainClassifier:
    """Trains on half of the rows which sample a row comes from and judges the other half.

    The larger sample is cut at random to the size of the smaller one. Of each sample one half is
    held out and the other, which has the row more where the number is odd, trains. Everything that
    is learned comes from the training half: centre, spread, penalty and the means that stand in
    for missing values. (The paper's code stops its training early on the held-out half, on which it
    then tests.) Rows are brought into an order of their own before the halves are drawn, so that
    the order in which they are handed in changes nothing.

    Missing values become the mean of their column over the training half, with a column next to it
    that is 1 where the value was missing, for each column that misses any there.

    Parameters
    ----------
    make_classifier : callable
        Makes an unfitted classifier from a generator; by default
        :class:`~detectors.two_sample.classifier.logistic.FourierLogistic`. One of scikit-learn's:
        ``lambda rng: RandomForestClassifier(random_state=int(rng.integers(2**31)))``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x_ref, x_test = rng.normal(size=(500, 3)), rng.normal(loc=1.0, size=(200, 3))
    >>> held_out = DomainClassifier().held_out(x_ref, x_test, rng)
    >>> held_out.n_rows, held_out.accuracy > 0.7
    (200, True)
    """

    min_rows: ClassVar[int] = 4

    def __init__(self, make_classifier: MakeClassifier = FourierLogistic) -> None:
        self._make_classifier = make_classifier

    def held_out(self, x_ref: ArrayLike, x_test: ArrayLike, rng: np.random.Generator) -> HeldOut:
        """Train a classifier on halves of both samples and apply it to the other halves.

        Parameters
        ----------
        x_ref, x_test : array_like, shapes (n_ref, n_dimensions) and (n_test, n_dimensions)
            At least 4 rows each; NaN where a value is missing.
        rng : numpy.random.Generator
            Draws the halves, then goes to the classifier.

        Raises
        ------
        InvalidSampleError
            If a sample has too few rows, holds infinity, or the widths differ.
        """
        ref = as_rows(x_ref, "x_ref", min_rows=self.min_rows, allow_missing=True)
        test = as_rows(
            x_test, "x_test", min_rows=self.min_rows, n_columns=ref.shape[1], allow_missing=True
        )
        n_rows = min(len(ref), len(test))
        train_ref, rows_ref = _halves(ref, n_rows, rng)
        train_test, rows_test = _halves(test, n_rows, rng)
        train = np.concatenate([ref[train_ref], test[train_test]])
        complete = _Completion(train)
        classifier = self._make_classifier(rng)
        classifier.fit(complete(train), np.repeat([0, 1], [len(train_ref), len(train_test)]))
        p_test = _p_test(classifier, complete(np.concatenate([ref[rows_ref], test[rows_test]])))
        return HeldOut(rows_ref, rows_test, p_test[: len(rows_ref)], p_test[len(rows_ref) :])


def n_held_out(n_ref: int, n_test: int) -> int:
    """How many rows of both samples together are held out.

    Examples
    --------
    >>> n_held_out(1000, 51)
    50
    """
    return 2 * (min(n_ref, n_test) // 2)


def _halves(rows: FloatArray, n_rows: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Indices of the training and of the held-out half of ``n_rows`` rows drawn from ``rows``."""
    in_order = np.lexsort(rows.T[::-1])
    drawn = in_order[rng.permutation(len(rows))[:n_rows]].astype(np.int64)
    n_train = n_rows - n_rows // 2
    return drawn[:n_train], drawn[n_train:]


def _p_test(classifier: ProbabilisticClassifier, rows: FloatArray) -> FloatArray:
    probabilities = np.asarray(classifier.predict_proba(rows), dtype=np.float64)
    if probabilities.shape != (len(rows), 2):
        raise ShapeError(
            f"predict_proba must give shape ({len(rows)}, 2), not {probabilities.shape}"
        )
    return np.ascontiguousarray(as_finite(probabilities, "predict_proba's answer")[:, 1])


class _Completion:
    """Fills missing values in with what the training rows, shape (n, n_columns), teach."""

    def __init__(self, train: FloatArray) -> None:
        observed = ~np.isnan(train)
        self._some_missing = ~observed.all(axis=0)
        n_observed = np.maximum(observed.sum(axis=0), 1)
        with np.errstate(over="ignore"):
            self._means = np.where(observed, train, 0.0).sum(axis=0) / n_observed

    def __call__(self, rows: FloatArray) -> FloatArray:
        missing = np.isnan(rows)
        filled = np.where(missing, self._means, rows)
        return np.concatenate([filled, missing[:, self._some_missing]], axis=1)
