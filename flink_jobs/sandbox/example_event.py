"""An event as a configuration expects it, and a command that sends it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from flink_jobs.config.columns import Column, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import Location, locations_of
from flink_jobs.config.paths import Path as EventPath
from flink_jobs.intake.formats.json import ROLE_KEYS, SCHEMA_VERSION, is_plain_vector

_MODEL = "my-model"
_EVENT_ID = "event-1"
_UNITS_PER_S = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DATATYPES = {float: "FP64", str: "BYTES", bool: "BOOL"}
_CLOUD_EVENT = {"specversion": "1.0", "id": "event-1", "source": "/example", "type": "prediction"}
# Nothing in double quotes that a shell would look at.
_SPECIAL_IN_QUOTES = frozenset('"$`\\!')


class Example(NamedTuple):
    """A record of Kafka.

    Attributes
    ----------
    key, value : str
    headers : dict of str to str
    """

    key: str
    value: str
    headers: dict[str, str]


def example_of(config: DriftJobConfig) -> Example | None:
    """Make an event that the job can use; None for formats that are not JSON.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> example_of(decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json"}
    ... columns = {model_name = "churn", features_at = "request", features = {age = "number"}}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')).value
    '{"request":{"age":1.5}}'
    """
    make = _MAKERS.get(config.input.format)
    if make is None or config.input.envelope == "confluent":
        return None
    message = _Message(make(columns_of(config)), {}, {})
    places = locations_of(config, "topic")
    message.put(places.model, _MODEL)
    message.put(places.time, _now(config.columns.time_unit))
    message.put(places.event_id, _EVENT_ID)
    key = _MODEL if places.model.kind == "key" else ""
    tree = message.tree
    if config.input.envelope == "cloudevents":
        tree = _CLOUD_EVENT | message.attributes | {"data": tree}
    return Example(key, msgspec.json.encode(tree).decode(), message.headers)


def sending_command(example: Example, file: Path, bootstrap_servers: str, topic: str) -> str:
    """Write the line for a shell that sends what lies in ``file``, with the example's key."""
    more = f", key=b'{example.key}'" if example.key else ""
    if example.headers:
        pairs = ", ".join(f"({name!r}, b{text!r})" for name, text in example.headers.items())
        more += f", headers=[{pairs}]"
    code = (
        f"import kafka, pathlib; p = kafka.KafkaProducer(bootstrap_servers={bootstrap_servers!r}); "
        f"p.send({topic!r}, pathlib.Path({str(file)!r}).read_bytes(){more}); p.flush()"
    )
    quoted = shlex.quote(code) if _SPECIAL_IN_QUOTES.intersection(code) else f'"{code}"'
    return f"{shlex.quote(sys.executable)} -c {quoted}"


def _own(columns: Sequence[Column]) -> dict[str, Any]:
    tree: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "event_id": _EVENT_ID}
    for role, key in ROLE_KEYS.items():
        own = [column for column in columns if column.role == role]
        if own and is_plain_vector(key, own):
            tree[key] = _value(own[0])
        elif own:
            tree[key] = {column.name: _value(column) for column in own}
    return tree


def _of_paths(columns: Iterable[Column]) -> Any:
    places = [
        (path, element)
        for column in columns
        if column.role != "label"
        for path, element in _placed(column)
    ]
    tree: Any = [] if places and isinstance(places[0][0][0], int) else {}
    for path, value in places:
        _set(tree, path, value)
    return tree


def _placed(column: Column) -> Iterator[tuple[EventPath, Any]]:
    """Yield the paths of a column, and what lies at each."""
    value = _value(column)
    if len(column.paths) == 1:
        yield column.paths[0], value
    else:
        yield from zip(column.paths, value, strict=False)


def _kserve(columns: Sequence[Column]) -> dict[str, Any]:
    return {
        key: [_of_paths(own)]
        for key, role in (("instances", "feature"), ("predictions", "output"))
        if (own := [column for column in columns if column.role == role])
    }


def _open_inference(columns: Sequence[Column]) -> dict[str, Any]:
    """Write tensors of one row; values of one name with numbers behind it are one tensor."""
    return {
        key: [_tensor(name, value) for name, value in _of_paths(own).items()]
        for key, role in (("inputs", "feature"), ("outputs", "output"))
        if (own := [column for column in columns if column.role == role])
    }


def _tensor(name: str, value: Any) -> dict[str, Any]:
    row = value if isinstance(value, list) else [value]
    datatype = _DATATYPES[type(row[-1])]
    shape = [1, len(row)] if isinstance(value, list) else [1]
    return {"name": name, "shape": shape, "datatype": datatype, "data": row}


def _value(column: Column) -> Any:
    if column.type == "vector":
        share = 1 / column.size if column.kind == "class_probabilities" else 0.5
        return [share] * column.size
    if column.kind in ("probability", "probabilities"):
        return 0.5
    if column.type == "category":
        return column.class_names[0] if column.class_names else "some text"
    return True if column.type == "boolean" else 1.5


def _now(unit: str) -> int:
    return int(time.time() * _UNITS_PER_S[unit])


class _Message(NamedTuple):
    """A message in the making."""

    tree: Any
    headers: dict[str, str]
    attributes: dict[str, str | int]

    def put(self, place: Location, value: str | int) -> None:
        """Put what names or times the event where it is looked for."""
        match place.kind:
            case "payload":
                _set(self.tree, place.path, value)
            case "header":
                self.headers[place.name] = str(value)
            case "attribute":
                self.attributes[place.name] = value


def _set(tree: Any, path: EventPath, value: Any) -> None:
    """Put a value at a path, and make the objects and lists on the way."""
    for part, following in zip(path, [*path[1:], None], strict=True):
        missing: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(part, int):
            tree.extend([None] * (part + 1 - len(tree)))
            if following is None or tree[part] is None:
                tree[part] = missing
        elif following is None:
            tree[part] = missing
        else:
            tree.setdefault(part, missing)
        tree = tree[part]


_MAKERS: dict[str, Callable[[Sequence[Column]], Any]] = {
    "loudly": _own,
    "json": _of_paths,
    "open_inference": _open_inference,
    "kserve_v1": _kserve,
}
