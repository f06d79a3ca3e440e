"""The event that the sandbox shows is one that the job can use."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import numpy as np
import pytest

from flink_jobs.config.columns import columns_of
from flink_jobs.config.loading import decode_config
from flink_jobs.config.locations import record_parts
from flink_jobs.intake.envelopes import unwrap
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.registry import format_of
from flink_jobs.intake.locating import Locator
from flink_jobs.sandbox.example_event import Example, example_of, sending_command

BASE = """
version = 1
kafka = {{bootstrap_servers = "127.0.0.1:9092"}}
panes = {{width_ms = 1000}}
window = {{kind = "time", size_ms = 3000, slide_ms = 1000}}
reference = {{kind = "first_events", n_events = 30}}
{0}
"""
OWN_VECTORS = "input = {n_features = 3, n_outputs = 4}"
OWN_NAMED = """
[columns]
features = {age = "number", plan = "category", active = "boolean", e = {type = "vector", size = 2}}
outputs = {p = "probability", c = "class"}
segments = ["region"]
"""
NESTED = """
[input]
format = "json"
[columns]
model = "meta.model"
time = "meta.at"
time_unit = "s"
event_id = "meta.ids[1]"
features_at = "request"
features = {age = "number", plan = {type = "category", path = '$.inputs[2]["a.b"][0]'}}
outputs = {p = {kind = "class_probabilities", class_names = ["a", "b"], path = "response"}}
"""
HEADERS = """
[input]
format = "json"
[columns]
model_name = "churn"
time = "@header.sent-at"
event_id = "@header.id"
features = {age = "number"}
"""
OPEN_INFERENCE = """
[input]
format = "open_inference"
[columns]
features = {age = "number", plan = "category", active = "boolean", b = {path = "x[1]"}}
outputs = {p = {kind = "class_probabilities", class_names = ["a", "b"]}}
"""
KSERVE = """
[input]
format = "kserve_v1"
[columns]
features = {age = {path = "[1]"}, plan = {type = "category", path = "[0]"}}
outputs = {p = "probability", c = {kind = "class", path = "best.name"}}
"""
CLOUD_EVENT = """
[input]
format = "json"
envelope = "cloudevents"
[columns]
model = "@ce.subject"
features = {age = "number"}
"""


@pytest.mark.parametrize(
    "tables", [OWN_VECTORS, OWN_NAMED, NESTED, HEADERS, OPEN_INFERENCE, KSERVE, CLOUD_EVENT]
)
def test_every_value_of_the_example_is_found(tables: str) -> None:
    config = decode_config(BASE.format(tables).encode())
    example = example_of(config)
    assert example is not None
    messages = Messages(
        [example.value.encode()],
        lambda: ["0:0"],
        [[part_of(example, name) for name in record_parts(config)]],
    )

    located = Locator(config, "topic").locate(messages, np.array([1]), [example.key])
    unwrapped = unwrap(config, messages)
    read = format_of(config, columns_of(config)).read(unwrapped.messages)

    assert located.problems == {}
    assert located.models[0] in ("my-model", "churn")
    assert (unwrapped.unusable, read.unusable) == ({}, {})
    assert not np.isnan(read.x).any()


def part_of(example: Example, name: str) -> str | None:
    return example.key if name == "key" else example.headers.get(name.removeprefix("header:"))


@pytest.mark.parametrize(
    "table",
    [
        'format = "avro", schemas = {file = "schema.avsc"}',
        'format = "json", envelope = "confluent"',
        'format = "sagemaker"',
    ],
)
def test_what_is_not_plain_json_has_no_example(table: str) -> None:
    tables = f'input = {{{table}}}\ncolumns = {{features = {{age = "number"}}}}'

    assert example_of(decode_config(BASE.format(tables).encode())) is None


def test_the_command_is_one_that_a_shell_hands_on_as_it_is(tmp_path: Path) -> None:
    example = Example("my-model", "{}", {"sent-at": "5"})
    file = tmp_path / "it's $HOME.json"

    _, option, code = shlex.split(sending_command(example, file, "127.0.0.1:1", "events"))

    assert option == "-c"
    sent = run_with_a_fake_producer(code, file)
    assert sent == ("events", b"{}", b"my-model", [("sent-at", b"5")])


def run_with_a_fake_producer(code: str, file: Path) -> object:
    import kafka

    file.write_bytes(b"{}")
    sent = []

    class Producer:
        def __init__(self, bootstrap_servers):
            assert bootstrap_servers == "127.0.0.1:1"

        def send(self, topic, value, key=None, headers=None):
            sent.append((topic, value, key, headers))

        def flush(self):
            pass

    before, kafka.KafkaProducer = kafka.KafkaProducer, Producer
    try:
        exec(code, {})
    finally:
        kafka.KafkaProducer = before
    return sent[0]


def test_the_example_holds_no_label_since_nobody_knows_it_yet() -> None:
    tables = NESTED + 'label = "truth"'
    example = example_of(decode_config(BASE.format(tables).encode()))

    assert example is not None
    assert "truth" not in msgspec.json.decode(example.value)
