from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import chi2_contingency, ks_2samp

from detectors import (
    INDEPENDENT,
    ChiSquareTest,
    Dependence,
    ExpectedRunTime,
    IncidentRule,
    KSTest,
    MixedTest,
    MMDTest,
    StreamDependence,
)
from tests.detectors.calibration.test_run_time import run_time_of


def autoregressive(rho: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """A stationary process of order 1 and variance 1, shape (n, 1)."""
    steps = rng.normal(size=n) * np.sqrt(1.0 - rho * rho)
    rows, _ = lfilter([1.0], [1.0, -rho], steps, zi=[rho * rng.normal()])
    return rows[:, np.newaxis]


def time_of(rows: np.ndarray, n_test: int = 1_000, categorical: tuple[int, ...] = ()) -> float:
    (found,) = StreamDependence.of(rows, categorical).at(n_test)
    return found.test


# Of the share of a window at or below the median the variance is, by theory, so many times that of
# independent rows: 1 + 2 * sum((1 - k / n) * 2 / pi * asin(rho**k)).
@pytest.mark.parametrize(
    ("rho", "n_test", "time"), [(0.3, 1_000, 1.55), (0.5, 1_000, 2.30), (0.9, 1_000, 13.1)]
)
def test_the_time_of_an_autoregressive_process_is_found(rho, n_test, time, rng):
    found = [time_of(autoregressive(rho, 20_000, rng), n_test) for _ in range(10)]

    # The mean of five quantiles is 3 % below the median's; the estimate's error is added to it.
    assert np.mean(found) == pytest.approx(time, rel=0.08)


def test_short_windows_vary_less_than_long_ones(rng):
    rows = autoregressive(0.95, 20_000, rng)
    medians = rows[:, 0] <= np.median(rows)

    for n_test in (16, 128, 1_024):
        # Means of windows that do not overlap, of another and much longer stream.
        long = autoregressive(0.95, n_test * 4_000, rng)[:, 0] <= np.median(rows)
        own = long.reshape(-1, n_test).mean(axis=1).var() * n_test / medians.var()
        assert time_of(rows, n_test) == pytest.approx(own, rel=0.25)


def test_heavy_tails_hide_no_dependence(rng):
    normal = autoregressive(0.5, 5_000, rng)
    cauchy = np.tan(np.pi * (ndtr(normal) - 0.5))

    assert np.abs(cauchy).max() > 500.0
    assert time_of(cauchy) == time_of(normal) > 1.8


@pytest.mark.parametrize("n_rows", [100, 300, 5_000])
def test_independent_rows_are_taken_for_dependent_ones_almost_never(n_rows, rng):
    found = StreamDependence.of(rng.normal(size=(n_rows, 1_000)))

    # Measured: 1 in 2,000.
    assert np.count_nonzero(found.times[-1] > 1.0) <= 4


def test_columns_have_a_dependence_of_their_own(rng):
    rows = np.hstack([rng.normal(size=(4_000, 2)), autoregressive(0.8, 4_000, rng)])

    first, second, third = StreamDependence.of(rows).at(200)

    assert first == second == INDEPENDENT
    assert third.test == time_of(rows[:, 2:], 200) > 4.0


def test_categories_that_come_in_runs_depend_on_each_other(rng):
    alone = rng.choice(3, size=(2_000, 1)).astype(float)
    runs = np.repeat(rng.choice(3, size=(400, 1)).astype(float), 10, axis=0)

    assert time_of(alone, categorical=(0,)) == 1.0
    assert time_of(runs, categorical=(0,)) == pytest.approx(10.0, rel=0.4)


def test_rows_in_the_order_of_something_depend_for_as_long_as_windows_are(rng):
    # Groups of 500 rows, each with a mean of its own: no process of few lags looks like that.
    rows = np.repeat(rng.normal(size=20), 500)[:, np.newaxis] + 0.3 * rng.normal(size=(10_000, 1))

    assert time_of(rows, 500) > 100.0


def test_a_weak_but_slow_rhythm_is_seen_in_the_windows_of_the_reference(rng):
    slow = np.sin(2 * np.pi * np.arange(20_000) / 5_000)[:, np.newaxis]
    rows = slow + 2.0 * rng.normal(size=(20_000, 1))

    assert time_of(rows, 500) > 10.0


@pytest.mark.parametrize(
    "rows", [np.ones((500, 2)), np.full((500, 1), np.nan), np.zeros((500, 0)), np.ones((1, 1))]
)
def test_what_holds_nothing_to_compare_is_independent(rows):
    assert StreamDependence.of(rows).is_independent


def test_missing_values_do_not_hide_it(rng):
    rows = autoregressive(0.9, 5_000, rng)
    rows[rng.uniform(size=rows.shape) < 0.2] = np.nan

    assert time_of(rows) > 5.0


@given(st.integers(1, 3_000), st.floats(-0.5, 1.0), st.integers(0, 2**32 - 1))
def test_a_window_stands_for_at_least_one_row_and_for_no_more_than_it_has(n_rows, rho, seed):
    rng = np.random.default_rng(seed)
    rows = lfilter([1.0], [1.0, -rho], rng.normal(size=n_rows))[:, np.newaxis]

    found = StreamDependence.of(rows)

    assert (found.times >= 1.0).all()
    assert (found.times <= found.lengths[:, np.newaxis]).all()
    assert ((found.furthest >= 0.0) & (found.furthest <= 1.0)).all()


def test_it_is_restored_as_it_was(rng):
    found = StreamDependence.of(autoregressive(0.9, 2_000, rng))

    assert StreamDependence.from_arrays(found.to_arrays()).at(77) == found.at(77)


def test_a_thin_sample_depends_less(rng):
    found = StreamDependence.of(autoregressive(0.9, 5_000, rng))

    (whole,), (thin,) = found.at(500), found.at(500, 1.0, 0.1)

    assert thin.test - 1.0 == pytest.approx((whole.test - 1.0) / 10)
    assert thin.ref == whole.ref


# Judgements ---------------------------------------------------------------------------------------

FOUR = Dependence(ref=4.0, test=4.0, furthest=0.1)
CALIBRATION = ExpectedRunTime(1_000)


def test_a_window_of_ks_is_judged_as_one_of_the_rows_for_which_it_stands(rng):
    test = KSTest().fit(rng.normal(size=(2_000, 2)))
    result = test.test(rng.normal(0.2, size=(400, 2)), rng=rng)

    judged = CALIBRATION.judge(test, result, [FOUR, FOUR]).result

    # SciPy's limit, for a sample with the same D.
    limit = ks_2samp(np.arange(500), np.arange(100) * 5, method="asymp")
    assert limit.pvalue > 0.99
    largest = result.dimension_statistics.max()
    n = 500 * 100 / 600
    expected = 2 * 2.0 * np.exp(-2.0 * n * largest**2)
    assert judged.p_value == pytest.approx(expected, rel=0.25)
    assert judged.p_value > 50 * result.p_value
    assert (judged.n_ref, judged.n_test, judged.statistic) == (500, 100, largest)


def test_chi_square_of_categories_is_divided_by_the_rows_that_say_as_much_as_one(rng):
    x_ref, x_test = (rng.choice(3, (n, 1), p=p).astype(float)
                     for n, p in ((2_000, [0.5, 0.3, 0.2]), (400, [0.4, 0.3, 0.3])))  # fmt: skip
    test = ChiSquareTest().fit(x_ref)

    judged = CALIBRATION.judge(test, test.test(x_test, rng=rng), [FOUR]).result

    table = [[(x == c).sum() / 4 for c in range(3)] for x in (x_ref, x_test)]
    expected = chi2_contingency(table, correction=False).pvalue
    assert judged.p_value == pytest.approx(expected, rel=1e-6)
    assert judged.statistic == pytest.approx(-np.log10(expected))


def test_a_column_that_depends_hides_no_other(rng):
    x_ref = np.column_stack([rng.choice(3, 1_000), rng.normal(size=(1_000, 2))])
    x_test = np.column_stack([rng.choice(3, 400), rng.normal(size=400), rng.normal(1.0, size=400)])
    test = MixedTest([0]).fit(x_ref)
    result = test.test(x_test, rng=rng)
    blind = Dependence(ref=300.0, test=300.0, furthest=0.8)

    judgement = CALIBRATION.judge(test, result, [blind, blind, INDEPENDENT])

    assert judgement.is_drift
    assert judgement.result.p_value == pytest.approx(result.p_value)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6, 1.0, 3.0])
@pytest.mark.parametrize("make", [KSTest, lambda: MixedTest([0]), lambda: MMDTest(99)])
def test_p_value_statistic_and_verdict_agree(make, shift, rng):
    x_ref = np.column_stack([rng.choice(3, 300), rng.normal(size=300)]).astype(float)
    x_test = np.column_stack([rng.choice(3, 90), rng.normal(shift, size=90)]).astype(float)
    test = make().fit(x_ref)

    judgement = CALIBRATION.judge(test, test.test(x_test, rng=rng), [FOUR, INDEPENDENT])

    result, threshold = judgement.result, judgement.threshold
    assert judgement.is_drift == (result.p_value <= threshold.p_value)
    assert judgement.is_drift == (result.statistic >= threshold.statistic)


def test_independent_rows_are_judged_as_if_nothing_were_said(rng):
    test = KSTest().fit(rng.normal(size=(500, 2)))
    result = test.test(rng.normal(size=(100, 2)), rng=rng)

    said = CALIBRATION.judge(test, result, [INDEPENDENT, INDEPENDENT])

    assert said == CALIBRATION.judge(test, result)
    assert said.result is result


@pytest.mark.parametrize("furthest", [0.0, 0.3, 0.6, 0.9])
def test_where_windows_stand_for_too_little_what_is_further_than_the_reference_drifts(furthest):
    depends = Dependence(ref=400.0, test=300.0, furthest=furthest)

    sized = CALIBRATION.sized(6_000, 600, 5, depends)

    assert not sized.is_kept
    # Between the furthest of the reference and the middle from there to the furthest possible.
    n = sized.n_ref * sized.n_test / (sized.n_ref + sized.n_test)
    critical = np.sqrt(np.log(2.0 * 5 / sized.level) / (2.0 * n))
    assert max(furthest, 0.1) * 0.95 < critical < (1.0 + furthest) / 2.0


def test_windows_that_say_enough_keep_the_promise():
    sized = CALIBRATION.sized(2_000, 100, 1, Dependence(ref=2.3, test=2.3, furthest=0.23))

    assert sized.is_kept
    assert (sized.n_ref, sized.n_test) == (869, 43)


def test_an_obvious_drift_of_ordered_rows_is_found(rng):
    # Each reference holds 12 districts of 500 rows; the drift is a place far from all of them.
    places = rng.uniform(0.0, 1.0, size=12)
    x_ref = (np.repeat(places, 500) + 0.02 * rng.normal(size=6_000))[:, np.newaxis]
    depends = StreamDependence.of(x_ref).at(600)
    test = KSTest().fit(x_ref)
    calibration = ExpectedRunTime(10_000)

    def drifts(rows: np.ndarray) -> bool:
        result = test.test(rows[:, np.newaxis], rng=rng)
        return calibration.judge(test, result, depends).is_drift

    assert drifts(1.5 + 0.02 * rng.normal(size=600))
    # A window of the reference is nothing new, however unlike all of it.
    again = [drifts(x_ref[start : start + 600, 0]) for start in range(0, 5_400, 50)]
    assert np.mean(again) <= 0.05


@pytest.mark.statistics
def test_an_autocorrelated_stream_runs_as_long_as_promised(rng):
    # 40 detectors over 30 run times each. Without the dependence none of them does: they alarm so
    # often that 6 run times show it as well.
    target, rule, n_ref, n_test = 20, IncidentRule(2, 2, 3), 4_000, 200
    calibration = ExpectedRunTime(target, rule=rule)

    def run_times(accounts: bool, n_run_times: int) -> list[float]:
        found = []
        for _ in range(40):
            x_ref = autoregressive(0.5, n_ref, rng)
            depends = StreamDependence.of(x_ref).at(n_test) if accounts else []
            test = KSTest().fit(x_ref)
            stream = autoregressive(0.5, n_run_times * target * n_test, rng).reshape(-1, n_test, 1)
            results = (test.test(window, rng=rng) for window in stream)
            drifts = [calibration.judge(test, result, depends).is_drift for result in results]
            found.append(run_time_of(np.array(drifts), rule))
        return found

    accounted = np.array(run_times(True, 30))
    assert np.mean(accounted >= 0.9 * target) >= 0.75
    # 3.5 times; 2.3 with overlapping windows and a promise of 100.
    assert np.median(accounted) <= 4.0 * target
    assert np.mean(np.array(run_times(False, 6)) >= 0.9 * target) <= 0.1
