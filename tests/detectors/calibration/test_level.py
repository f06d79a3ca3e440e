from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from detectors import (
    Calibration,
    InvalidParameterError,
    Judgement,
    KSTest,
    LevelPerWindow,
    MMDTest,
    Sized,
    Threshold,
    TwoSampleResult,
    TwoSampleTest,
)


@pytest.mark.parametrize("test", [KSTest(), MMDTest(39)])
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6, 2.0])
def test_both_units_of_the_threshold_judge_alike(test, shift, rng):
    test.fit(rng.normal(size=(60, 2)))
    result = test.test(rng.normal(shift, 1, (40, 2)), rng=rng)

    judgement = LevelPerWindow(0.05).judge(test, result)

    assert judgement.is_drift == (result.p_value <= judgement.threshold.p_value)
    assert judgement.is_drift == (result.statistic >= judgement.threshold.statistic)


def test_a_p_value_equal_to_the_level_is_drift(rng):
    test = MMDTest(19).fit(np.zeros((30, 1)))
    result = test.test(np.ones((20, 1)), rng=rng)

    assert result.p_value == 0.05
    assert LevelPerWindow(0.05).judge(test, result).is_drift


def test_a_level_that_no_sample_of_that_size_reaches_never_alarms(rng):
    test = KSTest().fit([[0.0], [0.0]])

    judgement = LevelPerWindow(0.01).judge(test, test.test([[9.0]], rng=rng))

    assert not judgement.is_drift
    assert judgement.threshold == Threshold(0.01, np.inf)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, np.nan])
def test_a_level_outside_the_open_unit_interval_is_refused(level):
    with pytest.raises(InvalidParameterError):
        LevelPerWindow(level)


def test_a_threshold_on_the_statistic_can_take_the_place_of_a_level(rng):
    @dataclass(frozen=True)
    class FixedStatistic:
        threshold: Threshold

        def judge(self, test: TwoSampleTest, result: TwoSampleResult) -> Judgement:
            return Judgement(result.statistic >= self.threshold.statistic, self.threshold, result)

        def sized(self, n_ref: int, n_test: int, n_dimensions: int) -> Sized:
            return Sized(self.threshold.p_value, n_ref, n_test)

    test = KSTest().fit(rng.normal(size=(60, 2)))
    result = test.test(rng.normal(2, 1, (40, 2)), rng=rng)
    calibrations = [LevelPerWindow(0.01), FixedStatistic(Threshold(1e-4, 0.4))]

    assert all(isinstance(calibration, Calibration) for calibration in calibrations)
    assert [calibration.judge(test, result).is_drift for calibration in calibrations] == [True] * 2
