"""What a configuration is said to cost is what a model takes, and what is too much is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

from flink_jobs.config.checks import cross_check
from flink_jobs.config.costs import check_costs, costs_of
from flink_jobs.config.digests import trained_key
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.views import views_of
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.intake.panes import Pane
from tests.builders import BASE, make_config, make_pane

HOUR_MS = 3_600_000
HOURLY = {"panes": {"width_ms": HOUR_MS}, "input": {"n_features": 5}}
SHORT = {"size_ms": 2 * HOUR_MS, "slide_ms": HOUR_MS}
COUNT = {"kind": "count", "size": 2_000, "slide": 100}
TRAILING = {"kind": "trailing", "size_ms": 24 * HOUR_MS, "step_ms": HOUR_MS}
LONG = TRAILING | {"size_ms": 4_000 * HOUR_MS}
SEASONAL = {"kind": "seasonal", "period": "day", "n_periods": 1}
SMALL_SAMPLE = {"sample": {"size": 200}}


# Each sends more than is kept: counts are dense and samples full.
@pytest.mark.parametrize(
    ("tables", "n_panes", "n_events"),
    [
        ({"reference": {"n_events": 3_000}}, 8, 3_000),
        ({"window": COUNT}, 30, 200),
        ({"window": COUNT, "reference": {"n_events": 1_000}}, 30, 200),
        ({"window": COUNT | {"slide": 1_500}, "kafka": {"control_topic": "c"}}, 20, 900),
        ({"kafka": {"control_topic": "c"}, "window": {"slide_ms": 3_000}} | SMALL_SAMPLE, 12, 300),
        (HOURLY | {"window": {"size_ms": 24 * HOUR_MS, "slide_ms": HOUR_MS}}, 40, 1_100),
        (HOURLY | {"window": SHORT, "reference": TRAILING}, 70, 1_100),
        (HOURLY | {"window": SHORT, "reference": SEASONAL}, 70, 700),
        ({"detector": {"test": {"kind": "mmd_features"}}, "window": {"size_ms": 9_000}}, 15, 1_100),
        ({"detector": {"test": {"kind": "mmd", "n_permutations": 99}}} | SMALL_SAMPLE, 8, 300),
        (
            {
                "input": {"n_features": 50},
                "detector": {"reducer": {"kind": "pca", "n_components": 40}},
                "reference": {"n_events": 500},
            },
            6,
            1_100,
        ),
        ({"reference": {"kind": "first_time", "duration_ms": 9_000, "max_events": 900}}, 9, 250),
        ({"window": {"size_ms": 9_000, "max_events": 500}} | SMALL_SAMPLE, 15, 300),
    ],
)  # fmt: skip
def test_a_model_takes_no_more_state_than_is_said_and_no_third_of_it(
    tables: dict[str, Any], n_panes: int, n_events: int
) -> None:
    config = make_config(**tables)
    said = sum(view.state_bytes for view in costs_of(config))

    taken = most_state_bytes(config, n_panes, n_events)

    assert said / 3 < taken < said


def test_a_category_with_a_new_text_in_every_event_takes_no_more_than_is_said() -> None:
    tree = msgspec.toml.decode(BASE) | {
        "input": {},
        "detector": {},
        "columns": {"features": {"age": "number", "session": "category"}},
        # A slice of many panes, whose samples are joined again and again.
        "window": {"kind": "time", "size_ms": 12_000, "slide_ms": 12_000},
    }
    config = msgspec.convert(tree, DriftJobConfig)
    said = sum(view.state_bytes for view in costs_of(config))

    taken = most_state_bytes(config, 11, 3_000)

    assert said / 3 < taken < said


def most_state_bytes(config: DriftJobConfig, n_panes: int, n_events: int) -> int:
    """The largest state of a model after any of so many panes with as many events."""
    monitor, state, rng = DriftMonitor(config), InMemoryEntries(), np.random.default_rng(0)
    (view,) = views_of(config)
    most = 0
    for index in range(n_panes):
        first = index * n_events
        x = rng.normal(size=(n_events, len(view.slots)))
        x[:, view.categorical] = np.arange(n_events)[:, np.newaxis]
        pane = make_pane(index, x, first_offset=first, width_ms=config.panes.width_ms)
        texts = {
            place: [f"text-{first + n:014d}" for n in range(n_events)] for place in view.categorical
        }
        ids = [f"{first + n:036d}" for n in range(n_events)]
        events = dataclasses.replace(pane.events, texts=texts, event_ids=ids)
        monitor.on_pane(Pane("model", pane.start_ms, pane.end_ms, events, []), state)
        most = max(most, sum(map(len, state.entries.values())))
    return most


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"sample": {"size": 10_000}, "detector": {"test": {"kind": "mmd"}}}, "detector.test"),
        (
            {"sample": {"size": 10_000}}
            | {"detectors": [{"name": "d", "window": COUNT | {"size": 9_000}}
                | {"test": {"kind": "energy"}}]},
            "detectors[0].test",
        ),
        ({"reference": {"n_events": 500_000}, "input": {"n_features": 100}}, "reference"),
        ({"reference": {"n_events": 50_000}, "window": {"size_ms": 600_000}}, "window"),
        (
            {"detectors": [{"name": "d", "window": COUNT | {"size": 5_000_000}}]},
            "detectors[0].window",
        ),
        (HOURLY | {"window": SHORT, "reference": LONG}, "reference"),
    ],
)  # fmt: skip
def test_what_exhausts_a_worker_is_refused_by_the_table_that_takes_most(
    tables: dict[str, Any], key: str
) -> None:
    tree = msgspec.toml.decode(BASE)
    tables = {"reference": {"n_events": 20_000}} | tables
    for name, table in tables.items():
        is_part = isinstance(table, dict) and "kind" not in table
        tree[name] = tree.get(name, {}) | table if is_part else table
    config = msgspec.convert(tree, DriftJobConfig)

    (problem,) = cross_check(config)

    assert problem.key == key
    assert "MB" in problem.wrong


def test_the_events_of_a_training_set_decide_how_large_its_counts_are() -> None:
    reference = {"kind": "artefact", "path": "t.npz", "sha256": "0" * 64}
    config = make_config(reference=reference, window={"size_ms": 600_000})
    (view,) = views_of(config)

    (problem,) = check_costs(config, {trained_key(view): 1_000_000})

    assert list(check_costs(config, {trained_key(view): 1_000})) == []
    assert problem.key == "window"
    assert "n_cells" in problem.allowed
