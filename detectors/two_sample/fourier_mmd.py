"""The maximum mean discrepancy from sums of random Fourier features."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import Cost, FloatArray, Needs, StateArrays, TwoSampleResult
from detectors.checks import as_rows, check_level, fitted, state_array, whole_number
from detectors.errors import InvalidSampleError
from detectors.two_sample.frame import Comparison, ReferenceTest
from detectors.two_sample.kernels import (
    Bandwidth,
    check_bandwidth,
    restored_bandwidth,
    stored_bandwidth,
)
from detectors.two_sample.mixtures import mixture_tail
from detectors.two_sample.permutation import labelling_share
from detectors.two_sample.random_features import (
    check_features,
    draw_frequencies,
    random_features,
    used_bandwidth,
)

MOST_ROWS_FOR_THE_BANDWIDTH = 1_000
"""Rows taken of a larger reference, evenly spaced among the sorted ones: all pairs of 5,000 rows
would take 100 MB."""


class _Embedding(NamedTuple):
    """The map of rows to features, and what the null takes from the reference.

    Attributes
    ----------
    centre, spread : ndarray of float64, shape (n_dimensions,)
        Mean and standard deviation of the observed values of the reference.
    frequencies : ndarray of float64, shape (n_features / 2, 2 * n_dimensions)
        Of the values, and of the marks of missing ones.
    sum_ref : ndarray of float64, shape (n_features,)
    weights : ndarray of float64, shape (k,)
        The eigenvalues of the covariance of the features, in shares of their sum.
    """

    centre: FloatArray
    spread: FloatArray
    frequencies: FloatArray
    sum_ref: FloatArray
    weights: FloatArray

    def features(self, x: FloatArray) -> FloatArray:
        """Map checked rows, shape (n, n_dimensions), to features with rows of norm 1."""
        n_dimensions, absent = self.centre.size, np.isnan(x)
        offsets = x - self.centre
        frequencies = self.frequencies[:, :n_dimensions]
        if absent.any():
            offsets = np.hstack([np.where(absent, 0.0, offsets), absent * self.spread])
            frequencies = self.frequencies
        return random_features(offsets, frequencies) / math.sqrt(len(frequencies))


class FourierMMDTest(ReferenceTest):
    """MMD with a Gaussian kernel, from sums of random features, whatever the number of rows.

    Each row is mapped to ``n_features`` cosines and sines, whose products are kernel values on
    average (Rahimi and Recht). The squared distance of the samples' mean features is then MMD²; a
    sample is summed up by the sum of its features, and the time of a test depends on their number
    alone. Of ``n_features`` features a kernel value is off by at most
    ``sqrt(8 * log(2 / delta) / n_features)`` with probability ``1 - delta``, and MMD itself by an
    error of the same order (Sutherland and Schneider, who bound both): about 0.1 for 256 features
    at most, mostly far less, since the errors of a kernel are alike within and between samples.
    With fewer features the test stays valid and sees less.

    The statistic is the squared distance over its mean under the null, which the sums give: the
    mean of ``n_ref * n_test / (n_ref + n_test) * distance²`` is the variance of the features of a
    row, and their squared norm is always 1. So it is 1 on average where nothing moved, and at most
    ``n_ref + n_test - 1``. The effect size is the root of the unbiased MMD², at least 0.

    Under the null the statistic is a weighted sum of chi-squared variables with one degree of
    freedom, in the limit of many rows. The weights are the eigenvalues of the covariance of the
    features, which ``fit`` takes from the reference's rows; their tail is that of a saddle point
    (:func:`~detectors.two_sample.mixtures.mixture_tail`). Without a shift, of 1,000 pairs of
    samples at a level of 5 %, 3.5 to 5.5 % alarmed with 40 rows against 30 and more, normal or
    heavy-tailed. Against another reference in the place of the fitted one the variance is that of
    the samples at hand, and the shape of the null is still the fitted one's: where the spread of
    the rows changed a lot, fit anew.

    A missing value lies at the mean of its dimension and one standard deviation aside. Dimensions
    are not scaled: those with a large unit decide. Nothing is drawn from ``rng``. The values per
    dimension, which only rows can tell, are those of the Kolmogorov-Smirnov test.

    Parameters
    ----------
    n_features : int
        Even and positive.
    bandwidth : float or "median"
        Positive, in the unit of squared distances; "median" is that of pairs of reference rows, of
        1,000 of them at most.
    seed : int
        Draws the frequencies; at least 0.

    Raises
    ------
    InvalidParameterError
        If a parameter lies outside its range.

    References
    ----------
    Rahimi, Recht: Random Features for Large-Scale Kernel Machines, NeurIPS 2007

    Sutherland, Schneider: On the Error of Random Fourier Features, UAI 2015,
    doi:10.48550/arXiv.1506.02785

    Gretton, Borgwardt, Rasch, Schölkopf, Smola: A Kernel Two-Sample Test, JMLR 13, 2012

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = FourierMMDTest().fit(rng.normal(size=(500, 3)))
    >>> x = rng.normal(loc=0.5, size=(200, 3))
    >>> whole = test.summarise(x[:50]) + test.summarise(x[50:])
    >>> test.test_summary(whole, n_test=200).p_value < 1e-6
    True
    """

    kind: ClassVar[str] = "mmd_features"
    needs: ClassVar[Needs] = Needs.SUMS
    min_rows: ClassVar[int] = 2

    def __init__(
        self, n_features: int = 256, bandwidth: Bandwidth = "median", seed: int = 0
    ) -> None:
        super().__init__()
        check_features(n_features, seed)
        self._n_features, self._seed = n_features, seed
        self._bandwidth = check_bandwidth(bandwidth)
        self._embedding: _Embedding | None = None

    @property
    def summary_size(self) -> int:
        """The number of features; raises NotFittedError before ``fit``."""
        fitted(self._embedding, self)
        return self._n_features

    def summarise(self, x: FloatArray) -> FloatArray:
        """Add up the features of the rows of ``x``, shape (n, n_dimensions), n may be 0.

        Returns
        -------
        ndarray of float64, shape (n_features,)

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If ``x`` has another width, holds infinity, or is so far away that phases overflow.
        """
        embedding = fitted(self._embedding, self)
        width = embedding.centre.size
        rows = as_rows(x, "x", min_rows=0, n_columns=width, allow_missing=True)
        return np.asarray(embedding.features(rows).sum(axis=0))

    def test(self, x_test: FloatArray, *, rng: np.random.Generator) -> TwoSampleResult:
        """Compare ``x_test``, shape (n_test, n_dimensions), with the reference.

        It is :meth:`test_summary` of its summary, with the values of the dimensions, which only
        rows can tell. The raised errors are those of :meth:`summarise`, and that of too few rows.
        """
        x = self._checked(x_test)
        result = self.test_summary(self.summarise(x), len(x), rng=rng)
        attribution = fitted(self._sorted, self).attribute(x)
        return replace(
            result,
            dimension_statistics=attribution.statistics,
            dimension_p_values=attribution.p_values,
            dimension_shifts=attribution.shifts,
            missing=attribution.missing,
        )

    def test_summary(
        self,
        summary: NDArray[np.generic],
        n_test: int,
        *,
        rng: np.random.Generator | None = None,
        reference: tuple[NDArray[np.generic], int] | None = None,
    ) -> TwoSampleResult:
        """Compare sums of features with those of the reference.

        Parameters
        ----------
        summary : ndarray of float64, shape (n_features,)
            What :meth:`summarise` gives, added up over the parts of the sample. Add the sums of a
            window anew: what is taken off again leaves its rounding behind.
        n_test : int
            How many rows it sums up, at least 2.
        rng : numpy.random.Generator, optional
            Not used.
        reference : tuple of ndarray and int, optional
            The sums of another reference and its number of rows; the fitted one where not given.

        Returns
        -------
        TwoSampleResult
            The values of the dimensions are NaN, and ``missing`` is None: sums do not tell them.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidSampleError
            If a summary has another length or is not made of finite floats.
        InvalidParameterError
            If a number of rows is too small.
        """
        embedding = fitted(self._embedding, self)
        ref = embedding.sum_ref if reference is None else self._checked_sums(*reference)
        n_ref = len(fitted(self._x_ref, self)) if reference is None else int(reference[1])
        test = self._checked_sums(summary, n_test)
        difference = ref / n_ref - test / n_test
        between = float(difference @ difference)
        variance = _variance(ref + test, n_ref + n_test)
        size = n_ref * n_test / (n_ref + n_test)
        # Rounding alone leaves 1e-15 of equal rows.
        statistic = size * between / variance if variance > 1e-12 else 0.0
        unbiased = between - _variance(ref, n_ref) / n_ref - _variance(test, n_test) / n_test
        unknown = np.full(embedding.centre.size, np.nan)
        return TwoSampleResult(
            statistic=statistic,
            p_value=self._p_value(statistic, n_ref, n_test),
            effect_size=math.sqrt(max(0.0, unbiased)),
            n_ref=n_ref,
            n_test=int(n_test),
            dimension_statistics=unknown,
            dimension_p_values=unknown,
            dimension_shifts=unknown,
        )

    def event_scores(self, x_test: FloatArray) -> FloatArray:
        """The witness function at each row, shape (n_test,).

        Mean kernel to the test sample minus mean kernel to the reference, both from the features:
        positive where test rows are denser. The raised errors are those of :meth:`test`.
        """
        x, embedding = self._checked(x_test), fitted(self._embedding, self)
        features = embedding.features(x)
        mean_ref = embedding.sum_ref / len(fitted(self._x_ref, self))
        return np.asarray(features @ (features.mean(axis=0) - mean_ref))

    def cost(self, n_ref: int, n_test: int, n_dimensions: int) -> Cost:
        """Say what a test of sums takes: 160 to 240 µs on a shared core for 256 features.

        To sum 200 rows of 10 dimensions up takes 0.7 ms, and memory for all of their features.
        """
        return Cost(
            summary_bytes=8 * self._n_features,
            reference_bytes=8 * n_ref * n_dimensions,
            test_bytes=45 * self._n_features + 2_000,
            test_us=150.0 + 0.1 * self._n_features,
        )

    def lowest_p_value(self, n_ref: int, n_test: int, n_dimensions: int) -> float:
        """Give the share of one labelling of the rows: no p-value is given that is lower."""
        return labelling_share(n_ref, n_test)

    def critical_statistic(self, level: float, result: TwoSampleResult) -> float:
        """The smallest statistic with a p-value of at most ``level`` at ``result``'s sizes.

        ``result.statistic`` reaches it exactly when ``result.p_value <= level``. It is infinite
        where ``level`` is below :meth:`lowest_p_value`.

        Raises
        ------
        InvalidParameterError
            If ``level`` lies outside (0, 1).
        """
        n_ref, n_test = result.n_ref, result.n_test
        if check_level(level) < self.lowest_p_value(n_ref, n_test, 1):
            return np.inf
        low, high = 0.0, 1.0
        while self._p_value(high, n_ref, n_test) > level:
            low, high = high, 2.0 * high
        for _ in range(40):
            middle = (low + high) / 2
            if self._p_value(middle, n_ref, n_test) > level:
                low = middle
            else:
                high = middle
        if result.p_value <= level:
            return min(high, result.statistic)
        return max(high, math.nextafter(result.statistic, math.inf))

    def _prepare(self, x_ref: FloatArray) -> None:
        self._embedding = None
        absent = np.isnan(x_ref)
        n_observed = np.maximum((~absent).sum(axis=0), 1)
        first = np.array([c[~np.isnan(c)][:1].sum() for c in x_ref.T])
        offsets = np.where(absent, 0.0, x_ref - first)
        centre = first + offsets.sum(axis=0) / n_observed
        deviations = np.where(absent, 0.0, x_ref - centre)
        # Of values so far apart that their square overflows the bandwidth's distances say so.
        with np.errstate(over="ignore", invalid="ignore"):
            spread = np.sqrt((deviations**2).sum(axis=0) / n_observed)
            spread = np.where(spread > 0.0, spread, 1.0)
            rows = np.hstack([deviations, absent * spread])
        bandwidth = used_bandwidth(_some(rows), self._bandwidth)
        frequencies = draw_frequencies(rows.shape[1], self._n_features, bandwidth, self._seed)
        embedding = _Embedding(centre, spread, frequencies, np.empty(0), np.empty(0))
        features = embedding.features(x_ref)
        self._embedding = embedding._replace(
            sum_ref=features.sum(axis=0), weights=_shares_of_variance(features)
        )

    def _compare(
        self, x_ref: FloatArray, x_test: FloatArray, rng: np.random.Generator
    ) -> Comparison:
        raise NotImplementedError("tests on sums compare summaries")

    def _p_value(self, statistic: float, n_ref: int, n_test: int) -> float:
        p_value = mixture_tail(statistic, fitted(self._embedding, self).weights)
        return min(1.0, max(p_value, labelling_share(n_ref, n_test)))

    def _checked_sums(self, summary: NDArray[np.generic], n_rows: int) -> FloatArray:
        whole_number(int(n_rows), "rows of a summary", at_least=self.min_rows)
        if summary.dtype != np.float64 or summary.shape != (self._n_features,):
            raise InvalidSampleError(
                f"a summary is {self._n_features} sums, not {summary.dtype} of {summary.shape}"
            )
        sums = summary.astype(np.float64, copy=False)
        if not np.isfinite(sums).all():
            raise InvalidSampleError("a summary holds NaN or infinity")
        return sums

    def _parameters(self) -> dict[str, NDArray[np.generic]]:
        """The parameters, with NaN for the median heuristic."""
        bandwidth = stored_bandwidth(self._bandwidth)
        return {"parameters": np.array([self._n_features, bandwidth, self._seed])}

    @classmethod
    def _from_parameters(cls, arrays: StateArrays) -> Self:
        stored = state_array(arrays, "parameters", ndim=1, allow_missing=True)
        n_features, bandwidth, seed = stored.tolist()
        return cls(int(n_features), restored_bandwidth(bandwidth), int(seed))


def _variance(sums: FloatArray, n: int) -> float:
    """The sum of the unbiased variances of the features, whose squared norm is 1 for every row."""
    mean = sums / n
    return max(0.0, 1.0 - float(mean @ mean)) * n / (n - 1)


def _shares_of_variance(features: FloatArray) -> FloatArray:
    """The eigenvalues of the features' covariance over their sum; one where nothing varies."""
    centred = features - features.mean(axis=0)
    total = float((centred**2).sum())
    if total <= 1e-12 * len(features):
        return np.ones(1)
    eigenvalues = np.linalg.eigvalsh(centred.T @ centred / total)
    return np.asarray(np.maximum(eigenvalues, 0.0))


def _some(rows: FloatArray) -> FloatArray:
    """Up to ``MOST_ROWS_FOR_THE_BANDWIDTH`` of the rows, whatever their order."""
    if len(rows) <= MOST_ROWS_FOR_THE_BANDWIDTH:
        return rows
    ordered = rows[np.lexsort(rows.T)]
    chosen = np.linspace(0, len(rows) - 1, MOST_ROWS_FOR_THE_BANDWIDTH).astype(np.intp)
    return np.asarray(ordered[chosen])
