"""Payloads of KServe's client; prints them as JSON."""

from __future__ import annotations

import base64
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def _open_inference(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    kserve: Any = import_module("kserve")
    numpy: Any = import_module("numpy")
    kinds = {"age": "FP64", "visits": "INT64", "plan": "BYTES", "senior": "BOOL", "emb": "FP32"}
    dtypes = {"BYTES": object, "FP64": "f8", "FP32": "f4", "INT64": "i8", "BOOL": bool}
    inputs = []
    for column, datatype in kinds.items():
        values = numpy.array(table[column], dtype=dtypes[datatype])
        inputs.append(kserve.InferInput(column, list(values.shape), datatype))
        inputs[-1].set_data_from_numpy(values, binary_data=False)
    request, _ = kserve.InferRequest("churn", inputs, request_id="r1").to_rest()
    outputs = []
    for column, datatype in (("probs", "FP64"), ("answer", "BYTES")):
        values = numpy.array(table[column], dtype=dtypes[datatype])
        outputs.append(kserve.InferOutput(column, list(values.shape), datatype))
        outputs[-1].set_data_from_numpy(values, binary_data=False)
    response, _ = kserve.InferResponse("r1", "churn", outputs).to_rest()
    return [_made("kserve-request", request), _made("kserve-response", response)]


def _made(name: str, body: Any) -> dict[str, Any]:
    coded = base64.b64encode(json.dumps(body).encode()).decode()
    return {"name": name, "payload": coded, "headers": {}}


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps(_open_inference(given)))
