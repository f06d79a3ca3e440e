"""Payloads of MLServer's and Triton's clients, and CloudEvents; prints them as JSON."""

from __future__ import annotations

import base64
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def _mlserver(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    codecs: Any = import_module("mlserver.codecs")
    numpy: Any = import_module("numpy")
    pandas: Any = import_module("pandas")
    names = ["age", "visits", "plan", "senior"]
    frame = pandas.DataFrame({name: table[name] for name in names})
    emb, probs = numpy.array(table["emb"]), numpy.array(table["probs"])
    request = codecs.PandasCodec.encode_request(frame)
    request.inputs.append(codecs.NumpyCodec.encode_input("emb", emb))
    request.id = "r1"
    response = codecs.NumpyRequestCodec.encode_response("churn", probs)
    response.id = "r1"
    response.outputs[0].name = "probs"
    response.outputs.append(codecs.StringCodec.encode_output("answer", table["answer"]))
    coded = codecs.PandasCodec.encode_request(frame, use_bytes=False)
    coded.inputs[2] = codecs.Base64Codec.encode_input("plan", [p.encode() for p in table["plan"]])
    coded.inputs.append(codecs.NumpyCodec.encode_input("emb", emb.astype("float32")))
    return [
        _text("mlserver-request", request.model_dump_json()),
        _text("mlserver-response", response.model_dump_json()),
        _text("mlserver-base64", coded.model_dump_json()),
    ]


def _triton(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    http: Any = import_module("tritonclient.http")
    numpy: Any = import_module("numpy")
    kinds = {"age": "FP64", "visits": "INT64", "plan": "BYTES", "senior": "BOOL", "emb": "FP32"}
    dtypes = {"BYTES": object, "FP64": "f8", "FP32": "f4", "INT64": "i8", "BOOL": bool}
    made = []
    for name, is_binary in (("triton-json", False), ("triton-binary", True)):
        inputs = []
        for column, datatype in kinds.items():
            values = numpy.array(table[column], dtype=dtypes[datatype])
            rows = values if column == "emb" else values[:, None]
            inputs.append(http.InferInput(column, list(rows.shape), datatype))
            inputs[-1].set_data_from_numpy(rows, binary_data=is_binary)
        body, _ = http.InferenceServerClient.generate_request_body(inputs, request_id="r1")
        made.append(_bytes(name, body))
    return made


def _cloud_events(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    core: Any = import_module("cloudevents.core.v1.event")
    kafka: Any = import_module("cloudevents.core.bindings.kafka")
    formats: Any = import_module("cloudevents.core.formats.json")
    dates: Any = import_module("datetime")
    data = {"instances": [{name: table[name][0] for name in table if name != "emb"}]}
    data["instances"][0]["emb"] = table["emb"][0]
    attributes = {
        "id": "r1",
        "source": "/churn",
        "type": "org.kubeflow.serving.inference.request",
        "time": dates.datetime(2026, 3, 1, 21, 20, 0, 250_000, tzinfo=dates.UTC),
        "inferenceservicename": "churn",
        "datacontenttype": "application/json",
    }
    made = []
    for name, make, content in (
        ("cloudevent-binary", kafka.to_binary, data),
        ("cloudevent-structured", kafka.to_structured, data),
        ("cloudevent-base64", kafka.to_structured, json.dumps(data).encode()),
    ):
        message = make(core.CloudEvent(dict(attributes), content), formats.JSONFormat())
        headers = {key: value.decode() for key, value in message.headers.items()}
        made.append(_bytes(name, message.value, headers))
    return made


def _text(name: str, payload: str) -> dict[str, Any]:
    return _bytes(name, payload.encode())


def _bytes(name: str, payload: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
    coded = base64.b64encode(payload).decode()
    return {"name": name, "payload": coded, "headers": headers or {}}


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps([*_mlserver(given), *_triton(given), *_cloud_events(given)]))
