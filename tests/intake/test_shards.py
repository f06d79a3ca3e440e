"""The panes of several models as one value."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.intake.formats.json import InferenceEvent, encode_event
from flink_jobs.intake.panes import PanePacker
from flink_jobs.intake.shards import ShardRecords, pack_shard, unpack_shard
from tests.builders import make_config


def payload(i: int) -> bytes:
    event = InferenceEvent(
        schema_version=1, event_id=f"e-{i}", features=[0.0] * 4, outputs=[0.25, 0.75]
    )
    return b"no event" if i % 5 == 4 else encode_event(event)


@given(st.lists(st.sampled_from(["fraud", "churn", "prix-é", "a\0b"]), min_size=1, max_size=30))
def test_each_model_has_the_pane_that_it_would_have_alone(models: list[str]) -> None:
    packer = PanePacker(make_config(input={"n_features": 4, "n_outputs": 2}))
    rows = range(len(models))
    partitions = np.array([i % 3 for i in rows], dtype=np.int32)
    offsets, times_ms = np.array(rows, dtype=np.int64), np.array([i % 7 for i in rows])
    payloads = [payload(i) for i in rows]

    packed = pack_shard(packer, ShardRecords(models, payloads, partitions, offsets, times_ms))

    expected = {}
    for model in sorted(set(models)):
        own = [i for i in rows if models[i] == model]
        columns = (partitions[own], offsets[own], times_ms[own])
        expected[model] = packer.pack(model, [payloads[i] for i in own], *columns)
    assert {model: bytes(pane) for model, pane in unpack_shard(packed)} == expected
    assert [model for model, _ in unpack_shard(packed)] == list(expected)
