from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstwobign

from detectors import (
    Calibration,
    ExpectedRunTime,
    IncidentRule,
    InvalidParameterError,
    KSTest,
    MMDTest,
)
from detectors.calibration import run_time_curves
from detectors.calibration.run_time_curves import LEVELS, RULES, Curve, Setting, common_settings

TWO_IN_A_ROW = IncidentRule(2, 2, 3)


def p_values_of_a_stream(
    n_ref: int, n_test: int, slide: int, n_windows: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Kolmogorov and Smirnov's p-values of sliding windows, by sorting, as SciPy has them."""
    reference = np.sort(rng.uniform(size=n_ref))
    stream = rng.uniform(size=n_test + slide * (n_windows - 1))
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(stream, n_test)[::slide], axis=1)
    below = np.searchsorted(reference, windows) / n_ref
    steps = np.arange(n_test + 1) / n_test
    distance = np.maximum(np.abs(below - steps[1:]), np.abs(below - steps[:-1])).max(axis=1)
    return kstwobign.sf(distance * math.sqrt(n_ref * n_test / (n_ref + n_test)))


def run_time_of(is_drift: NDArray[np.bool_], rule: IncidentRule) -> float:
    """Windows without an incident per incident, counted window by window."""
    drifting, normal, n_starts, n_open, is_open = 0, 0, 0, 0, False
    for drifts in is_drift.tolist():
        drifting, normal = (drifting + 1, 0) if drifts else (0, normal + 1)
        if not is_open and drifting >= rule.to_start:
            n_starts, is_open = n_starts + 1, True
        elif is_open and normal >= rule.to_recover:
            is_open = False
        n_open += is_open
    return (len(is_drift) - n_open) / max(n_starts, 1)


@pytest.mark.statistics
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("overlap", [1, 4])
@pytest.mark.parametrize("n_ref", [500, 2_000])
def test_nine_of_ten_references_run_as_long_as_promised(rule, overlap, n_ref, rng):
    # 120 references, each with a stream of 40 run times: the share that keeps the promise has an
    # error of 0.027 by the references, and a run time one of 16 %, which makes the share smaller.
    target, n_test = 50, 100
    level = ExpectedRunTime(target, 0.9, overlap, rule).level_for(n_ref, n_test, 1)

    run_times = [
        run_time_of(
            p_values_of_a_stream(n_ref, n_test, n_test // overlap, 40 * target, rng) <= level, rule
        )
        for _ in range(120)
    ]

    assert 0.8 <= np.mean(np.array(run_times) >= 0.95 * target) <= 0.99


@given(
    st.floats(2.0, 1e6), st.floats(1.0, 10.0), st.sampled_from(RULES), st.integers(1, 200),
    st.integers(20, 5_000), st.integers(20, 50_000), st.integers(1, 40),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_a_longer_time_and_a_higher_confidence_have_lower_levels(
    n_windows, factor, rule, overlap, n_test, n_ref, n_dimensions
):
    def level(n_windows: float, confidence: float) -> float:
        calibration = ExpectedRunTime(n_windows, confidence, overlap, rule)
        return calibration.level_for(n_ref, n_test, n_dimensions)

    base = level(n_windows, 0.8)

    assert 0.0 < base <= 0.5
    assert level(n_windows * factor, 0.8) <= base
    assert level(n_windows, 0.95) <= base * 1.001


def test_windows_that_may_overlap_less_have_the_lower_of_both_levels():
    alone, both = ExpectedRunTime(100, overlap=1), ExpectedRunTime(100, overlap=8)
    level = ExpectedRunTime(100, overlap=8, may_overlap_less=True).level_for(1_000, 100, 1)

    assert level == min(alone.level_for(1_000, 100, 1), both.level_for(1_000, 100, 1))


def test_a_time_beyond_the_last_overlap_counts_lengths_of_windows():
    far, last = ExpectedRunTime(64_000, overlap=640), ExpectedRunTime(6_400, overlap=64)

    assert far.level_for(1_000, 100, 1) == pytest.approx(last.level_for(1_000, 100, 1))


def test_a_result_is_judged_by_the_level_for_its_rows(rng):
    calibration = ExpectedRunTime(1_000, overlap=5, rule=TWO_IN_A_ROW)
    test = KSTest().fit(rng.normal(size=(500, 3)))
    result = test.test(rng.normal(size=(50, 3)), rng=rng)

    judgement = calibration.judge(test, result)

    assert isinstance(calibration, Calibration)
    assert judgement.threshold.p_value == calibration.level_for(500, 50, 3)
    assert not judgement.is_drift


def test_a_test_that_does_not_go_so_low_is_judged_by_its_lowest_p_value(rng):
    calibration = ExpectedRunTime(100_000)
    test = MMDTest(99).fit(rng.normal(size=(100, 1)))

    judgement = calibration.judge(test, test.test(rng.normal(9, 1, (50, 1)), rng=rng))

    assert calibration.level_for(100, 50, 1) < 0.01
    assert (judgement.threshold.p_value, judgement.is_drift) == (0.01, True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_windows": 1.0},
        {"n_windows": math.inf},
        {"n_windows": math.nan},
        {"n_windows": 9, "confidence": 0.4},
        {"n_windows": 9, "confidence": 0.99},
        {"n_windows": 9, "overlap": 0},
        {"n_windows": 9, "rule": IncidentRule(3, 2, 1)},
        {"n_windows": 9, "rule": IncidentRule(0, 2, 1)},
        {"n_windows": 9, "rule": IncidentRule(1, 1, 0)},
    ],
)
def test_a_run_time_that_cannot_be_promised_is_refused(parameters):
    with pytest.raises(InvalidParameterError):
        ExpectedRunTime(**parameters)


def test_the_curves_that_are_shipped_are_those_that_are_simulated():
    setting = Setting(1.0, 2, 1, RULES[0])

    fresh = run_time_curves.simulated(setting)

    # Rounded to 32 bits; sums of them may differ in their last bit between machines.
    np.testing.assert_allclose(run_time_curves._shipped()[setting], fresh, atol=0.02)


def test_every_setting_that_ships_has_a_curve_from_the_highest_level_to_long_run_times():
    for setting in common_settings():
        log_run_times = run_time_curves._shipped()[setting]
        known = log_run_times[:, ~np.isnan(log_run_times[0])]
        # Three in a row are rare at once: fewer levels are simulated, and a line goes on from them.
        fewest, farthest = (6, 300.0) if setting.rule in RULES else (4, 90.0)
        assert known.shape[1] >= fewest
        assert (np.diff(known, axis=0) <= 0.0).all()
        assert np.exp(known[-1, -1]) > farthest


@pytest.mark.parametrize("rule", [IncidentRule(2, 3, 3), IncidentRule(3, 3, 9)])
def test_a_rule_whose_curves_ship_is_not_simulated(monkeypatch, rule):
    def simulated(setting: Setting) -> NDArray[np.float64]:
        raise AssertionError(setting)

    monkeypatch.setattr(run_time_curves, "simulated", simulated)

    assert 0.0 < ExpectedRunTime(1_234, 0.85, 3, rule).level_for(700, 100, 9) < 0.5


def test_one_window_is_one_of_however_many():
    one, of_four = (ExpectedRunTime(100, rule=IncidentRule(1, n, 3)) for n in (1, 4))

    assert one.level_for(500, 100, 1) == of_four.level_for(500, 100, 1)


def test_a_rule_that_is_not_common_is_simulated(monkeypatch):
    monkeypatch.setattr(run_time_curves, "_MOST_WINDOWS_NOW", 20_000)
    monkeypatch.setattr(run_time_curves, "_INCIDENTS", 20)
    run_time_curves.curve_of.cache_clear()
    run_time_curves._log_level.cache_clear()
    monkeypatch.setattr("detectors.calibration.run_time.SHARES", (0.25,))
    monkeypatch.setattr(run_time_curves, "SHARES", (0.25,))

    in_six = ExpectedRunTime(50, rule=IncidentRule(6, 6, 3)).level_for(400, 100, 1)

    assert in_six > ExpectedRunTime(50, rule=TWO_IN_A_ROW).level_for(400, 100, 1)
    run_time_curves.curve_of.cache_clear()
    run_time_curves._log_level.cache_clear()


def test_beyond_the_last_level_a_curve_goes_on_as_a_straight_line():
    log_run_times = np.tile(-0.9 * np.log(LEVELS), (4, 1))
    log_run_times[:, 8:] = np.nan

    level = Curve(log_run_times).level(1e5, 0.9)

    assert level == pytest.approx(1e5 ** (-1 / 0.9))
