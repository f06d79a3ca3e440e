"""From payloads to fields: the format and the envelope are recognised, and objects are unfolded."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flink_jobs.config.job import InputFormat
from flink_jobs.config.paths import MOST_STEPS, Path
from flink_jobs.histories.errors import SourceError
from flink_jobs.records.shown import shown
from flink_jobs.setup.sample import RawRecord, Sample

MOST_FIELDS = 2_000
_MOST_HEADERS = 50
_EVENT_KEYS = {"features", "outputs"}
_TENSOR_KEYS = {"name", "shape", "datatype"}
_MOST_DEPTH = MOST_STEPS - 2
# Longer lists of objects are rather a history than an answer with its places.
_MOST_PLACES = 8
_FEWEST_SHARE = 0.5


@dataclass(frozen=True)
class Field:
    """The values at one path of the events of a sample.

    Attributes
    ----------
    path : Path
    values : list
        One of each event; None where it lacks one.
    role : str
        ``feature`` or ``output`` where the format says so; empty otherwise.
    """

    path: Path
    values: list[Any]
    role: str = ""


@dataclass(frozen=True)
class Recognised:
    """Format and envelope recognised in a sample.

    Attributes
    ----------
    format : str
    envelope : str
    fields : list of Field
    attributes : dict of str to list
        By ``@ce.NAME`` or ``@header.NAME``: what lies around the payload.
    n_unreadable : int
        Records that are not of the format.
    unreadable : str
        What one of them begins with.
    notes : list of str
    n_rows : int
        Of the largest field: rows of several rows a message are counted each.
    """

    format: InputFormat = "loudly"
    envelope: str = "none"
    fields: list[Field] = field(default_factory=list)
    attributes: dict[str, list[Any]] = field(default_factory=dict)
    n_unreadable: int = 0
    unreadable: str = ""
    notes: list[str] = field(default_factory=list)
    n_rows: int = 0


def recognise(sample: Sample) -> Recognised:
    """Recognise the format of a sample and unfold its events into fields.

    Raises
    ------
    SourceError
        When the events cannot be read without a schema, or are nothing that Loudly reads.

    Examples
    --------
    >>> rows = [{"age": 3, "plan": {"name": "pro"}}, {"age": 4, "plan": {"name": "basic"}}]
    >>> found = recognise(Sample("a.parquet", "a", "table", trees=rows))
    >>> [(each.path, each.values) for each in found.fields]
    [(('age',), [3, 4]), (('plan', 'name'), ['pro', 'basic'])]
    """
    if sample.holder == "table":
        fields, notes = unfold(sample.trees)
        return Recognised(fields=fields, notes=notes, n_rows=len(sample.trees))
    envelope, payloads, attributes = _opened(sample.records)
    trees = [_decoded(payload) for payload in payloads]
    good = [tree for tree in trees if isinstance(tree, dict)]
    bad = [payload for payload, tree in zip(payloads, trees, strict=True) if type(tree) is not dict]
    if len(good) < _FEWEST_SHARE * len(trees):
        raise SourceError(_unreadable_text(sample, envelope, bad[0]))
    kind = _format(good)
    fields, notes = _FIELDS[kind](good)
    if kind == "loudly" and envelope == "confluent":
        # Loudly's own events have no schemas; behind one they are JSON of that shape.
        kind = "json"
    return Recognised(
        kind,
        envelope,
        fields,
        attributes,
        len(bad),
        shown(bad[0][:60].decode(errors="replace"), 60) if bad else "",
        notes,
        max((len(each.values) for each in fields), default=0),
    )


def unfold(trees: Sequence[Any]) -> tuple[list[Field], list[str]]:
    """List what lies at each path, in the order in which events have it, and what was cut off.

    Examples
    --------
    >>> [each.path for each in unfold([{"a": 1, "b": {"c": [1, 2]}}])[0]]
    [('a',), ('b', 'c')]
    >>> [each.path for each in unfold([{"answers": [{"score": 0.2}, {"score": 0.8}]}])[0]]
    [('answers', 0, 'score'), ('answers', 1, 'score')]
    """
    columns: dict[Path, list[Any]] = {}
    n_cut = 0
    for row, tree in enumerate(trees):
        if isinstance(tree, dict):
            n_cut += _unfold(tree, (), row, len(trees), columns)
    _mark_objects(columns)
    notes = []
    if n_cut:
        notes.append(f"events have more than {MOST_FIELDS:,} different paths: the rest is left out")
    return [Field(path, values) for path, values in columns.items()], notes


def _mark_objects(columns: dict[Path, list[Any]]) -> None:
    """Put an empty object where a field with single values was an object, which is not missing."""
    holders = {path[:n] for path in columns for n in range(1, len(path))}
    for holder in holders & set(columns):
        own = columns[holder]
        below = [values for path, values in columns.items() if path[: len(holder)] == holder]
        for row, values in enumerate(zip(*below, strict=True)):
            if own[row] is None and any(value is not None for value in values):
                own[row] = {}


def _unfold(
    tree: dict[Any, Any], at: Path, row: int, n: int, columns: dict[Path, list[Any]]
) -> int:
    """Put the values below one object into their columns; count those that found no place."""
    n_cut = 0
    for key, value in tree.items():
        path = (*at, str(key))
        if (below := _objects(path, value)) and len(path) < _MOST_DEPTH:
            n_cut += sum(_unfold(each, where, row, n, columns) for where, each in below)
            continue
        column = columns.get(path)
        if column is None:
            if len(columns) >= MOST_FIELDS:
                n_cut += 1
                continue
            column = columns[path] = [None] * n
        column[row] = value
    return n_cut


def _objects(path: Path, value: Any) -> list[tuple[Path, dict[Any, Any]]]:
    """The object that a value is, or those of a short list, each with its path."""
    if isinstance(value, dict) and value:
        return [(path, value)]
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_PLACES:
        return []
    if not all(isinstance(each, dict) and each for each in value):
        return []
    return [((*path, place), each) for place, each in enumerate(value)]


def _opened(
    records: Sequence[RawRecord],
) -> tuple[str, list[bytes], dict[str, list[Any]]]:
    """Take the envelope off, where most records have one."""
    n = len(records)
    headers = _headers(records, "", "@header.")
    if sum(each.payload[:1] == b"\0" and len(each.payload) > 5 for each in records) > n / 2:
        return "confluent", [each.payload[5:] for each in records], headers
    binary = sum(any(name == "ce_specversion" for name, _ in each.headers) for each in records)
    if binary > n / 2:
        return "cloudevents", [each.payload for each in records], _headers(records, "ce_", "@ce.")
    events = [_decoded(each.payload) for each in records]
    if sum(isinstance(each, dict) and "specversion" in each for each in events) > n / 2:
        return "cloudevents", *_structured(records, events)
    return "none", [each.payload for each in records], headers


def _headers(records: Sequence[RawRecord], before: str, at: str) -> dict[str, list[Any]]:
    """The headers of records whose names begin with ``before``, by their places."""
    found: dict[str, list[Any]] = {}
    for row, each in enumerate(records):
        for name, value in each.headers:
            place = f"{at}{name.removeprefix(before)}"
            if not name.startswith(before) or (place not in found and len(found) == _MOST_HEADERS):
                continue
            found.setdefault(place, [None] * len(records))[row] = value
    return found


def _structured(
    records: Sequence[RawRecord], events: Sequence[Any]
) -> tuple[list[bytes], dict[str, list[Any]]]:
    payloads: list[bytes] = []
    found: dict[str, list[Any]] = {}
    for row, (record, event) in enumerate(zip(records, events, strict=True)):
        if not isinstance(event, dict):
            payloads.append(record.payload)
            continue
        payloads.append(_data_of(event))
        for name, value in event.items():
            if name not in ("data", "data_base64"):
                found.setdefault(f"@ce.{name}", [None] * len(records))[row] = value
    return payloads, found


def _data_of(event: dict[str, Any]) -> bytes:
    if "data_base64" in event:
        try:
            return base64.b64decode(str(event["data_base64"]))
        except (binascii.Error, ValueError):
            return b""
    return json.dumps(event.get("data")).encode()


def _decoded(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def _unreadable_text(sample: Sample, envelope: str, payload: bytes) -> str:
    start = shown(payload[:40].decode("utf-8", errors="backslashreplace"), 60)
    if envelope == "confluent":
        return (
            f"{sample.source} holds records with the number of a schema in front, as serializers "
            "of Confluent's write them, and no JSON behind it: Avro or Protobuf. Write the "
            'configuration by hand: input = {format = "avro", envelope = "confluent", schemas = '
            '{registry_url = "http://HOST:PORT"}} (or format = "protobuf"), name the columns '
            "under [columns], and look with loudly validate --sample"
        )
    return (
        f"{sample.source} does not hold JSON objects: an event begins with {start!r}. For records "
        'of Avro or Protobuf write input = {format = "avro", schemas = {file = "event.avsc"}} '
        "by hand (docs/configuration.md), name the columns under [columns], and look with loudly "
        "validate --sample"
    )


def _format(trees: Sequence[dict[str, Any]]) -> InputFormat:
    kinds = Counter(_format_of(tree) for tree in trees)
    ((kind, _),) = kinds.most_common(1)
    return kind


def _format_of(tree: dict[str, Any]) -> InputFormat:
    if "captureData" in tree:
        return "sagemaker"
    for key in ("inputs", "outputs"):
        tensors = tree.get(key)
        if isinstance(tensors, list) and tensors and _is_tensor(tensors[0]):
            return "open_inference"
    if isinstance(tree.get("instances"), list) or isinstance(tree.get("predictions"), list):
        return "kserve_v1"
    if tree.get("schema_version") == 1 and _EVENT_KEYS & set(tree):
        return "loudly"
    return "json"


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and set(value) >= _TENSOR_KEYS


def _own(trees: Sequence[dict[str, Any]]) -> tuple[list[Field], list[str]]:
    """Loudly's own events: features and outputs by name, or as vectors."""
    fields, notes = unfold([{k: v for k, v in t.items() if k != "schema_version"} for t in trees])
    roles = {"features": "feature", "outputs": "output"}
    return [Field(f.path, f.values, roles.get(str(f.path[0]), "")) for f in fields], notes


def _tensors(trees: Sequence[dict[str, Any]]) -> tuple[list[Field], list[str]]:
    """Open Inference Protocol: a field for each tensor, with the rows of all messages."""
    found: dict[tuple[str, str], list[Any]] = {}
    for tree in trees:
        for key, role in (("inputs", "feature"), ("outputs", "output")):
            tensors = tree.get(key)
            for tensor in tensors if isinstance(tensors, list) else ():
                if _is_tensor(tensor):
                    rows = found.setdefault((role, str(tensor["name"])), [])
                    rows += _tensor_rows(tensor)
    fields = [Field((name,), rows, role) for (role, name), rows in found.items() if rows]
    return [*_beside(trees, {"inputs", "outputs"}), *fields], []


def _tensor_rows(tensor: dict[str, Any]) -> list[Any]:
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not shape or not isinstance(data, list):
        return []
    flat = _flat(data)
    n_rows = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 1
    width = len(flat) // n_rows
    if width * n_rows != len(flat) or not width:
        return []
    if width == 1:
        return flat
    return [flat[width * row : width * (row + 1)] for row in range(n_rows)]


def _flat(data: list[Any]) -> list[Any]:
    flat = data
    while flat and isinstance(flat[0], list):
        flat = [value for part in flat if isinstance(part, list) for value in part]
    return flat


def _kserve(trees: Sequence[dict[str, Any]]) -> tuple[list[Field], list[str]]:
    """KServe, version 1: rows of ``instances`` and of ``predictions``."""
    fields: list[Field] = []
    notes: list[str] = []
    for key, role in (("instances", "feature"), ("predictions", "output")):
        rows = [row for tree in trees if isinstance(tree.get(key), list) for row in tree[key]]
        if not rows:
            continue
        if isinstance(rows[0], dict):
            inner, more = unfold(rows)
            fields += [Field(each.path, each.values, role) for each in inner]
            notes += more
        else:
            fields.append(Field((f"{role}s",), rows, role))
    return [*_beside(trees, {"instances", "predictions"}), *fields], notes


def _captured(trees: Sequence[dict[str, Any]]) -> tuple[list[Field], list[str]]:
    """SageMaker's data capture: rows of CSV or JSON in ``endpointInput`` and ``endpointOutput``."""
    fields: list[Field] = []
    for key, role in (("endpointInput", "feature"), ("endpointOutput", "output")):
        rows = [row for tree in trees for row in _captured_rows(tree["captureData"].get(key))]
        if rows and isinstance(rows[0], dict):
            fields += [Field(each.path, each.values, role) for each in unfold(rows)[0]]
        elif rows:
            fields.append(Field((f"{role}s",), rows, role))
    return [*_beside(trees, {"captureData"}), *fields], []


def _captured_rows(part: Any) -> list[Any]:
    if not isinstance(part, dict):
        return []
    data, encoding = part.get("data"), str(part.get("encoding", "CSV")).upper()
    if encoding == "BASE64" and isinstance(data, str):
        try:
            data = base64.b64decode(data).decode(errors="replace")
        except (binascii.Error, ValueError):
            return []
    if not isinstance(data, str):
        return []
    if encoding == "JSON" or data.lstrip()[:1] in ("{", "["):
        tree = _decoded(data.encode())
        return [tree] if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    rows = [[_number(cell) for cell in line.split(",")] for line in data.splitlines() if line]
    return [row[0] if len(row) == 1 else row for row in rows]


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell.strip()


def _beside(trees: Sequence[dict[str, Any]], but: set[str]) -> list[Field]:
    """Return the fields next to the rows of a message."""
    return unfold([{k: v for k, v in tree.items() if k not in but} for tree in trees])[0]


_FIELDS: dict[InputFormat, Any] = {
    "loudly": _own,
    "json": unfold,
    "open_inference": _tensors,
    "kserve_v1": _kserve,
    "sagemaker": _captured,
}
