"""Tests of summaries: any parts of a sample add up to it, and oracles that share no code agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon

from detectors import (
    ChiSquareTest,
    CountsTest,
    FourierMMDTest,
    InvalidParameterError,
    InvalidSampleError,
    JensenShannonTest,
    KSTest,
    MixedTest,
    Needs,
    NotFittedError,
    PSITest,
    SummaryTest,
)
from detectors.two_sample import fourier_mmd

COUNTS: dict[str, Callable[[], CountsTest]] = {
    "ks": KSTest,
    "ks_of_few_cells": lambda: KSTest(n_cells=4),
    "chi_square": lambda: ChiSquareTest(n_draws=99),
    "mixed": lambda: MixedTest([1], n_draws=99),
    "psi": lambda: PSITest(19, 4),
    "jensen_shannon": lambda: JensenShannonTest(19, 4),
}
SUMMARIES: dict[str, Callable[[], SummaryTest]] = {
    **COUNTS,
    "mmd_features": lambda: FourierMMDTest(n_features=16),
}

# Few values: with many ties, and categories that are new. Wide ones: no grid is of use among them.
few = st.integers(-2, 5).map(float)
wide = st.floats(-1e140, 1e140)
values = few | wide | st.just(np.nan)


def rows(element: st.SearchStrategy[float], least: int = 2) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(least, 30), st.just(2))
    return arrays(np.float64, shapes, elements=element)


def seeded() -> np.random.Generator:
    return np.random.default_rng(5)


def assert_alike(one, other, *, tolerance: float = 0.0) -> None:
    """Equal but for the values of the dimensions that only rows can tell."""
    for name in ("statistic", "p_value", "effect_size"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=tolerance, rel=0), name
    assert (one.n_ref, one.n_test) == (other.n_ref, other.n_test)


def cut_at(x: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    """The rows in parts, some of which may be empty."""
    return np.split(x, sorted(min(cut, len(x)) for cut in cuts))


@pytest.mark.parametrize("kind", sorted(COUNTS))
@settings(max_examples=60, deadline=None)
@given(ref=rows(values), test=rows(values), cuts=st.lists(st.integers(0, 30), max_size=4))
def test_counts_of_any_parts_give_the_result_of_all_rows_to_the_last_bit(kind, ref, test, cuts):
    fitted = COUNTS[kind]().fit(ref)

    whole = sum(
        (fitted.summarise(part) for part in cut_at(test, cuts)), start=fitted.summarise(ref[:0])
    )
    result = fitted.test_summary(whole, len(test), rng=seeded())

    of_rows = fitted.test(test, rng=seeded())
    assert_alike(result, of_rows)
    assert result.dimension_statistics.tolist() == of_rows.dimension_statistics.tolist()
    assert result.dimension_p_values.tolist() == of_rows.dimension_p_values.tolist()
    assert np.isnan(result.dimension_shifts).all()


@settings(max_examples=60, deadline=None)
@given(
    ref=rows(few), test=rows(few | st.just(np.nan)), cuts=st.lists(st.integers(0, 30), max_size=4)
)
def test_sums_of_any_parts_give_the_result_of_all_rows_but_for_rounding(ref, test, cuts):
    fitted = FourierMMDTest(n_features=16).fit(ref)

    whole = np.sum([fitted.summarise(part) for part in cut_at(test, cuts)], axis=0)

    of_rows = fitted.test(test, rng=seeded())
    # A sum of n features of at most 1 is rounded by n * eps at most; effect sizes are roots.
    assert_alike(fitted.test_summary(whole, len(test)), of_rows, tolerance=1e-6)


@pytest.mark.parametrize("kind", sorted(COUNTS))
@settings(max_examples=60, deadline=None)
@given(ref=rows(values), x=rows(values))
def test_a_summary_counts_the_places_of_the_rows(kind, ref, x):
    fitted = COUNTS[kind]().fit(ref)

    places = fitted.place(x)

    assert places.dtype == np.int32
    assert places.shape == x.shape
    counted = np.bincount(places.ravel(), minlength=fitted.summary_size)
    assert fitted.summarise(x).tolist() == counted.tolist()
    assert fitted.summarise(x).dtype == np.int64


@pytest.mark.parametrize("kind", sorted(SUMMARIES))
@settings(max_examples=30, deadline=None)
@given(ref=rows(few), test=rows(few))
def test_a_reference_that_is_handed_in_takes_the_place_of_the_fitted_one(kind, ref, test):
    fitted = SUMMARIES[kind]().fit(ref)
    own = fitted.summarise(ref), len(ref)

    given_in = fitted.test_summary(fitted.summarise(test), len(test), rng=seeded(), reference=own)

    assert_alike(given_in, fitted.test(test, rng=seeded()), tolerance=1e-12)


def with_missing_last(column: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(column), np.inf, column)


@settings(max_examples=150, deadline=None)
@given(ref=rows(values), test=rows(values))
def test_the_distance_is_that_of_scipy_with_ties_and_missing_values_last(ref, test):
    result = KSTest().fit(ref).test(test, rng=seeded())

    expected = [
        stats.ks_2samp(*map(with_missing_last, pair), method="asymp").statistic
        for pair in zip(ref.T, test.T, strict=True)
    ]
    np.testing.assert_allclose(result.dimension_statistics, expected, atol=1e-12)


def distance_at(edges: np.ndarray, ref: np.ndarray, test: np.ndarray) -> float:
    """The largest difference of the distribution functions at and just below the edges."""
    gaps = [0.0]
    for edge in edges:
        gaps.append(abs((ref <= edge).mean() - (test <= edge).mean()))
        gaps.append(abs((ref < edge).mean() - (test < edge).mean()))
    gaps.append(abs(np.isinf(ref).mean() - np.isinf(test).mean()))
    return max(gaps)


@settings(max_examples=100, deadline=None)
@given(fit=rows(few), ref=rows(few | st.floats(-3, 6)), test=rows(few | st.just(np.nan)))
def test_with_another_reference_the_distance_is_exact_at_the_edges(fit, ref, test):
    fitted = KSTest().fit(fit)
    reference = fitted.summarise(ref), len(ref)

    result = fitted.test_summary(fitted.summarise(test), len(test), reference=reference)

    expected = [
        distance_at(np.unique(of_fit), with_missing_last(of_ref), with_missing_last(of_test))
        for of_fit, of_ref, of_test in zip(fit.T, ref.T, test.T, strict=True)
    ]
    np.testing.assert_allclose(result.dimension_statistics, expected, atol=1e-12)


@pytest.mark.parametrize("n_cells", [2, 5, 50])
def test_few_cells_miss_less_than_one_cell_of_the_distance(n_cells):
    rng = np.random.default_rng(n_cells)
    for _ in range(50):
        ref = np.append(rng.normal(size=200), [0.5] * 40)[:, np.newaxis]
        test = rng.normal(rng.normal() / 2, 1.0, (90, 1))
        exact = stats.ks_2samp(ref[:, 0], test[:, 0], method="asymp").statistic

        distance = KSTest(n_cells).fit(ref).test(test, rng=rng).statistic

        assert exact - 1 / n_cells <= distance <= exact + 1e-12


def test_distances_of_a_billion_rows_do_not_overflow():
    fitted = KSTest().fit(np.arange(40.0).reshape(2, 20).repeat(3, axis=0))
    low, high = fitted.summarise(fitted._x_ref[:1]), fitted.summarise(fitted._x_ref[-1:])
    n = 10**9

    result = fitted.test_summary(
        low * (n // 4) + high * (3 * n // 4), n, reference=(low * (n // 2) + high * (n // 2), n)
    )

    assert result.dimension_statistics.tolist() == [0.25] * 20
    assert 0.0 < result.p_value < 1e-300


def categories(rng: np.random.Generator, n: int, shares: np.ndarray) -> np.ndarray:
    return rng.choice(len(shares), n, p=shares).astype(float)


def test_the_chi_square_statistic_is_that_of_scipy_on_the_grouped_table(rng):
    shares = np.r_[0.4, 0.3, 0.2, np.full(50, 0.002)]
    ref, test = categories(rng, 300, shares), categories(rng, 200, shares[::-1])
    fitted = ChiSquareTest().fit(ref[:, np.newaxis])
    kept = [0.0, 1.0, 2.0]

    def grouped(x: np.ndarray) -> list[int]:
        return [*((x == value).sum() for value in kept), (~np.isin(x, kept)).sum()]

    v = fitted.test(test[:, np.newaxis], rng=rng).dimension_statistics[0]

    expected = stats.chi2_contingency([grouped(ref), grouped(test)], correction=False)
    assert v**2 * 500 == pytest.approx(expected.statistic, rel=1e-9)


@pytest.mark.parametrize("n_bins", [2, 7, 10])
def test_psi_and_jensen_shannon_are_those_of_scipy_on_the_counts_in_bins(n_bins, rng):
    x, y = rng.normal(size=45), rng.normal(0.5, 2.0, 31)
    # Each bin reaches up to and includes its upper quantile of the reference.
    edges = np.sort(x)[[int(np.ceil(45 * k / n_bins)) - 1 for k in range(1, n_bins)]]
    p, q = (np.bincount(np.searchsorted(edges, z), minlength=n_bins) for z in (x, y))

    js, psi = (
        make(9, n_bins).fit(x[:, np.newaxis]).test(y[:, np.newaxis], rng=rng)
        for make in (JensenShannonTest, PSITest)
    )

    assert js.statistic == pytest.approx(jensenshannon(p, q, base=2), rel=1e-9)
    added = n_bins / 2 * (p + q) / (p + q).sum()
    p, q = p + added, q + added
    assert psi.statistic == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=1e-9)


def unbiased_mmd2(x: np.ndarray, y: np.ndarray, bandwidth: float) -> float:
    """MMD² by the kernel of every pair."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-((a[:, np.newaxis] - b) ** 2).sum(axis=2) / bandwidth)

    n, m = len(x), len(y)
    within = (kernel(x, x).sum() - n) / (n * (n - 1)) + (kernel(y, y).sum() - m) / (m * (m - 1))
    return float(within - 2.0 * kernel(x, y).mean())


@pytest.mark.parametrize("shift", [0.3, 1.0, 3.0])
def test_features_estimate_the_mmd_of_all_pairs(shift, rng, monkeypatch):
    # For p-values alone, and of 4,096 features they take 8 s.
    monkeypatch.setattr(fourier_mmd, "_shares_of_variance", lambda features: np.ones(1))
    x, y = rng.normal(size=(80, 3)), rng.normal(shift, 1.0, (60, 3))
    fitted = FourierMMDTest(n_features=4_096, bandwidth=6.0).fit(x)

    effect = fitted.test_summary(fitted.summarise(y), 60).effect_size

    exact = unbiased_mmd2(x, y, 6.0)
    # The standard error that rff_mmd2 states, four times.
    error = (np.sqrt(8 * (exact + 0.03)) + 1 / 79 + 1 / 59) / np.sqrt(4_096)
    assert effect**2 == pytest.approx(max(exact, 0.0), abs=4 * error)


@pytest.mark.parametrize("kind", sorted(SUMMARIES))
def test_summaries_of_another_form_are_refused(kind, rng):
    fitted = SUMMARIES[kind]().fit(rng.integers(0, 3, (40, 2)))
    summary = fitted.summarise(rng.integers(0, 3, (30, 2)))

    for bad in (summary[:-1], summary.astype(np.float32), summary.reshape(1, -1)):
        with pytest.raises(InvalidSampleError):
            fitted.test_summary(bad, 30, rng=rng)
    with pytest.raises(InvalidParameterError):
        fitted.test_summary(summary, 0, rng=rng)
    if fitted.needs is Needs.COUNTS:
        with pytest.raises(InvalidSampleError, match="does not count 29 rows"):
            fitted.test_summary(summary, 29, rng=rng)


@pytest.mark.parametrize("kind", sorted(SUMMARIES))
def test_nothing_is_summed_up_before_fit(kind):
    with pytest.raises(NotFittedError):
        SUMMARIES[kind]().summarise(np.zeros((3, 2)))
    with pytest.raises(NotFittedError):
        _ = SUMMARIES[kind]().summary_size


@pytest.mark.parametrize("kind", ["chi_square", "mixed", "psi", "jensen_shannon"])
def test_a_test_that_draws_asks_for_rng(kind, rng):
    fitted = SUMMARIES[kind]().fit(rng.integers(0, 3, (40, 2)))

    with pytest.raises(InvalidParameterError, match="rng"):
        fitted.test_summary(fitted.summarise(np.zeros((5, 2))), 5)


IDENTIFIERS = {
    "identifiers": lambda rng, n: rng.choice(10**6, n, replace=False),
    "a_thousand_alike": lambda rng, n: rng.integers(0, 1_000, n),
    "zipf": lambda rng, n: rng.zipf(1.5, n) % 10**6,
    "geometric": lambda rng, n: rng.geometric(0.2, n),
}


@pytest.mark.statistics
@pytest.mark.parametrize("name", sorted(IDENTIFIERS))
@pytest.mark.parametrize(("n_ref", "n_test"), [(1_000, 300), (300, 2_000), (5_000, 20_000)])
def test_many_categories_do_not_alarm_under_the_null(name, n_ref, n_test):
    rng = np.random.default_rng(3)
    n_repeats, level = 300, 0.05
    n_alarms = 0
    for _ in range(n_repeats):
        ref, x = (IDENTIFIERS[name](rng, n)[:, np.newaxis].astype(float) for n in (n_ref, n_test))
        n_alarms += ChiSquareTest(999).fit(ref).test(x, rng=rng).p_value <= level

    assert stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999).low <= level


def test_a_column_of_identifiers_is_said_to_be_unwatched(rng):
    x = np.column_stack([rng.integers(0, 4, 500), rng.permutation(500)])

    assert ChiSquareTest().fit(x).unwatched_columns == (1,)
    assert MixedTest([0, 1]).fit(x).unwatched_columns == (1,)


NULLS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "counts": lambda rng, shape: rng.geometric(0.3, shape).astype(float),
    "four_values": lambda rng, shape: rng.integers(0, 4, shape).astype(float),
    "some_missing": lambda rng, shape: np.where(
        rng.random(shape) < 0.2, np.nan, rng.normal(size=shape)
    ),
    "dependent": lambda rng, shape: rng.normal(size=(shape[0], 1)) + np.zeros(shape),
}


@pytest.mark.statistics
@pytest.mark.parametrize("null", sorted(NULLS))
@pytest.mark.parametrize(("n_ref", "n_test"), [(40, 30), (40, 300), (300, 40), (1_500, 1_500)])
@pytest.mark.parametrize(
    "make", [lambda: PSITest(99), lambda: JensenShannonTest(99), FourierMMDTest]
)
def test_where_nothing_moved_no_more_alarms_than_the_level(make, null, n_ref, n_test):
    rng = np.random.default_rng(n_ref + n_test)
    n_repeats, level, n_alarms = 200, 0.05, 0
    for _ in range(n_repeats):
        fitted = make().fit(NULLS[null](rng, (n_ref, 3)))
        summary = fitted.summarise(NULLS[null](rng, (n_test, 3)))
        n_alarms += fitted.test_summary(summary, n_test, rng=rng).p_value <= level

    assert stats.binomtest(n_alarms, n_repeats).proportion_ci(0.999).low <= level


@pytest.mark.parametrize("kind", ["ks", "chi_square", "psi", "jensen_shannon", "mmd_features"])
def test_the_effect_size_is_near_0_where_nothing_moved_and_large_where_all_did(kind):
    rng = np.random.default_rng(7)
    effects = []
    for _ in range(60):
        fitted = SUMMARIES[kind]().fit(rng.integers(0, 3, (200, 1)))
        effects.append(fitted.test(rng.integers(0, 3, (200, 1)), rng=rng).effect_size)

    apart = fitted.test(rng.integers(5, 8, (200, 1)), rng=rng).effect_size

    assert np.mean(effects) < 0.04
    assert apart > 0.8
