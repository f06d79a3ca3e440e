"""Levels follow what windows that did not drift say about the reference at hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from detectors import (
    INDEPENDENT,
    UNKNOWN_OFFSET,
    Dependence,
    ExpectedRunTime,
    FourierMMDTest,
    IncidentRule,
    KSTest,
    Offset,
)
from detectors.calibration.closing_in import surprise_of
from tests.detectors.calibration.test_run_time import p_values_of_a_stream

TWO_IN_A_ROW = IncidentRule(2, 2, 3)
SHARES = st.floats(0.01, 2.0)
SURPRISES = st.floats(0.0, 3.0)


def after(surprises: list[float], share: float = 0.2) -> Offset:
    offset = UNKNOWN_OFFSET
    for surprise in surprises:
        offset = offset.with_window(share, surprise)
    return offset


def test_a_reference_of_which_nothing_is_known_is_judged_like_all() -> None:
    assert UNKNOWN_OFFSET.confidence(0.9) == 0.9


def test_windows_near_a_reference_raise_its_level_and_windows_far_from_it_lower_it() -> None:
    calibration = ExpectedRunTime(100, overlap=5, rule=TWO_IN_A_ROW)

    levels = [
        calibration.sized(500, 100, 1, offset=after([surprise] * 200)).level
        for surprise in (0.7, 0.95, 1.2)
    ]

    assert levels[0] > levels[1] > calibration.level_for(500, 100, 1) > levels[2]


@given(st.lists(SURPRISES, max_size=300), SHARES, st.integers(1, 64))
def test_no_windows_move_a_level_beyond_those_for_half_and_for_nearly_all_references(
    surprises, share, n_dimensions
) -> None:
    assert 0.5 <= after(surprises, share).confidence(0.9, n_dimensions) <= 0.99


def test_a_reference_further_off_than_nearly_all_gets_a_level_below_all_simulated_ones() -> None:
    calibration = ExpectedRunTime(100, 0.95, overlap=5, rule=TWO_IN_A_ROW)

    level = calibration.sized(500, 100, 1, offset=after([1.5] * 200)).level

    # Of references of 5 windows one in a hundred needs 0.6 times the level of one in twenty.
    assert 0.5 < level / calibration.level_for(500, 100, 1) < 0.9


@given(SHARES, SURPRISES)
def test_windows_are_learnt_from_for_a_time_and_not_for_ever(share, surprise) -> None:
    offset = UNKNOWN_OFFSET
    for _ in range(1_000_000):
        following = offset.with_window(share, surprise)
        if following == offset:
            break
        offset = following

    assert offset.information <= 4.0
    assert offset.with_window(share, 3.0) == offset or share < 0.02


def test_columns_that_are_one_and_the_same_are_as_surprising_as_one() -> None:
    assert surprise_of(np.array([0.2] * 7)) == pytest.approx(surprise_of(np.array([0.2])))


def test_a_window_that_drifts_counts_for_no_more_than_one_that_nearly_does() -> None:
    assert surprise_of(np.array([0.0])) == surprise_of(np.array([0.04])) == 3.0


def test_what_is_known_tells_which_references_are_off(rng) -> None:
    # How far off a reference is is known here, since events are uniform.
    n_ref, n_test = 500, 100
    known, truth = [], []
    for _ in range(60):
        reference = rng.uniform(size=(n_ref, 1))
        test, offset = KSTest().fit(reference), UNKNOWN_OFFSET
        calibration = ExpectedRunTime(100, rule=TWO_IN_A_ROW)
        for _ in range(150):
            result = test.test(rng.uniform(size=(n_test, 1)), rng=rng)
            offset = calibration.judge(test, result, offset=offset).offset
        known.append(offset.lean / (1.0 + offset.information))
        steps = np.arange(1, n_ref + 1) / n_ref
        truth.append(np.abs(np.sort(reference[:, 0]) - steps).max())

    # 60 pairs without a relation have a correlation of rank with an error of 0.13.
    assert spearmanr(known, truth).statistic > 0.5
    assert abs(np.mean(known)) < 0.5


@pytest.mark.parametrize(
    ("test", "rows_as_one", "learns"),
    [
        (KSTest(), 4.0, True),
        # Too short for its dependence.
        (KSTest(), 20.0, False),
        # Its p-values of fewer rows are right in their tail alone: of AR(1) rows with 0.8 all
        # references would seem to be 2.4 standard deviations nearer than most.
        (FourierMMDTest(), 4.0, False),
    ],
)
def test_of_rows_that_depend_on_each_other_a_reference_is_learnt_where_that_is_known_well(
    test, rows_as_one, learns, rng
) -> None:
    test.fit(rng.normal(size=(2_000, 2)))
    result = test.test(rng.normal(size=(100, 2)), rng=rng)
    dependence = [INDEPENDENT, Dependence(rows_as_one, rows_as_one, 0.9)]

    judgement = ExpectedRunTime(100, rule=TWO_IN_A_ROW).judge(test, result, dependence)

    assert (judgement.offset != UNKNOWN_OFFSET) is learns


@pytest.mark.statistics
@pytest.mark.parametrize(("n_ref", "overlap"), [(200, 1), (500, 4)])
def test_short_references_keep_the_promise_and_cost_less(n_ref, overlap, rng) -> None:
    # Streams by sorting, and incidents counted window by window: nothing of the curves' simulation.
    target, n_test, n_references = 100, 100, 60
    calibration = ExpectedRunTime(target, 0.9, overlap, TWO_IN_A_ROW)
    fixed, closing = [], []
    for _ in range(n_references):
        p_values = p_values_of_a_stream(n_ref, n_test, n_test // overlap, 40 * target, rng)
        fixed.append(run_time(p_values, calibration, n_ref, n_test, overlap, learns=False))
        closing.append(run_time(p_values, calibration, n_ref, n_test, overlap, learns=True))

    # A run time has an error of 16 % by its 40 incidents, the share one of 0.04.
    kept_fixed, kept = (np.mean(np.array(each) >= 0.85 * target) for each in (fixed, closing))
    assert kept >= min(0.9, float(kept_fixed)) - 0.04
    assert target < np.median(closing) < 0.8 * np.median(fixed)


def run_time(p_values, calibration, n_ref, n_test, overlap, *, learns: bool) -> float:
    """Windows without an incident per incident, with a level for each of them."""
    offset, n_starts, n_open, drifting, normal, is_open = UNKNOWN_OFFSET, 0, 0, 0, 0, False
    for p_value in p_values.tolist():
        drifts = p_value <= calibration.sized(n_ref, n_test, 1, offset=offset).level
        if learns and not is_open:
            surprise = surprise_of(np.array([p_value]))
            offset = offset.with_window(n_test / n_ref, surprise, overlap, 100)
        drifting, normal = (drifting + 1, 0) if drifts else (0, normal + 1)
        if not is_open and drifting >= 2:
            n_starts, is_open = n_starts + 1, True
        elif is_open and normal >= 3:
            is_open = False
        n_open += is_open
    return (len(p_values) - n_open) / max(n_starts, 1)


def test_the_surprise_of_windows_of_a_perfect_reference_is_what_is_taken_for_it(rng) -> None:
    p_values = p_values_of_a_stream(2_000_000, 400, 400, 3_000, rng)

    surprises = np.minimum(-np.log(p_values), 3.0)

    # KS of 400 events is conservative by 0.03; the mean of 3,000 has an error of 0.015.
    assert np.mean(surprises) == pytest.approx(0.947, abs=0.07)
    assert np.std(surprises) == pytest.approx(0.84, abs=0.05)


@pytest.mark.statistics
@pytest.mark.parametrize(("n_ref", "n_windows"), [(200, 600), (500, 600), (2_000, 2_000)])
def test_references_differ_by_as_much_as_is_taken_for_it(n_ref, n_windows, rng) -> None:
    n_test, surprises = 100, []
    for _ in range(150):
        p_values = p_values_of_a_stream(n_ref, n_test, n_test, n_windows, rng)
        surprises.append(np.minimum(-np.log(p_values), 3.0))

    by_chance = np.mean([each.var() for each in surprises]) / n_windows
    spread = np.sqrt(np.var([each.mean() for each in surprises]) - by_chance)
    share = n_test / n_ref
    # 150 references have an error of 6 %, and windows of 100 events up to 15 % more than the limit.
    assert spread == pytest.approx(0.68 * share / (1.0 + 0.9 * share), rel=0.3)
