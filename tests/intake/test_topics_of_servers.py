"""Topics as serving systems write them: model, time and values of each record are found."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from flink_jobs.config.locations import record_parts
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.locating import Locator
from tests.builders import make_config
from tests.intake.examples import named_config
from tests.intake.formats.servers import as_messages

AT_MS = 1_772_400_000_000
OWN = {"schema_version": 1, "event_id": "e1", "features": [0.5, -1.0]}
NAMED = {"id": "e1", "age": 41, "country": "DE", "amount": 0.5}
TENSOR = {"name": "x", "shape": [3, 2], "datatype": "FP64", "data": [0.5, -1.0, 1, 2, 3, 4]}
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "c1",
    "type": "inference",
    "source": "/fraud",
    "time": "2026-03-01T21:20:00Z",
    "data": OWN,
}
CE_HEADERS = {
    "ce_id": "7",
    "ce_type": "org.kubeflow.serving.inference.request",
    "ce_inferenceservicename": "fraud",
}


def config_of(columns: dict[str, Any], **keys: Any) -> Any:
    if "features" not in columns:
        return make_config(input={"n_features": 2, **keys}, columns=columns)
    return named_config({"outputs": {}, **columns}, input=keys)


@pytest.mark.parametrize(
    ("config", "key", "value", "headers", "ids"),
    [
        pytest.param(config_of({"model_name": "fraud"}), None, OWN, {}, ["e1"], id="keyless"),
        pytest.param(
            config_of({"model_name": "fraud"}), "a1b2", OWN, {}, ["e1"], id="keyed-by-request"
        ),
        pytest.param(
            config_of({}, envelope="confluent"),
            "fraud",
            b"\0\0\0\0\x07" + json.dumps(OWN).encode(),
            {},
            ["e1"],
            id="confluent-json",
        ),
        pytest.param(
            config_of(
                {"model": "@header.ce_inferenceservicename", "event_id": "@header.ce_id"},
                format="kserve_v1",
            ),
            None,
            {"instances": [[0.5, -1.0], [1, 2]]},
            CE_HEADERS,
            ["7[0]", "7[1]"],
            id="kserve-v1-by-headers",
        ),
        pytest.param(
            config_of(
                {"model": "@ce.inferenceservicename"}, format="kserve_v1", envelope="cloudevents"
            ),
            None,
            {"instances": [[0.5, -1.0], [1, 2]]},
            CE_HEADERS,
            ["7[0]", "7[1]"],
            id="kserve-v1-by-attributes",
        ),
        pytest.param(
            config_of({}, format="open_inference"),
            "fraud",
            {"model_name": "fraud", "id": "e1", "inputs": [TENSOR]},
            {},
            ["e1[0]", "e1[1]", "e1[2]"],
            id="open-inference",
        ),
        pytest.param(
            config_of({"model": "model_name"}, format="open_inference"),
            "a1b2",
            {"model_name": "fraud", "id": "e1", "inputs": [TENSOR]},
            {},
            ["e1[0]", "e1[1]", "e1[2]"],
            id="open-inference-keyed-by-request",
        ),
        pytest.param(
            config_of({}, envelope="cloudevents"), "fraud", CLOUD_EVENT, {}, ["e1"], id="cloudevent"
        ),
        pytest.param(
            config_of({"time": "@ce.time"}, envelope="cloudevents"),
            "fraud",
            CLOUD_EVENT,
            {},
            ["e1"],
            id="cloudevent-with-its-time",
        ),
        pytest.param(
            config_of(
                {
                    "event_id": "id",
                    "features": {"amount": "number", "age": "number", "country": "category"},
                },
                format="json",
            ),
            "fraud",
            NAMED,
            {},
            ["e1"],
            id="named",
        ),
    ],
)
def test_a_record_is_read_as_it_is(config, key, value, headers, ids):
    parts = [[headers.get(name.removeprefix("header:")) for name in record_parts(config)]]
    messages = as_messages([value], parts)

    located = Locator(config, "topic").locate(messages, np.array([AT_MS]), [key])
    events = Layout(config).decode(messages)

    assert located.models == ["fraud"]
    assert located.times_ms.tolist() == [AT_MS]
    assert not located.problems
    assert not events.unusable
    assert events.event_ids == ids
    assert events.x[0, 0] == 0.5
