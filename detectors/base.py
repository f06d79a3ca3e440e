"""The protocols every reducer and every two-sample test fulfils.

The flow is ``x_ref -> Reducer.fit``, ``Reducer.transform(x_ref) -> TwoSampleTest.fit`` once, and
``Reducer.transform(x_test) -> TwoSampleTest.test`` for every test window.
:class:`detectors.drift_detector.DriftDetector` ties the two together.

References
----------
Rabanser, Günnemann, Lipton: Failing Loudly: An Empirical Study of Methods for Detecting Dataset
Shift, NeurIPS 2019, doi:10.48550/arXiv.1810.11953
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
StateArrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class MissingShares:
    """How the shares of missing values compare.

    Attributes
    ----------
    ref, test : ndarray of float64, shape (n_dimensions,)
        Share of the rows of each sample that miss this dimension, in [0, 1].
    p_values : ndarray of float64, shape (n_dimensions,)
        The uncorrected p-value of the difference in each dimension.
    p_value : float
        The smallest of them, corrected for the number of dimensions that miss any value.
    """

    ref: FloatArray
    test: FloatArray
    p_values: FloatArray
    p_value: float


@dataclass(frozen=True, eq=False)
class TwoSampleResult:
    """The outcome of one two-sample test.

    Attributes
    ----------
    statistic : float
        The test statistic over all dimensions, larger meaning further from the reference.
    p_value : float
        Probability under the null of a statistic at least as large, in (0, 1], already corrected
        for the number of dimensions where the test is univariate.
    effect_size : float
        How far apart the samples are, on a scale that does not grow with the number of rows.
    n_ref, n_test : int
        Rows in the reference and in the test sample.
    dimension_statistics : ndarray of float64, shape (n_dimensions,)
        The statistic of each dimension alone.
    dimension_p_values : ndarray of float64, shape (n_dimensions,)
        The uncorrected p-value of each dimension alone.
    dimension_shifts : ndarray of float64, shape (n_dimensions,)
        Mean of the test sample minus mean of the reference, in standard deviations of the
        reference: the direction of the move. 0 where a constant dimension stayed constant,
        signed infinity where it left its constant.
    null_statistics : ndarray of float64, shape (n_permutations,), or None
        Statistics under the permuted null, for tests that permute.
    missing : MissingShares or None
        How the shares of missing values compare; None where no value is missing.
    """

    statistic: float
    p_value: float
    effect_size: float
    n_ref: int
    n_test: int
    dimension_statistics: FloatArray
    dimension_p_values: FloatArray
    dimension_shifts: FloatArray
    null_statistics: FloatArray | None = None
    missing: MissingShares | None = None


class Needs(StrEnum):
    """The part of a sample that a two-sample test has to see.

    ``COUNTS`` are how many values lie in each of the test's cells, ``SUMS`` sums over the rows:
    both add up over the parts of a sample, whatever its size. ``ROWS`` are the rows themselves.
    """

    COUNTS = "counts"
    SUMS = "sums"
    ROWS = "rows"


@dataclass(frozen=True)
class Cost:
    """The cost of a test, known before anything runs.

    Attributes
    ----------
    summary_bytes : int
        Of one summary at its largest, 0 for a test that needs rows.
    reference_bytes : int
        Of the fitted test as ``to_arrays`` gives it.
    test_bytes : int
        The peak memory of one test, what is kept between tests not counted.
    test_us : float
        The order of magnitude of one test's time on one core, in microseconds: a formula whose
        constants were measured. Where the time depends on the values, that of a usual window.
    """

    summary_bytes: int
    reference_bytes: int
    test_bytes: int
    test_us: float


@dataclass(frozen=True)
class StreamCost:
    """The cost of a sequential detector, known before anything runs.

    Attributes
    ----------
    memory_bytes : int
        Of what updates change, at most: each stream has one.
    reference_bytes : int
        Of the fitted detector as ``to_arrays`` gives it, at most.
    update_us : float
        The order of magnitude of an update's time on one core, in microseconds, without its rows.
    row_us : float
        What each row of it adds.
    """

    memory_bytes: int
    reference_bytes: int
    update_us: float
    row_us: float


@runtime_checkable
class Reducer(Protocol):
    """Maps rows of ``n_features`` numbers to rows of ``n_dimensions`` numbers."""

    kind: ClassVar[str]

    def fit(self, x_ref: FloatArray) -> Self:
        """Learn the map from ``x_ref``, shape (n_ref, n_features), and return ``self``."""
        ...

    def transform(self, x: FloatArray) -> FloatArray:
        """Reduce ``x``, shape (n, n_features), to shape (n, n_dimensions)."""
        ...

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to restore the fitted reducer, as named arrays."""
        ...

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a reducer whose ``transform`` gives equal results."""
        ...


@runtime_checkable
class TwoSampleTest(Protocol):
    """Tests whether a sample comes from the distribution of the reference."""

    kind: ClassVar[str]
    draws: ClassVar[bool]
    """Tell whether a test draws from ``rng``."""

    is_univariate: ClassVar[bool]
    """Tell whether each dimension has a statistic, of which the largest decides."""

    needs: ClassVar[Needs]

    def cost(self, n_ref: int, n_test: int, n_dimensions: int) -> Cost:
        """Say what a test of samples of these sizes takes. The test need not be fitted."""
        ...

    def fit(self, x_ref: FloatArray) -> Self:
        """Keep the reference, shape (n_ref, n_dimensions), and return ``self``."""
        ...

    def test(self, x_test: FloatArray, *, rng: np.random.Generator) -> TwoSampleResult:
        """Compare ``x_test``, shape (n_test, n_dimensions), with the reference."""
        ...

    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The statistic at which ``result`` would have had the p-value ``level``."""
        ...

    def lowest_p_value(self, n_ref: int, n_test: int, n_dimensions: int) -> float:
        """Give the lowest p-value that :meth:`test` can return for samples of these sizes.

        It is that of samples without anything in common, after the correction for the number of
        dimensions. A level below it never alarms. The test need not be fitted.
        """
        ...

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """How unlike the reference each row of ``x_test`` is, shape (n_test,); more is stranger."""
        ...

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to restore the fitted test, as named arrays."""
        ...

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a test that gives equal results."""
        ...


@runtime_checkable
class SummaryTest(TwoSampleTest, Protocol):
    """A test of summaries, which add up over the parts of a sample.

    Ask ``needs`` which kind a test is: ``isinstance`` reads ``summary_size``, which an unfitted
    test does not know.
    """

    @property
    def summary_size(self) -> int:
        """The length of a summary, known after ``fit``."""
        ...

    def summarise(self, x: FloatArray) -> NDArray[np.generic]:
        """Sum up ``x``, shape (n, n_dimensions), n may be 0, to shape (summary_size,).

        int64 for COUNTS, float64 for SUMS. The summary of all rows is the sum of the summaries of
        any parts of them.
        """
        ...

    def test_summary(
        self,
        summary: NDArray[np.generic],
        n_test: int,
        *,
        rng: np.random.Generator | None = None,
        reference: tuple[NDArray[np.generic], int] | None = None,
    ) -> TwoSampleResult:
        """Compare the summary of ``n_test`` rows with the reference.

        ``reference``, a summary and its number of rows, takes the place of the fitted one. ``rng``
        is the only source of randomness, needed where a test draws.
        """
        ...


@runtime_checkable
class CountsTest(SummaryTest, Protocol):
    """A test of counts in cells."""

    def place(self, x: FloatArray) -> NDArray[np.int32]:
        """Find the cell of each value, shape (n, n_dimensions).

        ``summarise(x)`` counts them: ``bincount(place(x).ravel(), minlength=summary_size)``.
        """
        ...


@runtime_checkable
class StreamDetector(Protocol):
    """Watches a stream in updates, and alarms once the evidence reaches ``run_time``."""

    @property
    def run_time(self) -> float:
        """The promised expected weight until the first false alarm."""
        ...

    @property
    def statistic(self) -> float:
        """The evidence for a change, in the unit of the weights; 0 before the first update."""
        ...

    @property
    def is_alarm(self) -> bool:
        """Tell whether the evidence has reached ``run_time``."""
        ...

    def fit(self, reference: ArrayLike, /) -> Self:
        """Take a reference, rows or counts, and begin."""
        ...

    def update(self, part: ArrayLike, /, weight: float = 1.0) -> float:
        """Take a part of the stream, rows or counts, and return ``statistic``."""
        ...

    def reset(self) -> None:
        """Forget all updates, as after an alarm that was attended to."""
        ...

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on, as named arrays."""
        ...

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore a detector that goes on with equal values."""
        ...


@runtime_checkable
class SequentialDetector(StreamDetector, Protocol):
    """A detector of a stream of rows that many streams against one reference can share.

    All that updates change is one vector of a constant size, its *memory*, and each stream keeps
    one. ``fit`` takes rows in an order of chance. A reducer in front of it may learn from those at
    ``LEARNING_ROWS`` alone: the promise is about the others.
    """

    kind: ClassVar[str]
    min_rows: ClassVar[int]

    @property
    def dimension_statistics(self) -> FloatArray:
        """The evidence of each dimension, and last that of whole rows where they are watched too.

        Empty where no evidence belongs to a dimension.
        """
        ...

    @property
    def derived_bytes(self) -> int:
        """Bytes held in memory for all streams, without those that ``to_arrays`` gives."""
        ...

    @property
    def memory(self) -> FloatArray:
        """All that updates change, shape (n_memory,)."""
        ...

    def resumed(self, memory: FloatArray) -> Self:
        """Make a detector of the same reference that goes on from a memory."""
        ...

    def cost(self, n_ref: int, n_dimensions: int) -> StreamCost:
        """Say what a reference of ``n_ref`` rows takes. The detector need not be fitted."""
        ...

    def rows_to_find(
        self, shift: float, n_ref: int, n_dimensions: int, weight: float = 1.0
    ) -> float | None:
        """Say in about how many rows it finds a shift of one dimension's mean.

        An order of magnitude, right within a factor of two for shifts that are found well: of a
        normal dimension, by ``shift`` standard deviations, with a usual reference of ``n_ref``
        rows. Infinite where such a shift lies within what the reference leaves open; None where it
        is not known. ``weight`` is what passes of the run time with each row, or each update where
        that does not depend on rows. The detector need not be fitted.
        """
        ...


@runtime_checkable
class FewerRowsTest(TwoSampleTest, Protocol):
    """A test that can say what its statistics would mean if they came of fewer rows.

    A window of rows that depend on each other varies as one of fewer independent rows does.
    """

    def p_value_of_fewer(
        self, result: TwoSampleResult, dimension: int, n_ref: int, n_test: int
    ) -> float:
        """Give the uncorrected p-value of a dimension's statistic for so many rows."""
        ...

    def statistic_of(self, result: TwoSampleResult, dimension: int, p_value: float) -> float:
        """Give the test's statistic where ``dimension`` decides, by this corrected p-value."""
        ...
