from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from detectors import KSTest, MixedTest
from flink_jobs.cli.summary import Line, summarise
from flink_jobs.config.digests import trained_key
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.views import views_of
from tests.builders import BASE, make_config

TRAILING = {"kind": "trailing", "size_ms": 20_000, "step_ms": 2_000, "min_events": 10}
DAILY = {"kind": "seasonal", "period": "day", "n_periods": 2, "min_events": 10}
WEEKLY = DAILY | {"period": "week", "n_periods": 1}
FIRST_TIME = {"kind": "first_time", "duration_ms": 60_000}
SESSION = {"kind": "session", "gap_ms": 30_000, "max_size_ms": 600_000}
COUNT = {"kind": "count", "size": 2_000, "slide": 100}


def lines_of(**tables: Any) -> list[Line]:
    return summarise(make_config(**tables), {})


def text_of(name: str, **tables: Any) -> str:
    return dict(lines_of(**tables))[name]


@pytest.mark.parametrize(("n_ref", "n_test"), [(30, 2), (30, 20), (3_000, 200)])
def test_the_lowest_p_value_is_that_of_samples_that_do_not_overlap(n_ref: int, n_test: int) -> None:
    test = KSTest().fit(np.zeros((n_ref, 3)))

    extreme = test.test(np.ones((n_test, 3)), rng=np.random.default_rng(0))

    text = text_of("detector", window={"min_events": n_test}, reference={"n_events": n_ref})
    assert f"{n_test:,} events can" in text
    assert text.endswith(f" {extreme.p_value:.2g}")


def test_a_mixed_test_of_many_columns_is_told_what_samples_that_share_nothing_give() -> None:
    mixed = {"kind": "mixed", "categorical_columns": [3, 4, 5, 6, 7]}
    test = MixedTest([3, 4, 5, 6, 7]).fit(np.zeros((1_000, 12)))

    extreme = test.test(np.ones((20, 12)), rng=np.random.default_rng(0)).p_value

    assert extreme < 1e-20
    assert f"20 events can reach {extreme:.2g}" in text_of(
        "detector",
        detector={"test": mixed, "reducer": {"kind": "none"}},
        input={"n_features": 12},
        window={"min_events": 20},
        reference={"n_events": 1_000},
        calibration={"level": 0.001},
    )


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (COUNT, "main: 2,000 events, every 100; ks"),
        ({"early_events": 50}, "main: 3 s, every 1 s, from 2 events on, early at 50; ks"),
        ({"max_events": 40}, "main: 3 s, every 1 s, from 2 events on, the newest 40; ks"),
        (SESSION, "main: until 30 s without events, 10 min at most, from 20 events on; ks"),
    ],
)
def test_every_kind_of_window_is_told_in_one_line(window: dict[str, Any], said: str) -> None:
    assert text_of("detector", window=window).startswith(said)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({}, "the first 30 events of each model"),
        (FIRST_TIME, "the first 1 min of each model, 100 events or more; 10,000 are kept"),
        (TRAILING, "20 s that end at the start of a window; no test with fewer than 10 events"),
        (TRAILING | {"gap_ms": 4_000}, "20 s that end 4 s before a window"),
        (DAILY, "the same 1 h of the day in the 2 days before; no test with fewer than 10"),
        (WEEKLY, "the same 1 h of the week in the week before"),
    ],
)
def test_every_kind_of_reference_is_told_in_one_line(reference: dict[str, Any], said: str) -> None:
    assert text_of("reference", reference=reference).startswith(said)


def test_each_detector_has_a_line_with_its_window_test_and_level() -> None:
    more = [
        {"name": "long", "window": COUNT},
        {
            "name": "whole",
            "window": SESSION,
            "test": {"kind": "energy", "n_permutations": 199},
            "calibration": {"kind": "level_per_window", "level": 0.05},
        },
    ]

    texts = [text for name, text in lines_of(detectors=more) if name == "detector"]

    assert [text.split(":")[0] for text in texts] == ["main", "long", "whole"]
    assert "ks at 0.01; 2,000 events can reach" in texts[1]
    assert "energy at 0.05; 20 events can reach 0.005" in texts[2]


def test_a_window_too_small_for_its_level_is_pointed_out() -> None:
    text = text_of("detector", calibration={"level": 1e-9})

    assert "a window of 2 events cannot alarm, its lowest p-value is 0.012" in text


def test_the_state_of_each_part_is_told_with_what_a_test_takes() -> None:
    parts = parts_of(window=COUNT, reference={"n_events": 1_000})

    assert parts[0].startswith("reference: ")
    assert parts[0].endswith(" while it is collected")
    assert parts[1].startswith("main: 20 slices of ")
    assert "a test takes about " in parts[1]


def test_a_window_that_a_command_may_approve_is_kept_for_one_more_slide() -> None:
    kafka = {"control_topic": "drift-control"}

    assert "main: 3 slices" in parts_of()[1]
    assert "main: 4 slices" in parts_of(kafka=kafka)[1]


def test_parts_of_views_are_told_apart() -> None:
    lines = summarise(two_views(), {})

    owners = [text.split(": ")[0] for name, text in lines if not name]
    assert owners == [
        "inputs / reference",
        "inputs / main",
        "outputs / reference",
        "outputs / main",
    ]


def test_a_moving_reference_whose_counts_are_a_lot_is_told_what_makes_them_smaller() -> None:
    week = {"kind": "trailing", "size_ms": 604_800_000, "step_ms": 3_600_000}
    tables: dict[str, Any] = {
        "reference": week,
        "panes": {"width_ms": 600_000},
        "window": {"size_ms": 3_600_000, "slide_ms": 3_600_000},
        "input": {"n_features": 40},
    }

    wide = parts_of(**tables)[0]
    narrow = parts_of(**tables, detector={"test": {"kind": "ks", "n_cells": 50}})[0]

    assert "and 172 pieces of history of " in wide
    assert wide.endswith("a smaller n_cells in the test makes them smaller")
    assert "n_cells" not in narrow


def parts_of(**tables: Any) -> list[str]:
    return [text for name, text in lines_of(**tables) if not name]


def test_what_lies_in_open_panes_is_bounded_by_the_configuration() -> None:
    text = text_of(
        "open panes",
        input={
            "max_out_of_orderness_ms": 500,
            "max_future_ms": 1_600,
            "max_partition_drift_panes": 2,
            "max_payload_bytes": 800,
        },
        panes={"max_raw_events": 100},
    )

    # Panes of 1 s: one being read, one begun, two ahead, three for disorder and fast clocks.
    assert text.startswith("up to 7 of a model, each with up to 100 raw events")
    assert "100 raw events: 700 kB if all are of 800 B, which input.max_payload_bytes" in text
    assert text.endswith("of a backlog also what is read in 0.1 s")


def test_what_open_panes_hold_is_also_said_for_events_as_most_are() -> None:
    text = text_of(
        "open panes",
        input={"max_out_of_orderness_ms": 500, "max_future_ms": 1_600, "max_payload_bytes": 9_800},
        panes={"max_raw_events": 1_000},
    )

    n_panes = int(text.split()[2])
    said = f"{1.2 * n_panes:.3g} MB if all are of 1,000 B, {10 * n_panes} MB if all are of 9,800 B"
    assert said in text


def test_a_training_set_takes_no_state_of_a_model() -> None:
    reference = {"kind": "artefact", "path": "training.npz", "sha256": "0" * 64}
    config = make_config(reference=reference)
    (view,) = views_of(config)

    lines = summarise(config, {trained_key(view): 500})

    assert Line("reference", "500 events of training.npz, for all models") in lines
    assert Line("", "reference: none in the state, all models share one") in lines


def test_silence_commands_and_the_state_backend_are_told() -> None:
    lines = dict(
        lines_of(
            silence={"after_ms": 300_000},
            kafka={
                "control_topic": "control",
                "audit_topic": "audit",
                "evidence_topic": "kept",
                "status_topic": "status",
            },
            job={"state_backend": "rocksdb"},
        )
    )

    assert lines["silence"] == "alert after 5 min without events"
    assert lines["control"] == "commands from control, answers to audit"
    assert lines["evidence"] == (
        "at most 500 events of each side of an incident, 0.9 MB a record, to kept"
    )
    assert (
        lines["status"] == "of each model to status, with each change and every 1 min of its events"
    )
    assert lines["job"].startswith("state on disk (rocksdb), checkpoint every 10 s")


def test_an_override_is_told_with_what_it_says_and_the_lines_it_changes() -> None:
    lines = lines_of(
        overrides=[
            {"models": "fraud-*", "calibration": {"level": 0.05}, "silence": {"after_ms": 5_000}}
        ]
    )

    place = lines.index(
        Line("override", "fraud-*: calibration.level = 0.05, silence.after_ms = 5000")
    )
    assert [name for name, _ in lines[place + 1 :]] == ["  detector", "  silence"]
    assert "ks at 0.05" in lines[place + 1].text


def test_an_override_that_no_model_can_reach_is_pointed_out() -> None:
    level = {"calibration": {"level": 0.05}}

    lines = lines_of(overrides=[{"models": "a*"} | level, {"models": "a-*-b"} | level])

    assert lines[-1] == Line("", "never used: a* comes first and takes all of its models")


def two_views() -> DriftJobConfig:
    tree = msgspec.toml.decode(BASE) | {
        "columns": {
            "features": {"plan": "category", "emb": {"type": "vector", "size": 16}},
            "outputs": {"p_churn": "probability"},
        },
        "input": {},
        "detector": {},
        "views": [
            {"name": "inputs", "columns": ["features"], "test": {"kind": "ks"}},
            {"name": "outputs", "columns": ["p_churn"], "reference": FIRST_TIME},
        ],
    }
    return msgspec.convert(tree, DriftJobConfig)


def test_views_are_listed_with_their_columns_and_detectors() -> None:
    lines = summarise(two_views(), {})

    told = [line for line in lines if line.name in ("events", "view", "reference")]
    assert told == [
        Line("events", "18 values of each, in panes of 1 s"),
        Line("view", "inputs: plan (category), emb (16 numbers), reducer none"),
        Line("reference", "the first 30 events of each model"),
        Line("view", "outputs: p_churn (probability), reducer none"),
        Line(
            "reference",
            "the first 1 min of each model, 100 events or more; 10,000 are kept",
        ),
    ]


def test_the_only_view_of_a_configuration_without_views_stays_unnamed() -> None:
    assert "view" not in [line.name for line in lines_of()]


def test_a_promised_run_time_shows_its_level_and_how_rare_false_alarms_are() -> None:
    (line,) = [
        line.text
        for line in lines_of(
            window={"kind": "count", "size": 500, "slide": 100},
            reference={"kind": "first_events", "n_events": 5_000},
            calibration={"kind": "expected_run_time", "windows": 1_000},
            policy={"windows_to_start": 2, "windows_to_recover": 3},
        )
        if line.name == "detector"
    ]

    assert "ks at 0.00" in line
    assert "a false alarm in 1,000 windows or more (confidence 0.9)" in line
