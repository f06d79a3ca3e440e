"""CloudEvents around payloads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import record_parts
from flink_jobs.intake.cloud_events import unwrap_cloud_events
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.locating import Locator
from tests.intake.formats.servers import as_messages, config_of, made_by, problems_of, rows_of

COLUMNS: dict[str, Any] = {
    "model": "@ce.inferenceservicename",
    "time": "@ce.time",
    "features": {
        "age": "number",
        "plan": "category",
        "emb": {"type": "vector", "size": 2},
    },
}
ROW = {"id": "r1", "age": 40.5, "plan": "pro", "emb": [0.5, -1.0]}


def wrapped(format_: str = "kserve_v1", columns: dict[str, Any] | None = None) -> DriftJobConfig:
    return config_of(format_, columns or COLUMNS, input={"envelope": "cloudevents"})


def parts_of(config: DriftJobConfig, headers: dict[str, str]) -> list[str | None]:
    return [headers.get(name.removeprefix("header:")) for name in record_parts(config)]


@pytest.mark.parametrize(
    "name", ["cloudevent-binary", "cloudevent-structured", "cloudevent-base64"]
)
def test_an_event_of_the_cloudevents_package_is_read_in_every_mode(name):
    config = wrapped()
    payload, headers = made_by("mlserver")[name]
    messages = as_messages([payload], [parts_of(config, headers)])

    events = Layout(config).decode(messages)
    located = Locator(config, "topic").locate(messages, np.zeros(1, dtype=np.int64), [None])

    assert rows_of(Layout(config), events) == [ROW]
    assert located.models == ["churn"]
    assert located.times_ms.tolist() == [1_772_400_000_250]


def test_both_modes_may_come_on_one_topic():
    config = wrapped()
    made = made_by("mlserver")
    given_ = [made["cloudevent-binary"], made["cloudevent-structured"]] * 2
    parts = [parts_of(config, headers) for _, headers in given_]

    events = Layout(config).decode(as_messages([payload for payload, _ in given_], parts))

    assert rows_of(Layout(config), events) == [ROW] * 4


def test_lines_of_a_file_hold_structured_events():
    config = wrapped()
    payload, _ = made_by("mlserver")["cloudevent-structured"]

    located = Locator(config, "lines").locate(as_messages([payload]))

    assert located.models == ["churn"]
    assert rows_of(Layout(config), Layout(config).decode(as_messages([payload]))) == [ROW]


def test_the_data_may_be_text():
    event = {"specversion": "1.0", "id": "a", "data": '{"age": 4}'}

    events = unwrap_cloud_events([json.dumps(event).encode()], [], None)

    assert events.payloads == [b'{"age": 4}']


def test_headers_without_a_version_make_a_binary_event_too():
    config = wrapped()
    headers = {"ce_id": "7", "ce_inferenceservicename": "churn", "ce_time": "2026-03-01T00:00:00Z"}
    payload = {"instances": [{"age": 40.5, "plan": "pro", "emb": [0.5, -1]}]}

    events = Layout(config).decode(as_messages([payload], [parts_of(config, headers)]))

    assert rows_of(Layout(config), events) == [ROW | {"id": "7"}]


@pytest.mark.parametrize(
    ("value", "headers", "why"),
    [
        ([{"specversion": "1.0"}], {}, "invalid_event: a batch of CloudEvents"),
        ({}, {"content-type": "application/cloudevents-batch+json"}, "invalid_event: a batch"),
        ({"data": {}}, {}, "invalid_event: not a CloudEvent"),
        ({"specversion": "2.0", "data": {}}, {}, "unknown_schema_version: specversion is '2.0'"),
        ({}, {"ce_specversion": "2.0"}, "unknown_schema_version: specversion is '2.0'"),
        ({"specversion": "1.0"}, {}, "invalid_event: the CloudEvent has no data"),
        ({"specversion": "1.0", "data_base64": "%"}, {}, "invalid_event: data_base64"),
        ({"specversion": "1.0", "data_base64": 7}, {}, "invalid_event: data_base64"),
        (b"{", {}, "undecodable: "),
        (b"\xff", {}, "undecodable: "),
        (b"7", {}, "invalid_event: "),
    ],
)
def test_what_is_not_an_event_is_a_dead_letter_that_says_why(value, headers, why):
    config = wrapped()
    good, given_ = made_by("mlserver")["cloudevent-structured"]
    parts = [parts_of(config, each) for each in (given_, headers, given_)]

    events = Layout(config).decode(as_messages([good, value, good], parts))

    assert list(problems_of(events)) == [(1, 0)]
    assert problems_of(events)[1, 0].startswith(why)
    assert events.event_ids == ["r1", "r1"]


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(TREES.filter(lambda tree: tree is not None and not isinstance(tree, str)), st.text())
def test_the_payload_is_the_data_whatever_it_is(tree, name):
    event = {"id": name, "data": tree, "specversion": "1.0", "more": [1, "}"]}

    events = unwrap_cloud_events([json.dumps(event).encode()], [], None, ["id"])

    assert not events.unusable
    assert repr(json.loads(events.payloads[0])) == repr(tree)
    expected = name.encode(errors="backslashreplace").decode()
    assert events.attributes["id"] == [expected]
