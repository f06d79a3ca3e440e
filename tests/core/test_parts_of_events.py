"""Requests and responses as events of their own: each view sees what whole events would show it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.event_columns import EventColumns, concatenate
from flink_jobs.intake.formats.base import HAS_FEATURES, HAS_OUTPUTS
from flink_jobs.intake.panes import Pane, PanePacker, unpack_pane
from tests.builders import WIDTH_MS, run_monitor
from tests.intake.examples import named_config

VIEWS = [
    {"name": "inputs", "columns": ["features"]},
    {"name": "answers", "columns": ["outputs"]},
]
N_PANES, N_EVENTS = 40, 30


def config_of(**input_: Any) -> DriftJobConfig:
    columns = {
        "event_id": "id",
        "features": {"age": "number", "plan": "category"},
        "outputs": {"p": "probability"},
        "segments": ["region"],
    }
    return named_config(
        columns,
        views=VIEWS,
        input={"format": "json", **input_},
        reference={"kind": "first_events", "n_events": 300},
    )


def pane_of(config: DriftJobConfig, index: int, events: list[dict[str, Any]]) -> Pane:
    n = len(events)
    data = PanePacker(config).pack(
        "model",
        [json.dumps(event).encode() for event in events],
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int64) + index * 1000,
        np.array([index * WIDTH_MS + event["at"] for event in events], dtype=np.int64),
    )
    return unpack_pane("model", WIDTH_MS, data)


def events_of(index: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(index)
    moved = 5.0 if index >= N_PANES // 2 else 0.0
    return [
        {
            "id": f"{index}-{place}",
            "at": place // 2,
            "age": rng.normal() + moved,
            "plan": str(rng.choice(["free", "pro"])),
            "p": rng.random(),
            "region": "eu",
        }
        for place in range(N_EVENTS)
    ]


def split(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    requests = [{k: v for k, v in event.items() if k != "p"} for event in events]
    responses = [{k: v for k, v in event.items() if k not in ("age", "plan")} for event in events]
    return [*responses[::-1], *requests]


def test_requests_and_responses_give_the_scores_of_whole_events() -> None:
    whole, parted = config_of(), config_of(messages="requests_and_responses")
    panes = [pane_of(whole, n, events_of(n)) for n in range(N_PANES)]
    parts = [pane_of(parted, n, split(events_of(n))) for n in range(N_PANES)]

    wanted = run_monitor(whole, panes)
    found = run_monitor(parted, parts)

    scores = [score for actions in wanted for score in actions.scores]
    assert {score.view for score in scores} == {"inputs", "answers"}
    assert [score for actions in found for score in actions.scores] == scores
    assert [len(actions.alerts) for actions in found] == [len(a.alerts) for a in wanted]
    assert any(actions.alerts for actions in wanted)
    n_used = sum(actions.counts.used for actions in found)
    assert n_used == 2 * sum(actions.counts.used for actions in wanted)


def test_a_view_waits_while_only_the_other_part_comes() -> None:
    parted = config_of(messages="requests_and_responses")
    requests = [split(events_of(n))[N_EVENTS:] for n in range(N_PANES)]

    found = run_monitor(parted, [pane_of(parted, n, own) for n, own in enumerate(requests)])

    assert {score.view for actions in found for score in actions.scores} == {"inputs"}


@pytest.mark.parametrize(("again", "n_duplicates"), [("request", 1), ("response", 0)])
def test_a_response_is_not_its_request_again(again: str, n_duplicates: int) -> None:
    parted = config_of(messages="requests_and_responses")
    request = {"id": "a", "at": 0, "age": 1.0, "plan": "pro"}
    other = {"request": request, "response": {"id": "a", "at": 0, "p": 0.5}}[again]

    pane = pane_of(parted, 0, [request, other])

    assert pane.n_duplicates == n_duplicates
    assert pane.events.parts is not None
    parts = [HAS_FEATURES] if n_duplicates else [HAS_FEATURES, HAS_OUTPUTS]
    assert pane.events.parts.tolist() == parts


def test_whole_events_beside_parts_keep_what_they_have() -> None:
    def events(n: int, parts: list[int] | None) -> EventColumns:
        zeros = np.zeros(n, dtype=np.int64)
        own = None if parts is None else np.array(parts, dtype=np.int8)
        small = zeros.astype(np.int32)
        return EventColumns(["a"] * n, small, zeros, small, zeros, np.zeros((n, 1)), {}, own)

    joined = concatenate([events(1, None), events(2, [1, 2])])

    assert joined.parts is not None
    assert joined.parts.tolist() == [3, 1, 2]
    assert concatenate([events(1, None), events(1, None)]).parts is None
