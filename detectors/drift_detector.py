"""A reducer and a two-sample test working as one."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from detectors.arrays_io import arrays_below
from detectors.base import FloatArray, Reducer, StateArrays, TwoSampleResult, TwoSampleTest
from detectors.checks import fitted
from detectors.errors import InvalidStateError
from detectors.performance.exemplars import Exemplars, choose_exemplars
from detectors.registry import reducer_of_kind, two_sample_test_of_kind

HEADER = "detector"
HEADER_DTYPE = np.dtype([("reducer", "S32"), ("test", "S32"), ("n_ref", "<i8")])


class DriftDetector:
    """Reduces rows and compares them with a reference.

    Parameters
    ----------
    reducer : Reducer
        Fitted together with the test, by :meth:`fit`.
    test : TwoSampleTest
        Sees reduced rows only.

    Attributes
    ----------
    reducer : Reducer
    two_sample_test : TwoSampleTest

    References
    ----------
    Rabanser, Günnemann, Lipton: Failing Loudly, NeurIPS 2019, doi:10.48550/arXiv.1810.11953

    Examples
    --------
    >>> from detectors import KSTest, PCA
    >>> rng = np.random.default_rng(0)
    >>> detector = DriftDetector(PCA(n_components=2), KSTest()).fit(rng.normal(size=(400, 5)))
    >>> detector.test(rng.normal(loc=1.0, size=(100, 5)), rng=rng).p_value < 0.001
    True
    """

    def __init__(self, reducer: Reducer, test: TwoSampleTest) -> None:
        self.reducer = reducer
        self.two_sample_test = test
        self._n_ref: int | None = None

    @property
    def n_ref(self) -> int:
        """Rows of the reference; raises NotFittedError before :meth:`fit`."""
        return fitted(self._n_ref, self)

    def fit(self, x_ref: FloatArray) -> Self:
        """Fit the reducer to ``x_ref``, shape (n_ref, n_features), and the test to its reduction.

        Where this raises, the detector is not fitted, whatever it was before.

        Raises
        ------
        InvalidSampleError
            If the reducer or the test cannot use ``x_ref``.
        InvalidParameterError
            If a parameter does not suit ``x_ref``.
        """
        self._n_ref = None
        z_ref = self.reducer.fit(x_ref).transform(x_ref)
        self.two_sample_test.fit(z_ref)
        self._n_ref = len(z_ref)
        return self

    def with_test(self, test: TwoSampleTest, z_ref: FloatArray) -> DriftDetector:
        """A detector with this one's reducer and another test or reference.

        Parameters
        ----------
        test : TwoSampleTest
            Fitted here.
        z_ref : ndarray of float64, shape (n_ref, n_dimensions)
            Rows that this detector's reducer has reduced.

        Raises
        ------
        InvalidSampleError
            If the test cannot use ``z_ref``.
        InvalidParameterError
            If a parameter of the test does not suit ``z_ref``.
        """
        self._check_fitted()
        return DriftDetector.of_reduced(self.reducer, test, z_ref)

    @classmethod
    def of_reduced(cls, reducer: Reducer, test: TwoSampleTest, z_ref: FloatArray) -> Self:
        """Make a detector of a reducer that is fitted and of rows that it has reduced.

        Parameters
        ----------
        reducer : Reducer
            Fitted.
        test : TwoSampleTest
            Fitted here.
        z_ref : ndarray of float64, shape (n_ref, n_dimensions)

        Raises
        ------
        InvalidSampleError
            If the test cannot use ``z_ref``.
        InvalidParameterError
            If a parameter of the test does not suit ``z_ref``.
        """
        detector = cls(reducer, test)
        test.fit(z_ref)
        detector._n_ref = len(z_ref)
        return detector

    def reduce(self, x: FloatArray) -> FloatArray:
        """Reduce ``x``, shape (n, n_features), to shape (n, n_dimensions).

        A row is reduced to the same numbers whatever rows come with it, so that rows may be reduced
        as they arrive and tested later.
        """
        self._check_fitted()
        return self.reducer.transform(x)

    def test(self, x_test: FloatArray, *, rng: np.random.Generator) -> TwoSampleResult:
        """Compare raw rows, shape (n_test, n_features), with the reference."""
        return self.test_reduced(self.reduce(x_test), rng=rng)

    def test_reduced(self, z_test: FloatArray, *, rng: np.random.Generator) -> TwoSampleResult:
        """Compare reduced rows, shape (n_test, n_dimensions), with the reference."""
        self._check_fitted()
        return self.two_sample_test.test(z_test, rng=rng)

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How unlike the reference each raw row is, shape (n_test,)."""
        return self.event_scores_reduced(self.reduce(x_test))

    def event_scores_reduced(self, z_test: FloatArray) -> FloatArray:
        """How unlike the reference each reduced row is, shape (n_test,)."""
        self._check_fitted()
        return self.two_sample_test.event_scores(z_test)

    def exemplars(self, x_test: FloatArray, n_each: int) -> Exemplars:
        """The most different and the most typical of raw rows, ``n_each`` of each.

        Raises
        ------
        InvalidParameterError
            If ``n_each`` is negative.
        """
        return choose_exemplars(self.event_scores(x_test), n_each)

    def _check_fitted(self) -> None:
        fitted(self._n_ref, self)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to restore the detector: ``detector``, ``reducer/...``, ``test/...``.

        ``detector`` is one record with both kinds and the number of reference rows.
        """
        header = (self.reducer.kind.encode(), self.two_sample_test.kind.encode(), self.n_ref)
        return {
            HEADER: np.array(header, dtype=HEADER_DTYPE),
            **{f"reducer/{name}": array for name, array in self.reducer.to_arrays().items()},
            **{f"test/{name}": array for name, array in self.two_sample_test.to_arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a detector that gives equal results.

        Raises
        ------
        InvalidStateError
            If ``arrays`` does not describe a fitted detector of known kinds.
        """
        header = arrays.get(HEADER)
        if header is None or header.dtype != HEADER_DTYPE or header.ndim != 0:
            raise InvalidStateError(f"stored array {HEADER!r} is missing or has another form")
        reducer_kind, test_kind, n_ref = header.item()
        if n_ref < 1:
            raise InvalidStateError(f"stored detector has {n_ref} reference rows")
        detector = cls(
            reducer_of_kind(reducer_kind.decode(errors="replace")).from_arrays(
                arrays_below("reducer/", arrays)
            ),
            two_sample_test_of_kind(test_kind.decode(errors="replace")).from_arrays(
                arrays_below("test/", arrays)
            ),
        )
        detector._n_ref = n_ref
        return detector
