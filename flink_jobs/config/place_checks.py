"""Rules of a configuration about where things are found, and in which format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from flink_jobs.config.job import TREE_FORMATS, DriftJobConfig
from flink_jobs.config.locations import ATTRIBUTE, parse_location
from flink_jobs.config.parts import have_parts
from flink_jobs.config.paths import parse_path
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.columns import FeatureTable, OutputTable
from flink_jobs.config.views import columns_of_view

_HAVE_SCHEMAS = ("avro", "protobuf")
_IN_CONFLUENT = ("json", *_HAVE_SCHEMAS)
_A_PATH = "a path such as request.features.plan or inputs[0]"
# What a record has that cannot be what is asked for.
_NEVER = {"model": ("@timestamp",), "time": ("@key",), "event_id": ("@timestamp",)}


def check_paths(config: DriftJobConfig) -> Iterator[Problem]:
    """Yield the places that cannot be read; the columns are not known before they can."""
    table = config.columns
    for key in ("model", "time", "event_id"):
        text = getattr(table, key)
        if text:
            yield from _unreadable(f"columns.{key}", text, parse_location)
        if text in _NEVER[key]:
            yield Problem(f"columns.{key}", f"{text} is never one", _A_PATH)
    places: dict[str, str] = {
        f"columns.{key}": text
        for key in ("features_at", "outputs_at", "label")
        if (text := getattr(table, key))
    }
    for role in ("features", "outputs"):
        given = getattr(table, role)
        if isinstance(given, str) and "*" not in given:
            places[f"columns.{role}"] = given
        elif isinstance(given, dict):
            places |= {
                f"columns.{role}.{name}.path": each.path
                for name, each in given.items()
                if isinstance(each, FeatureTable | OutputTable) and each.path is not None
            }
    if isinstance(table.segments, dict):
        places |= {f"columns.segments.{name}": text for name, text in table.segments.items()}
    for key, text in places.items():
        if text.startswith("@"):
            yield Problem(key, f"{text} is of a record, and columns are in its value", _A_PATH)
        else:
            yield from _unreadable(key, text, parse_path)
    if (zone := _unknown_zone(table.time_zone)) is not None:
        yield Problem("columns.time_zone", zone, "a name such as Europe/Berlin or UTC")


def check_places(config: DriftJobConfig) -> Iterator[Problem]:
    """Yield what of the places and the format does not go together."""
    table, format_ = config.columns, config.input.format
    if table.model is not None and table.model_name:
        yield Problem("columns.model", "there is a model_name", "one of the two")
    if config.input.envelope != "cloudevents":
        for key in ("model", "time", "event_id"):
            if (getattr(table, key) or "").startswith(ATTRIBUTE):
                wrong = f"{getattr(table, key)} is of a CloudEvent"
                yield Problem(f"columns.{key}", wrong, 'input.envelope = "cloudevents"')
    if format_ == "loudly":
        yield from _check_own_places(config)
    if format_ in TREE_FORMATS:
        for role in ("features", "outputs"):
            given = getattr(table, role)
            if isinstance(given, str) and "*" in given:
                wrong = f"{given!r} is a pattern of a table's columns, and {format_} has none"
                yield Problem(f"columns.{role}", wrong, "names, or the path of a list")
    yield from _check_envelope(config)
    yield from _check_schemas(config)


def check_parts(config: DriftJobConfig) -> Iterator[Problem]:
    """Yield the views that no event has all columns of."""
    if not have_parts(config):
        return
    for place, view in enumerate(config.views):
        roles = {column.role for column in columns_of_view(config, view)}
        if {"feature", "output"} <= roles:
            wrong = "features and outputs, which come in events of their own"
            allowed = 'one of them, or input.messages = "whole"'
            yield Problem(f"views[{place}].columns", wrong, allowed)


def _check_own_places(config: DriftJobConfig) -> Iterator[Problem]:
    """Refuse places that Loudly's own event has not: they would be passed over."""
    table = config.columns
    allowed = 'nothing, or another input.format, such as "json"'
    wrong = "the format loudly has places of its own"
    for key in ("features_at", "outputs_at"):
        if getattr(table, key):
            yield Problem(f"columns.{key}", wrong, allowed)
    for role in ("features", "outputs"):
        given: Any = getattr(table, role)
        for name, each in given.items() if isinstance(given, dict) else ():
            if not isinstance(each, str) and each.path is not None:
                yield Problem(f"columns.{role}.{name}.path", wrong, allowed)
    if isinstance(table.segments, dict):
        yield Problem("columns.segments", wrong, "names, or another input.format")
    is_path = table.event_id and not table.event_id.startswith("@")
    if is_path and len(parse_path(table.event_id or "")) != 1:
        yield Problem("columns.event_id", wrong, "one key, or another input.format")


def _check_envelope(config: DriftJobConfig) -> Iterator[Problem]:
    if config.input.envelope == "confluent" and config.input.format not in _IN_CONFLUENT:
        wrong = f"'confluent', and {config.input.format} has no schemas there"
        yield Problem("input.envelope", wrong, f"with the formats {', '.join(_IN_CONFLUENT)}")


def _check_schemas(config: DriftJobConfig) -> Iterator[Problem]:
    schemas, format_ = config.input.schemas, config.input.format
    is_framed = config.input.envelope == "confluent"
    if format_ not in _HAVE_SCHEMAS:
        if schemas.registry_url or schemas.file:
            wrong = f"the format {format_} reads no schema"
            yield Problem("input.schemas", wrong, f"with the formats {', '.join(_HAVE_SCHEMAS)}")
        return
    if not schemas.registry_url and not schemas.file:
        key = "registry_url" if is_framed else "file"
        yield Problem(f"input.schemas.{key}", f"{format_} needs a schema", "registry_url or file")
    if schemas.registry_url and not is_framed:
        wrong = "records name no schema there"
        yield Problem("input.schemas.registry_url", wrong, 'with input.envelope = "confluent"')


def _unreadable(key: str, text: str, parse: Callable[[str], Any]) -> Iterator[Problem]:
    try:
        parse(text)
    except ValueError:
        yield Problem(key, f"{text!r} is not a place", _A_PATH)


def _unknown_zone(name: str) -> str | None:
    try:
        ZoneInfo(name)
    except (OSError, ValueError):
        return f"{name!r} is not a time zone"
    return None
