"""Detectors without windows in a configuration: what is refused, what they cost, what is said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flink_jobs.cli.summary import summarise
from flink_jobs.config.checks import cross_check
from flink_jobs.config.costs import check_costs, costs_of
from flink_jobs.config.digests import config_version
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.views import views_of
from tests.builders import BASE, fingerprint_of, make_config

WINDOW = {"kind": "time", "size_ms": 3_000, "slide_ms": 1_000}
TRAILING = {"kind": "trailing", "size_ms": 4_000, "step_ms": 2_000}
PSI = {"kind": "psi"}


def table(**keys: Any) -> dict[str, Any]:
    return {"kind": "counts_e_detector", "run_time_events": 1_000} | keys


def unchecked(*detectors: dict[str, Any], **tables: Any) -> DriftJobConfig:
    tree = msgspec.toml.decode(BASE) | tables | {"detectors": list(detectors)}
    return msgspec.convert(tree, DriftJobConfig)


def problems(*detectors: dict[str, Any], **tables: Any) -> list[Problem]:
    return cross_check(unchecked(*detectors, **tables))


@pytest.mark.parametrize(
    ("detector", "key", "wrong"),
    [
        ({}, "window", "neither window nor sequential"),
        ({"sequential": table(), "window": WINDOW}, "window", "has none"),
        ({"sequential": table(), "test": PSI}, "test", "has none"),
        (
            {"sequential": table(), "calibration": {"kind": "level_per_window"}},
            "calibration",
            "has none",
        ),
        ({"sequential": table(run_time_ms=5)}, "sequential.run_time_events", "both"),
        ({"sequential": table(run_time_events=None)}, "sequential.run_time_events", "neither"),
        (
            {"sequential": table(score_every_ms=1_500)},
            "sequential.score_every_ms",
            "not a multiple of panes",
        ),
        (
            {"sequential": table(), "policy": {"windows_to_start": 3}},
            "policy.windows_to_start",
            "neither windows",
        ),
        (
            {"sequential": table(), "policy": {"min_effect_size": 0.1}},
            "policy.min_effect_size",
            "nor effect sizes",
        ),
        (
            {"sequential": table(), "policy": {"flapping_after": 1}},
            "policy.flapping_after",
            "does not flap",
        ),
    ],
)
def test_what_a_detector_without_windows_cannot_be_is_refused_by_its_key(
    detector: dict[str, Any], key: str, wrong: str
) -> None:
    found = problems({"name": "fine", "window": WINDOW}, {"name": "whole", **detector})

    assert [(each.key, wrong in each.wrong) for each in found] == [(f"detectors[1].{key}", True)]


def test_a_reference_that_moves_is_refused_by_name() -> None:
    [problem] = problems({"name": "whole", "sequential": table()}, reference=TRAILING)

    assert problem.key == "detectors[0].sequential"
    assert "reference is of kind 'trailing'" in problem.wrong
    assert "first_events" in problem.allowed


def test_a_reference_too_small_to_be_halved_is_refused() -> None:
    reference = {"kind": "first_events", "n_events": 3}

    found = problems({"name": "whole", "sequential": table()}, reference=reference)

    assert ("reference.n_events", "3 events") in [(p.key, p.wrong) for p in found]


def test_a_name_that_is_taken_is_refused() -> None:
    found = problems({"name": "main", "sequential": table()})

    assert [(p.key, p.wrong) for p in found] == [("detectors.name", "'main' is taken")]


def test_keys_of_detectors_with_windows_count_those_without() -> None:
    bad = WINDOW | {"slide_ms": 1_500}

    [problem] = problems({"name": "whole", "sequential": table()}, {"name": "short", "window": bad})

    assert problem.key == "detectors[1].window.slide_ms"


def test_what_a_taken_over_policy_says_of_windows_is_no_problem() -> None:
    policy = {"windows_to_start": 5, "windows_to_recover": 7, "critical_effect_size": 0.5}

    config = make_config(policy=policy, detectors=[{"name": "whole", "sequential": table()}])

    assert views_of(config)[0].sequential[0].policy.windows_to_start == 5


def test_each_view_has_sequential_detectors_of_its_own() -> None:
    views = [
        {"name": "a", "columns": ["features"], "detectors": [
            {"name": "whole", "sequential": table()}]},
        {"name": "b", "columns": ["features"]},
    ]  # fmt: skip

    config = make_config(views=views, detector={"reducer": None, "test": None})

    assert [view.detector_names for view in views_of(config)] == [["main", "whole"], ["main"]]


def test_a_changed_promise_keeps_the_state_and_is_another_configuration() -> None:
    promises = [table(), table(run_time_events=50, quiet_share=0.5, score_every_ms=2_000)]
    configs = [make_config(detectors=[{"name": "w", "sequential": each}]) for each in promises]

    assert len({fingerprint_of(config) for config in configs}) == 1
    assert len({config_version(config) for config in configs}) == 2


@pytest.mark.parametrize(
    "keys", [{"n_cells": 3}, {"scheme": "cusum"}, {"confidence": 0.5},
             {"run_time_events": None, "run_time_ms": 1_000}],
)  # fmt: skip
def test_another_detector_needs_another_state(keys: dict[str, Any]) -> None:
    configs = [
        make_config(detectors=[{"name": "w", "sequential": each}])
        for each in (table(), table(**keys))
    ]

    assert len({fingerprint_of(config) for config in configs}) == 2


def test_a_memory_too_large_for_a_worker_is_refused_with_what_makes_it_smaller() -> None:
    config = unchecked(
        {"name": "whole", "sequential": table(n_cells=1_000)},
        input={"n_features": 10_000},
        sample={"size": 20},
        detector={"reducer": {"kind": "none"}, "test": {"kind": "ks", "n_cells": 2}},
    )

    [problem] = check_costs(config)

    assert "a smaller n_cells" in problem.allowed
    assert "in a sequential detector" in problem.allowed


def test_the_summary_says_the_promise_the_state_and_the_time() -> None:
    config = make_config(detectors=[{"name": "whole", "sequential": table()}])

    said = [line.text for line in summarise(config, {})]

    [promise] = [text for text in said if text.startswith("whole: every pane")]
    assert "1,000 events or more until a false alarm, on average, for 90% of references" in promise
    assert "a score every 1 min, recovered after 100 events without an alarm" in promise
    [cost] = [text for text in said if text.startswith("whole: a memory of")]
    memory_bytes = costs_of(config)[0].sequential[0].memory_bytes
    assert f"a memory of {memory_bytes} B; a pane takes about" in cost


KINDS = ("counts_e_detector", "kernel_e_detector", "conformal_e_detector", "classifier_e_detector")


@pytest.mark.parametrize("kind", KINDS)
def test_a_wider_view_has_a_larger_memory_and_one_of_more_events_none(kind: str) -> None:
    def memory_of(n_features: int, n_events: int) -> int:
        config = make_config(
            input={"n_features": n_features},
            reference={"n_events": n_events},
            detectors=[{"name": "whole", "sequential": table(kind=kind)}],
        )
        return costs_of(config)[0].sequential[0].memory_bytes

    assert memory_of(3, 500) == memory_of(3, 50_000) < memory_of(9, 500)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_number_of_a_class_is_not_a_size(kind: str) -> None:
    found = problems(
        {"name": "whole", "sequential": table(kind=kind)},
        input={"n_outputs": 3},
        detector={"reducer": {"kind": "hard_predictions"}, "test": {"kind": "chi_square"}},
    )

    assert [each.key for each in found] == ["detectors[0].sequential.kind"]
    assert "the number of a class" in found[0].wrong
    assert "softmax_outputs" in found[0].allowed


def test_components_in_front_need_a_quarter_of_the_reference_to_learn_from() -> None:
    tables = {
        "input": {"n_features": 20},
        "detector": {"reducer": {"kind": "pca", "n_components": 10}, "test": {"kind": "ks"}},
    }
    few, enough = (
        problems(
            {"name": "whole", "sequential": table()},
            reference={"kind": "first_events", "n_events": n},
            **tables,
        )
        for n in (36, 40)
    )

    assert [each.key for each in few] == ["reference.n_events"]
    assert few[0].allowed == "40 or more"
    assert not enough


def test_a_storm_needs_the_columns_that_alerts_name() -> None:
    policy = {"top_columns": 0}

    found = problems(
        {"name": "whole", "sequential": table(), "policy": policy},
        storm={"models": 3, "within_ms": 60_000},
    )

    assert [each.key for each in found] == ["detectors[0].policy.top_columns"]
