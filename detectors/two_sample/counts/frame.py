"""The frame of the tests on counts: it places rows, counts them and compares counts."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray, MissingShares, Needs, TwoSampleResult
from detectors.checks import as_rows, fitted, whole_number
from detectors.errors import InvalidParameterError, InvalidSampleError
from detectors.two_sample.counts.cells import Cells, Cut, Rule
from detectors.two_sample.frame import Comparison, ReferenceTest
from detectors.two_sample.missing import compare_missing


class Counts(NamedTuple):
    """How two samples fall into the same cells.

    Attributes
    ----------
    cells : Cells
    ref, test : ndarray of int64, shape (n_cells,)
        Values of each sample in the cells of all dimensions.
    n_ref, n_test : int
        Rows of each sample.
    """

    cells: Cells
    ref: IntArray
    test: IntArray
    n_ref: int
    n_test: int

    def table(self, dimension: int) -> IntArray:
        """The cells of one dimension that either sample has, shape (2, k)."""
        cells = self.cells.of(dimension)
        table = np.stack([self.ref[cells], self.test[cells]])
        return np.asarray(table[:, table.any(axis=0)])


class CountsReferenceTest(ReferenceTest):
    """A two-sample test that sees only how many values lie in each of its cells.

    The cells are cut once, by ``fit``. A missing value has a cell of its own in each dimension. A
    summary of a sample is its counts, which may be added up over parts of the sample, and taken
    off again; both samples may be summaries.
    """

    needs: ClassVar[Needs] = Needs.COUNTS
    is_univariate: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._cells: Cells | None = None
        self._counts_ref: IntArray | None = None

    @property
    def summary_size(self) -> int:
        """The number of cells of all dimensions; raises NotFittedError before ``fit``."""
        return fitted(self._cells, self).n_cells

    def place(self, x: FloatArray) -> NDArray[np.int32]:
        """Find the cell of each value, those of a dimension after those of the one before.

        Parameters
        ----------
        x : ndarray of float64, shape (n, n_dimensions)
            Finite or missing; n may be 0.

        Returns
        -------
        ndarray of int32, shape (n, n_dimensions)

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` has another width or holds infinity.
        """
        cells = fitted(self._cells, self)
        rows = as_rows(x, "x", min_rows=0, n_columns=cells.n_dimensions, allow_missing=True)
        return cells.place(rows)

    def summarise(self, x: FloatArray) -> IntArray:
        """Count the values of ``x`` in each cell, shape (summary_size,).

        The raised errors are those of :meth:`place`.
        """
        return fitted(self._cells, self).count(self.place(x))

    def outer_share(self, summary: NDArray[np.generic], n: int) -> float:
        """Tell how much of a sample lies beyond all edges, where cells cannot tell values apart.

        Parameters
        ----------
        summary : ndarray of int64, shape (summary_size,)
        n : int
            How many rows it sums up, at least 1.

        Returns
        -------
        float
            The largest share of rows of any dimension that is cut at values of the reference; 0
            where none is, since bins and categories take everything by intent.

        Examples
        --------
        >>> from detectors import KSTest
        >>> test = KSTest().fit(np.arange(10.0)[:, np.newaxis])
        >>> test.outer_share(test.summarise(np.array([[5.0], [20.0], [30.0], [-1.0]])), 4)
        0.75
        """
        cells = fitted(self._cells, self)
        is_cut = [cut.rule is Rule.ON_AND_BETWEEN for cut in cells.cuts]
        outer = summary[cells.starts] + summary[cells.missing - 1]
        return float(np.where(is_cut, outer, 0).max(initial=0) / n)

    def test(self, x_test: FloatArray, *, rng: np.random.Generator) -> TwoSampleResult:
        """Compare ``x_test``, shape (n_test, n_dimensions), with the reference.

        It is :meth:`test_summary` of its summary, with the shifts of the dimensions, which only
        rows can tell.

        Parameters
        ----------
        x_test : ndarray of float64, shape (n_test, n_dimensions)
            The test sample.
        rng : numpy.random.Generator
            The only source of randomness; an equal state gives an equal result.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x_test`` has fewer than ``min_rows`` rows, another width or holds infinity.
        """
        x = self._checked(x_test)
        cells = fitted(self._cells, self)
        result = self.test_summary(cells.count(cells.place(x)), len(x), rng=rng)
        return replace(result, dimension_shifts=fitted(self._sorted, self).shifts(x))

    def test_summary(
        self,
        summary: NDArray[np.generic],
        n_test: int,
        *,
        rng: np.random.Generator | None = None,
        reference: tuple[NDArray[np.generic], int] | None = None,
    ) -> TwoSampleResult:
        """Compare counts in the test's cells with those of the reference.

        Parameters
        ----------
        summary : ndarray of int64, shape (summary_size,)
            What :meth:`summarise` gives, added up over the parts of the sample.
        n_test : int
            How many rows it sums up.
        rng : numpy.random.Generator, optional
            The only source of randomness, for the tests that draw.
        reference : tuple of ndarray and int, optional
            The counts of another reference in the same cells and its number of rows; the fitted
            reference where not given.

        Returns
        -------
        TwoSampleResult
            ``dimension_shifts`` is NaN: a cell does not tell how far its values lie from others.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If a summary has another length, dtype or number of rows.
        InvalidParameterError
            If a number of rows is too small, or ``rng`` is missing where the test draws.
        """
        cells = fitted(self._cells, self)
        test = self._checked_counts(summary, n_test, "summary")
        if reference is None:
            ref, n_ref = fitted(self._counts_ref, self), len(fitted(self._x_ref, self))
        else:
            ref, n_ref = self._checked_counts(*reference, "reference"), reference[1]
        counts = Counts(cells, ref, test, int(n_ref), int(n_test))
        comparison = self._compare_counts(counts, rng)
        statistics, p_values = comparison.dimensions or (np.empty(0), np.empty(0))
        return TwoSampleResult(
            statistic=comparison.statistic,
            p_value=comparison.p_value,
            effect_size=comparison.effect_size,
            n_ref=counts.n_ref,
            n_test=counts.n_test,
            dimension_statistics=statistics,
            dimension_p_values=p_values,
            dimension_shifts=np.full(cells.n_dimensions, np.nan),
            null_statistics=comparison.null_statistics,
            missing=_missing(counts),
        )

    def _counted(self, x_test: FloatArray) -> tuple[NDArray[np.int32], Counts]:
        """The cells of checked rows, and both samples' counts."""
        x = self._checked(x_test)
        cells = fitted(self._cells, self)
        placed, ref = cells.place(x), fitted(self._counts_ref, self)
        n_ref = len(fitted(self._x_ref, self))
        return placed, Counts(cells, ref, cells.count(placed), n_ref, len(x))

    def _prepare(self, x_ref: FloatArray) -> None:
        self._cells = self._counts_ref = None
        cells = Cells(self._cuts(x_ref))
        self._cells, self._counts_ref = cells, cells.count(cells.place(x_ref))

    def _compare(
        self, x_ref: FloatArray, x_test: FloatArray, rng: np.random.Generator
    ) -> Comparison:
        raise NotImplementedError("tests on counts compare summaries")

    @abstractmethod
    def _cuts(self, x_ref: FloatArray) -> list[Cut]:
        """How the dimensions are cut into cells, one for each column of the checked reference."""

    @abstractmethod
    def _compare_counts(self, counts: Counts, rng: np.random.Generator | None) -> Comparison:
        """Compare two samples by their counts; ``dimensions`` of the comparison is always given."""

    def _checked_counts(self, summary: NDArray[np.generic], n_rows: int, name: str) -> IntArray:
        cells = fitted(self._cells, self)
        whole_number(int(n_rows), f"rows of {name}", at_least=self.min_rows)
        if summary.dtype.kind != "i" or summary.shape != (cells.n_cells,):
            raise InvalidSampleError(
                f"{name} must be {cells.n_cells} counts, not {summary.dtype} of {summary.shape}"
            )
        counts = summary.astype(np.int64, copy=False)
        if int(counts.sum()) != n_rows * cells.n_dimensions:
            raise InvalidSampleError(f"{name} does not count {n_rows} rows")
        return counts


def drawing(rng: np.random.Generator | None) -> np.random.Generator:
    """Return ``rng``, or raise InvalidParameterError where a test that draws was given none."""
    if rng is None:
        raise InvalidParameterError("rng is needed: this test draws")
    return rng


def _missing(counts: Counts) -> MissingShares | None:
    ref, test = counts.ref[counts.cells.missing], counts.test[counts.cells.missing]
    # A third of the time of ``any``.
    if not (np.count_nonzero(ref) or np.count_nonzero(test)):
        return None
    return compare_missing(ref, test, counts.n_ref, counts.n_test)
