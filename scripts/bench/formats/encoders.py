"""The same events in every format: twelve named features, and a probability where there is one."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import fastavro

from flink_jobs.intake.schemas.protobuf import types_of_text

FEATURES = {
    "tenure_months": "number",
    "monthly_charges": "number",
    "total_charges": "number",
    "support_calls": "number",
    "data_gb": "number",
    "plan": "category",
    "payment_method": "category",
    "contract": "category",
    "region": "category",
    "channel": "category",
    "is_senior": "boolean",
    "paperless": "boolean",
}
_WHOLE = ("tenure_months", "support_calls")
_AVRO_TYPES = {"number": "double", "category": "string", "boolean": "boolean"}
_PROTO_TYPES = {"number": "double", "category": "string", "boolean": "bool"}
_TENSOR_TYPES = {"number": "FP64", "category": "BYTES", "boolean": "BOOL"}
AVRO_SCHEMA = json.dumps({
    "type": "record", "name": "Event", "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "features", "type": {"type": "record", "name": "Features", "fields": [
            {"name": name, "type": "int" if name in _WHOLE else _AVRO_TYPES[kind]}
            for name, kind in FEATURES.items()]}},
        {"name": "churn_probability", "type": "double"},
    ],
})  # fmt: skip
PROTO_SCHEMA = "\n".join([
    'syntax = "proto3";',
    "message Event {",
    "  message Features {",
    *(f"    {'int32' if name in _WHOLE else _PROTO_TYPES[kind]} {name} = {number};"
      for number, (name, kind) in enumerate(FEATURES.items(), start=1)),
    "  }",
    "  string event_id = 1;",
    "  Features features = 2;",
    "  double churn_probability = 3;",
    "}",
])  # fmt: skip

Row = tuple[dict[str, Any], float]
"""The features of an event, and its output."""
Encode = Callable[[str, int], bytes]
"""Gives the value of the event with a name; a number says which row it holds."""


def rows(n: int, seed: int = 0) -> list[Row]:
    """Some rows of a churn model."""
    rng = random.Random(seed)
    return [(_features(rng), round(rng.random(), 4)) for _ in range(n)]


def _features(rng: random.Random) -> dict[str, Any]:
    return {
        "tenure_months": rng.randrange(72),
        "monthly_charges": round(rng.gauss(70, 25), 2),
        "total_charges": round(rng.lognormvariate(6, 1), 2),
        "support_calls": rng.randrange(5),
        "data_gb": round(rng.expovariate(0.2), 2),
        "plan": rng.choice(["basic", "plus", "pro"]),
        "payment_method": rng.choice(["card", "invoice", "direct debit"]),
        "contract": rng.choice(["monthly", "yearly"]),
        "region": rng.choice(["north", "south", "east", "west"]),
        "channel": rng.choice(["web", "shop", "partner"]),
        "is_senior": rng.random() < 0.2,
        "paperless": rng.random() < 0.7,
    }


def encoder(name: str, table: Sequence[Row]) -> Encode:
    """Make what writes events in a format; all but their names is encoded beforehand."""
    bodies = [_BODIES[name](*row) for row in table]
    before = _BEFORE[name]
    return lambda event_id, number: before(event_id.encode()) + bodies[number % len(bodies)]


def batches(table: Sequence[Row], n_rows: int) -> list[bytes]:
    """Requests of the Open Inference Protocol that hold several rows each."""
    found = []
    for first in range(0, len(table), n_rows):
        part = [features for features, _ in table[first : first + n_rows]]
        inputs = [
            {
                "name": name,
                "shape": [len(part), 1],
                "datatype": _TENSOR_TYPES[kind],
                "data": [features[name] for features in part],
            }
            for name, kind in FEATURES.items()
        ]
        found.append(_json({"id": str(first // n_rows), "inputs": inputs}))
    return found


def _json(tree: Any) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()


def _own(features: dict[str, Any], output: float) -> bytes:
    return _json({"features": features, "outputs": {"churn_probability": output}})[1:]


def _nested(features: dict[str, Any], output: float) -> bytes:
    return _json({"request": {"features": features}, "response": {"p": output}})[1:]


def _avro(features: dict[str, Any], output: float) -> bytes:
    out = io.BytesIO()
    record = {"event_id": "", "features": features, "churn_probability": output}
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(AVRO_SCHEMA)), record)
    # Behind the name, which is empty here.
    return out.getvalue()[1:]


def _protobuf(features: dict[str, Any], output: float) -> bytes:
    value: bytes = _message()(features=features, churn_probability=output).SerializeToString()
    return value


@cache
def _message() -> Any:
    return types_of_text(PROTO_SCHEMA).named("")


def _tensors(features: dict[str, Any], output: float) -> bytes:
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": _TENSOR_TYPES[FEATURES[name]], "data": [value]}
        for name, value in features.items()
    ]
    return _json({"inputs": inputs})[1:]


_BODIES: dict[str, Callable[[dict[str, Any], float], bytes]] = {
    "loudly": _own,
    "json": _nested,
    "avro": _avro,
    "protobuf": _protobuf,
    "open_inference": _tensors,
}
_BEFORE: dict[str, Callable[[bytes], bytes]] = {
    "loudly": lambda name: b'{"schema_version":1,"event_id":"%s",' % name,
    "json": lambda name: b'{"id":"%s",' % name,
    "avro": lambda name: bytes([2 * len(name)]) + name,
    "protobuf": lambda name: b"\x0a" + bytes([len(name)]) + name,
    "open_inference": lambda name: b'{"id":"%s",' % name,
}
FORMATS = tuple(_BODIES)
