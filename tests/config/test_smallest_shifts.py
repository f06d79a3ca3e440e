"""How large a shift is found is said in words, from the configuration alone."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.cli.summary import summarise
from flink_jobs.config.smallest_shifts import found_by_view, found_by_views
from flink_jobs.config.two_sample_tests import usual_events
from flink_jobs.config.views import views_of
from tests.builders import make_config

COUNTED = {"kind": "count", "size": 200, "slide": 100}
SEQUENTIAL = {"kind": "kernel_e_detector", "run_time_events": 100_000}


def found(n_ref: int = 1_000, **tables: Any) -> dict[str, str]:
    usual = {
        "window": COUNTED,
        "calibration": {"kind": "level_per_window", "level": 0.001},
        "reference": {"kind": "first_events", "n_events": n_ref},
    }
    config = make_config(**(usual | tables))
    return {name: text for (_, name), text in found_by_views(config).items()}


def test_a_window_says_what_it_finds_often_and_every_other_time() -> None:
    text = found(detector={"test": {"kind": "ks"}})["main"]

    assert text == (
        "a window of 200 events finds a shift of the mean of one column by 0.45 standard "
        "deviations 9 times in 10, and one by 0.33 every other time"
    )


def test_categories_gain_a_share() -> None:
    text = found(
        input={"n_features": 0},
        columns={"features": {"plan": "category"}},
        detector={"test": {"kind": "chi_square"}},
    )["main"]

    assert "a category of half of the events that gains 18 points 9 times in 10" in text


def test_a_projection_has_components() -> None:
    pca = {"reducer": {"kind": "pca", "n_components": 2}, "test": {"kind": "ks"}}

    assert "the mean of one component" in found(detector=pca)["main"]


@pytest.mark.parametrize("kind", ["mmd", "energy", "wasserstein"])
def test_of_tests_whose_power_is_not_known_nothing_is_said(kind: str) -> None:
    detector = {"test": {"kind": kind, "n_permutations": 1_999}}

    assert found(detector=detector) == {}


def test_a_sequential_detector_says_how_many_events_two_shifts_take() -> None:
    detectors = [{"name": "whole", "sequential": SEQUENTIAL}]
    few, many = (found(n, detectors=detectors)["whole"] for n in (400, 40_000))

    assert many == (
        "a shift of the mean of one column by 0.5 standard deviations is found in about 220 "
        "events, one by 0.25 in about 650"
    )
    assert few.endswith("one by 0.25 takes a larger reference")


def test_a_detector_that_learns_says_nothing() -> None:
    table = SEQUENTIAL | {"kind": "classifier_e_detector"}

    assert "whole" not in found(detectors=[{"name": "whole", "sequential": table}])


def test_the_summary_says_it_for_each_detector() -> None:
    config = make_config(window=COUNTED, detectors=[{"name": "whole", "sequential": SEQUENTIAL}])

    said = [line.text for line in summarise(config, {})]

    (view,) = views_of(config)
    for name, text in found_by_view(config, view, view.reference.n_events):  # type: ignore[union-attr]
        assert f"{name}: {text}" in said


def test_a_reference_too_small_for_anything_is_no_error() -> None:
    config = make_config(
        reference={"kind": "first_time", "duration_ms": 10_000, "min_events": 2},
        detectors=[{"name": "whole", "sequential": SEQUENTIAL}],
    )

    assert "whole" not in {name for _, name in found_by_views(config)}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"kind": "time", "size_ms": 2_000, "slide_ms": 1_000}, 200),
        ({"kind": "time", "size_ms": 2_000, "slide_ms": 1_000, "max_events": 150}, 150),
        ({"kind": "time", "size_ms": 2_000, "slide_ms": 1_000, "min_events": 300}, 300),
        ({"kind": "count", "size": 70, "slide": 10}, 70),
        ({"kind": "session", "gap_ms": 1_000, "max_size_ms": 60_000, "min_events": 30}, 30),
    ],
)
def test_a_window_is_expected_to_hold_what_came_in_as_long_a_part_of_the_reference(
    window: dict[str, Any], expected: int
) -> None:
    (view,) = views_of(make_config(window=window))

    assert usual_events(view.detectors[0], 1_000, 10_000) == expected
