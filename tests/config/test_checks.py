"""Rules between the keys of a configuration, and what its digests say."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.config.checks import cross_check
from flink_jobs.config.digests import config_version, trained_key
from flink_jobs.config.loading import decode_config
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.config.views import views_of
from tests.builders import BASE, fingerprint_of, make_config, unchecked

HOUR_MS = 3_600_000
COUNT = {"kind": "count", "size": 20, "slide": 7}
SESSION = {"kind": "session", "gap_ms": 2_000, "max_size_ms": 6_000}
FIRST_TIME = {"kind": "first_time", "duration_ms": 3_000}
TRAILING = {"kind": "trailing", "size_ms": 4_000, "step_ms": 2_000}
SEASONAL = {"kind": "seasonal", "period": "day", "slot_ms": HOUR_MS}
PCA = {"reducer": {"kind": "pca", "n_components": 2}}
ARTEFACT = {"kind": "artefact", "path": "t.npz", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("tables", "key", "wrong"),
    [
        ({"window": SESSION | {"gap_ms": 2_500}}, "window.gap_ms", "not a multiple of panes"),
        ({"window": SESSION | {"max_size_ms": 1_500}}, "window.max_size_ms", "not a multiple"),
        ({"window": SESSION | {"early_events": 5}}, "window.early_events", "5 is below min_events"),
        ({"window": {"max_events": 1}}, "window.max_events", "1 is below min_events = 2"),
        ({"window": COUNT | {"slide": 21}}, "window.slide", "21 leaves gaps"),
        ({"window": COUNT | {"size": 1, "slide": 1}}, "window.size", "1 event"),
        (
            {"reference": FIRST_TIME | {"duration_ms": 2_500}},
            "reference.duration_ms",
            "not a multiple of panes.width_ms",
        ),
        (
            {"reference": FIRST_TIME | {"max_events": 99}},
            "reference.max_events",
            "99 is below min_events = 100",
        ),
        (
            {"reference": TRAILING | {"size_ms": 4_500, "step_ms": 1_500}},
            "reference.step_ms",
            "not a multiple of panes.width_ms",
        ),
        ({"reference": TRAILING | {"size_ms": 5_000}}, "reference.size_ms", "of step_ms = 2000"),
        ({"reference": TRAILING | {"gap_ms": 1_000}}, "reference.gap_ms", "of step_ms = 2000"),
        (
            {"reference": TRAILING | {"max_events_per_step": 49}},
            "reference.max_events_per_step",
            "98 events at most, and min_events = 100",
        ),
        (
            {"reference": TRAILING | {"size_ms": 20_002_000}},
            "reference.step_ms",
            "10,001 pieces of history",
        ),
        (
            {"reference": SEASONAL | {"slot_ms": 7 * HOUR_MS}},
            "reference.slot_ms",
            "does not divide a day",
        ),
        ({"reference": SEASONAL | {"slot_ms": 9_600}}, "reference.slot_ms", "not a multiple"),
        (
            {"reference": SEASONAL | {"max_events_per_slot": 99}},
            "reference.max_events_per_slot",
            "99 events at most",
        ),
        (
            {"reference": SEASONAL | {"period": "week", "slot_ms": 60_000}},
            "reference.slot_ms",
            "10,080 pieces of history",
        ),
        ({"silence": {"after_ms": 999}}, "silence.after_ms", "999 is less than a pane"),
        ({"job": {"named_models": ["a", "other"]}}, "job.named_models", "'other' is the name"),
        ({"kafka": {"control_topic": "inference"}}, "kafka.control_topic", "is also kafka.infer"),
        (
            {"kafka": {"control_topic": "c", "audit_topic": "c"}},
            "kafka.audit_topic",
            "'c' is also kafka.control_topic",
        ),
        (
            {"detectors": [{"name": "main", "window": COUNT}]},
            "detectors[0].name",
            "'main' is taken",
        ),
        (
            {"detectors": [{"name": "a", "window": COUNT}, {"name": "a", "window": COUNT}]},
            "detectors[1].name",
            "'a' is taken",
        ),
        (
            {"detectors": [{"name": "a", "window": SESSION | {"gap_ms": 2_500}}]},
            "detectors[0].window.gap_ms",
            "not a multiple",
        ),
        (
            {
                "detectors": [
                    {"name": "a", "window": COUNT, "test": {"kind": "mmd", "n_permutations": 98}}
                ]
            },
            "detectors[0].test.n_permutations",
            "98 permutations never give a p-value of 0.01",
        ),
        (
            {
                "detectors": [
                    {"name": "a", "window": COUNT | {"size": 3, "slide": 3}}
                    | {"test": {"kind": "binomial"}}
                ]
            },
            "detectors[0].window.size",
            "3 events",
        ),
        (
            {"detector": PCA, "detectors": [{"name": "a", "window": COUNT}
                | {"test": {"kind": "chi_square"}}]},
            "detectors[0].test.kind",
            "leaves no categories",
        ),
        (
            {"detectors": [{"name": "a", "window": COUNT, "policy": {"flapping_after": 1}}]},
            "detectors[0].policy.flapping_after",
            "one incident does not flap",
        ),
    ],
)  # fmt: skip
def test_keys_that_do_not_fit_together_are_named(
    tables: dict[str, Any], key: str, wrong: str
) -> None:
    (problem,) = cross_check(unchecked(**tables))

    assert problem.key == key
    assert wrong in problem.wrong


@pytest.mark.parametrize(
    "tables",
    [
        {"window": SESSION},
        {"reference": TRAILING | {"size_ms": 20_000_000, "max_events_per_step": 20},
         "detector": {"test": {"kind": "ks", "n_cells": 100}}},
        {"reference": SEASONAL | {"period": "week", "n_periods": 52, "max_events_per_slot": 40},
         "detector": {"test": {"kind": "ks", "n_cells": 100}}},
        {"silence": {"after_ms": 1_500}},
        {"kafka": {"audit_topic": "inference"}},
        {"detectors": [{"name": f"d-{n}", "window": COUNT} for n in range(3)]},
    ],
)  # fmt: skip
def test_keys_that_fit_together_are_no_problem(tables: dict[str, Any]) -> None:
    assert cross_check(unchecked(**tables)) == []


def test_a_level_of_a_further_detector_that_its_inherited_test_never_reaches_is_named() -> None:
    more = {
        "name": "strict",
        "window": COUNT,
        "calibration": {"kind": "level_per_window", "level": 1e-3},
    }
    test = {"kind": "energy", "n_permutations": 99}

    (problem,) = cross_check(unchecked(detector={"test": test}, detectors=[more]))

    assert problem.key == "detectors[0].test.n_permutations"


STRICT = {"calibration": {"level": 1e-3}}
NONE = {"kind": "none"}


@pytest.mark.parametrize(
    ("test", "n_columns", "size", "n_ref"),
    [
        ({"kind": "ks"}, 3, 4, 10),
        ({"kind": "ks"}, 400, 6, 20),
        ({"kind": "chi_square"}, 3, 3, 20),
        ({"kind": "mixed", "categorical_columns": [0]}, 3, 3, 20),
        ({"kind": "binomial"}, 3, 9, 30),
        ({"kind": "energy"}, 3, 4, 8),
    ],
)
def test_windows_that_can_never_alarm_are_refused(
    test: dict[str, Any], n_columns: int, size: int, n_ref: int
) -> None:
    config = unchecked(
        **STRICT,
        detector={"test": test, "reducer": NONE},
        input={"n_features": n_columns},
        window={"kind": "count", "size": size, "slide": size},
        reference={"n_events": n_ref},
    )

    (problem,) = cross_check(config)

    assert problem.key == "window.size"
    assert f"{size} events against a reference of {n_ref} never alarm" in problem.wrong


@pytest.mark.parametrize(
    "test", [{"kind": "chi_square"}, {"kind": "mixed", "categorical_columns": [0, 1]}]
)
def test_categories_in_many_columns_can_alarm(test: dict[str, Any]) -> None:
    config = unchecked(**STRICT, detector={"test": test, "reducer": NONE}, input={"n_features": 40})

    assert cross_check(config) == []


def test_a_sample_of_each_window_that_is_too_small_to_alarm_is_refused() -> None:
    window = {"size_ms": 2_000, "slide_ms": 2_000, "min_events": 2, "max_events": 2}

    (problem,) = cross_check(unchecked(calibration={"level": 1e-6}, window=window))

    assert problem.key == "window.max_events"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('window = {kind = "count", size = 20, slied = 3}', "window.slied: is unknown; did you"),
        ('window = {kind = "cuont"}', "window.kind: 'cuont' is not one of them; allowed: 'time'"),
        ('windwo = {kind = "count"}', "windwo: is unknown; did you mean 'window'?"),
        ('window = {kind = "count", size = 0, slide = 3}', "window.size: 0 is out of range"),
        (
            'window = {kind = "count", size = 2, slide = 2}\ntest = {kind = "mmd", kernel = "x"}',
            "test.kernel: 'x' is not one of them; allowed: 'gaussian', 'laplace'",
        ),
        (
            'window = {kind = "count", size = 2, slide = 2}\npolicy = {exemplar = 1}',
            "policy.exemplar: is unknown; did you mean 'exemplars'?",
        ),
    ],
)
def test_a_wrong_key_of_a_further_detector_is_named_with_what_is_allowed(
    text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_config(f'{BASE}[[detectors]]\nname = "d"\n{text}\n'.encode())

    assert f"detectors[0].{message}" in str(caught.value)


@pytest.mark.parametrize(
    "tables",
    [
        {"window": {"early_events": 9}},
        {"window": {"max_events": 9}},
        {"sample": {"size": 200}},
        {"reference": {"n_events": 31}},
        {"reference": FIRST_TIME},
        {"reference": TRAILING},
        {"reference": SEASONAL},
        {"detectors": [{"name": "d", "window": COUNT}]},
    ],
)
def test_what_decides_which_events_are_compared_changes_both_digests(
    tables: dict[str, Any],
) -> None:
    base, config = make_config(), make_config(**tables)

    assert config_version(config) != config_version(base)
    assert fingerprint_of(config) != fingerprint_of(base)


@pytest.mark.parametrize(
    "tables",
    [
        {"silence": {"after_ms": 5_000}},
        {"reference": {"n_events": 30, "rebaseline": "never"}},
        {"policy": {"windows_to_start": 2}},
        {"calibration": {"level": 0.02}},
    ],
)
def test_what_only_decides_what_is_told_leaves_the_state_usable(tables: dict[str, Any]) -> None:
    base, config = make_config(), make_config(**tables)

    assert config_version(config) != config_version(base)
    assert fingerprint_of(config) == fingerprint_of(base)


@pytest.mark.parametrize("reference", [FIRST_TIME, TRAILING, SEASONAL], ids=lambda r: r["kind"])
def test_what_happens_on_a_changed_configuration_is_no_other_reference(
    reference: dict[str, Any],
) -> None:
    refusing = make_config(reference=reference | {"on_config_change": "refuse"})

    assert fingerprint_of(refusing) == fingerprint_of(make_config(reference=reference))


def test_levels_and_policies_of_further_detectors_leave_the_state_usable() -> None:
    detector = {"name": "d", "window": COUNT}
    plain = make_config(detectors=[detector])
    strict = make_config(
        detectors=[
            detector
            | {
                "calibration": {"kind": "level_per_window", "level": 0.001},
                "policy": {"windows_to_start": 2},
            }
        ]
    )

    assert fingerprint_of(strict) == fingerprint_of(plain)
    assert config_version(strict) != config_version(plain)


def test_a_training_set_is_fitted_once_for_all_windows_and_levels() -> None:
    base = key_of(reference=ARTEFACT)

    assert key_of(reference=ARTEFACT, window=COUNT) == base
    assert key_of(reference=ARTEFACT, calibration={"level": 0.5}) == base
    assert key_of(reference=ARTEFACT, detector=PCA) != base
    assert key_of(reference=ARTEFACT | {"sha256": "1" * 64}) != base


def key_of(**tables: Any) -> str:
    (view,) = views_of(make_config(**tables))
    return trained_key(view)
