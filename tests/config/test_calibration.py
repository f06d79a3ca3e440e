from __future__ import annotations

import numpy as np
import pytest

from detectors import ExpectedRunTime, KSTest, LevelPerWindow, MMDTest, StreamDependence
from flink_jobs.config.calibration import (
    judge_halves,
    level_at,
    make_calibration,
    promises_of,
    windows_of,
)
from flink_jobs.config.checks import cross_check
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import changed
from flink_jobs.config.views import views_of
from tests.builders import make_config, unchecked

COUNT = {"kind": "count", "size": 500, "slide": 100}
TIME = {"kind": "time", "size_ms": 60_000, "slide_ms": 20_000}
SESSION = {"kind": "session", "gap_ms": 10_000, "max_size_ms": 60_000}


COMMON = {"windows_to_start": 2, "windows_to_recover": 3}
"""A policy whose run times come with the package."""


def promising(**tables: object) -> DriftJobConfig:
    own = {"window": COUNT, "calibration": run_time(windows=1_000), "policy": COMMON}
    return make_config(**own | tables)


def windows_promised(config: DriftJobConfig) -> float:
    return windows_of(config, views_of(config)[0].detectors[0])


def run_time(**keys: object) -> dict[str, object]:
    return {"kind": "expected_run_time", **keys}


@pytest.mark.parametrize(
    ("window", "keys", "n_windows"),
    [
        (COUNT, {"windows": 1_000}, 1_000),
        (COUNT, {"events": 50_000}, 500),
        (TIME, {"windows": 1_000}, 1_000),
        (TIME, {"time_ms": 3_600_000}, 180),
        (SESSION, {"time_ms": 3_600_000}, 360),
        ({**TIME, "early_events": 100}, {"time_ms": 3_600_000}, 360),
        (COUNT, {"events": 1}, 2),
    ],
)
def test_a_run_time_is_so_many_windows(window, keys, n_windows):
    config = promising(window=window, calibration=run_time(**keys))

    assert windows_promised(config) == n_windows


def test_all_detectors_of_a_model_share_the_run_time():
    more = [{"name": "slow", "window": {"kind": "count", "size": 2_000, "slide": 500}}]
    config = promising(detectors=more, calibration=run_time(events=100_000))
    own, slow = views_of(config)[0].detectors

    assert windows_of(config, own) == 2 * 1_000
    assert windows_of(config, slow) == 2 * 200


def test_a_detector_of_several_says_what_all_of_them_promise():
    more = [{"name": "slow", "window": {"kind": "count", "size": 2_000, "slide": 500}}]
    config = promising(detectors=more, calibration=run_time(windows=1_000))
    (view,) = views_of(config)

    texts = list(promises_of(config, view, 5_000, {}))

    assert len(texts) == 2
    said = "a false alarm in 2,000 windows or more, all detectors together in 1,000, for 90% of all"
    assert all(said in text for text in texts)


def test_a_longer_run_time_has_a_lower_level():
    (view,) = views_of(promising())
    levels = [
        level_at(
            promising(calibration=run_time(windows=n)),
            view,
            views_of(promising(calibration=run_time(windows=n)))[0].detectors[0],
            5_000,
            500,
        )
        for n in (100, 1_000, 10_000)
    ]

    assert levels == sorted(levels, reverse=True)


def test_more_windows_in_a_row_have_a_higher_level():
    def level(k: int) -> float:
        config = promising(policy=COMMON | {"windows_to_start": k})
        (view,) = views_of(config)
        return level_at(config, view, view.detectors[0], 5_000, 500)

    assert level(2) > level(1)


def test_a_level_per_window_is_the_same_for_all():
    config = make_config(calibration={"kind": "level_per_window", "level": 0.01})
    (view,) = views_of(config)

    assert make_calibration(config, view.detectors[0]) == LevelPerWindow(0.01)
    assert list(promises_of(config, view, 1_000, {})) == []


@pytest.mark.parametrize(
    ("window", "keys", "key", "wrong"),
    [
        (COUNT, {}, "calibration", "no run time is given"),
        (COUNT, {"windows": 9, "events": 9}, "calibration", "windows and events are given"),
        (COUNT, {"time_ms": 9}, "calibration.time_ms", "'count' have no fixed rate of time"),
        (TIME, {"events": 9}, "calibration.events", "'time' have no fixed rate of events"),
        (SESSION, {"events": 9}, "calibration.events", "'session' have no fixed rate of events"),
    ],
)
def test_a_run_time_that_says_nothing_for_a_window_is_refused(window, keys, key, wrong):
    (problem,) = cross_check(unchecked(window=window, calibration=run_time(**keys)))

    assert problem.key == key
    assert wrong in problem.wrong


def test_a_run_time_that_permutations_cannot_keep_is_refused():
    test = {"kind": "mmd", "n_permutations": 99}
    config = unchecked(
        window=COUNT, detector={"test": test}, calibration=run_time(windows=1e5), policy=COMMON
    )

    (problem,) = cross_check(config)

    assert problem.key == "detector.test.n_permutations"
    assert "a smaller calibration.windows" in problem.allowed


def test_a_promise_says_the_level_the_time_and_the_confidence():
    config = promising(calibration=run_time(windows=1_000, confidence=0.8))
    (view,) = views_of(config)

    (text,) = promises_of(config, view, 5_000, {})

    level = level_at(config, view, view.detectors[0], 5_000, 500)
    assert text == (
        f"main: a window of 500 events drifts at a p-value of {level:.2g} or less; "
        "a false alarm in 1,000 windows or more, for 80% of all references"
    )


def depending(*times: float, furthest: float = 0.1) -> StreamDependence:
    """The dependence of columns whose rows say so little, in windows of any length."""
    shape = np.ones((2, len(times)))
    return StreamDependence(np.array([1, 5_000]), shape * times, shape * furthest)


def test_events_that_depend_on_each_other_are_told_with_the_column_that_depends_most():
    config = promising()
    (view,) = views_of(config)
    names = [slot.name for slot in view.slots]

    about, promise = promises_of(
        config, view, 5_000, {"main": depending(1.0, 5.0, *[2.0] * (len(names) - 2))}
    )

    assert about == (
        f"main: its events depend on those before them, {names[1]} most: a window of 500 says as "
        "much as 100 independent ones, a reference of 5,000 as 1,000"
    )
    assert "a false alarm in 1,000 windows or more, for 90% of all references" in promise


def test_of_components_that_are_as_many_as_the_columns_none_is_called_by_a_column():
    reducer = {"kind": "pca", "n_components": 3}
    config = promising(detector={"reducer": reducer, "test": {"kind": "ks"}})

    about, _ = promises_of(config, views_of(config)[0], 5_000, {"main": depending(1.0, 5.0, 2.0)})

    assert "its events depend on those before them: a window of 500 says" in about


def test_a_promise_is_that_of_a_window_with_as_many_events_as_came_in_the_reference():
    config = promising(window=TIME)
    (view,) = views_of(config)

    # 5,000 events in 50 minutes: 100 in a minute.
    (text,) = promises_of(config, view, 5_000, {}, span_ms=50 * 60_000)

    assert text.startswith("main: a window of 100 events drifts")


def test_windows_too_short_for_their_dependence_are_told():
    config = promising()
    (view,) = views_of(config)

    about, promise = promises_of(config, view, 5_000, {"main": depending(400.0, furthest=0.8)})

    assert "a window of 500 says as much as 1 independent one, a reference of 5,000 as 12" in about
    assert about.endswith("take a longer reference")
    assert "too short to promise a false alarm in 1,000 windows or more" in promise
    assert "take longer windows" in promise


def test_a_level_per_window_tells_that_events_depend_on_each_other():
    config = make_config()

    (about,) = promises_of(config, views_of(config)[0], 5_000, {"main": depending(5.0)})

    assert "depend on those before them" in about


def test_an_override_promises_another_run_time():
    config = promising(calibration={"kind": "level_per_window", "level": 0.01})

    other = changed(config, {"calibration": run_time(windows=500)})

    assert windows_promised(other) == 500
    assert isinstance(make_calibration(other, views_of(other)[0].detectors[0]), ExpectedRunTime)


def test_an_override_can_promise_the_run_time_in_another_unit():
    config = promising(calibration=run_time(windows=1_000, confidence=0.8))

    other = changed(config, {"calibration": {"events": 50_000}})

    assert windows_promised(other) == 500
    assert other.calibration.confidence == 0.8  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("table", "is_drift"),
    [
        (run_time(windows=500), False),
        ({"kind": "level_per_window", "level": 0.02}, True),
    ],
)
def test_the_halves_of_a_reference_have_a_level_of_their_own(table, is_drift):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(500, 1)), rng.normal(0.27, size=(500, 1))
    test = KSTest().fit(first)
    halves = test.test(second, rng=rng)
    assert 1e-5 < halves.p_value < 0.001

    config = make_config(calibration=table, policy=COMMON)
    judgement = judge_halves(config.calibration, test, halves)

    assert judgement.is_drift is is_drift


def test_halves_drift_at_the_lowest_p_value_of_a_test_that_permutes():
    rng = np.random.default_rng(0)
    test = MMDTest(n_permutations=99).fit(rng.normal(size=(100, 1)))
    halves = test.test(rng.normal(3.0, size=(100, 1)), rng=rng)

    judgement = judge_halves(promising().calibration, test, halves)

    assert judgement.is_drift
    assert judgement.threshold.p_value == 0.01
