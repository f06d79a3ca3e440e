"""The pandas aggregate function that packs panes, as Flink calls it."""

from __future__ import annotations

import pandas as pd

from flink_jobs.flink.operators.panes import PackPanes
from flink_jobs.intake.formats.json import InferenceEvent, encode_event
from flink_jobs.intake.panes import unpack_pane
from flink_jobs.intake.shards import unpack_shard
from tests.builders import make_config


def event_columns(n: int, n_features: int) -> list[pd.Series]:
    """Model, payload, partition, offset and time of some events, as Flink hands them over."""
    payloads = [
        encode_event(
            InferenceEvent(
                schema_version=1,
                event_id=f"e-{i}",
                features=[0.0] * n_features,
                outputs=[0.5, 0.5],
            )
        )
        for i in range(n)
    ]
    return [pd.Series(c) for c in (["fraud"] * n, payloads, [0] * n, range(n), range(n))]


def test_rows_that_come_in_two_calls_are_packed_as_those_of_one() -> None:
    config = make_config(input={"n_outputs": 2})
    function = PackPanes(config)
    function.open(None)
    columns = event_columns(10, config.input.n_features)
    at_once, in_two = function.create_accumulator(), function.create_accumulator()

    function.accumulate(at_once, *columns)
    function.accumulate(in_two, *(column[:3] for column in columns))
    function.accumulate(in_two, *(column[3:] for column in columns))

    packed = function.get_value(in_two)
    assert packed == function.get_value(at_once)
    [(model, pane)] = unpack_shard(packed)
    events = unpack_pane(model, config.panes.width_ms, pane).events
    assert (model, events.event_ids) == ("fraud", [f"e-{i}" for i in range(10)])


def test_what_panes_need_of_records_comes_along_with_them() -> None:
    config = make_config(
        input={"format": "json", "n_outputs": 2}, columns={"event_id": "@header.id"}
    )
    function = PackPanes(config)
    function.open(None)
    accumulator = function.create_accumulator()
    columns = event_columns(3, config.input.n_features)

    function.accumulate(accumulator, *columns, pd.Series(["c", "a", "b"]))

    [(model, pane)] = unpack_shard(function.get_value(accumulator))
    events = unpack_pane(model, config.panes.width_ms, pane).events
    # In the order of time.
    assert events.event_ids == ["c", "a", "b"]
