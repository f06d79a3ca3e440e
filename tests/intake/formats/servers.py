"""Configurations, messages and readings that the tests of servers' formats share."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.formats.base import Messages, ReadEvents
from flink_jobs.intake.layouts import Layout
from scripts.payloads.making import FOLDER
from tests.builders import make_config
from tests.intake.examples import named_config

CLIENT_COLUMNS: dict[str, Any] = {
    "features": {
        "age": "number",
        "visits": "number",
        "plan": "category",
        "senior": "boolean",
        "emb": {"type": "vector", "size": 2},
    },
    "outputs": {
        "probs": {"kind": "class_probabilities", "class_names": ["cat", "dog"]},
        "answer": "class",
    },
}
"""The columns of what the servers' clients were given."""


def config_of(format_: str, columns: dict[str, Any], **tables: Any) -> DriftJobConfig:
    """A configuration of one format, with a view of each column; without any, of vectors."""
    if not columns:
        return make_config(input={"format": format_, **tables.get("input", {})})
    names = [*columns.get("features", ()), *columns.get("outputs", ())]
    views = [{"name": name, "columns": [name]} for name in names]
    given = tables.pop("input", {})
    columns = {"outputs": {}, **columns} if "features" in columns else columns
    return named_config(columns, views=views, input={"format": format_, **given}, **tables)


def as_messages(
    payloads: Sequence[Any], parts: Sequence[Sequence[str | None]] | None = None
) -> Messages:
    """Messages called ``0:0``, ``0:1``: bytes as they are, everything else as JSON."""
    values = [
        payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        for payload in payloads
    ]
    return Messages(values, lambda: [f"0:{place}" for place in range(len(values))], parts)


def read(config: DriftJobConfig, *payloads: Any) -> ReadEvents:
    """What a layout makes of messages."""
    return Layout(config).decode(as_messages(payloads))


def rows_of(layout: Layout, events: ReadEvents) -> list[dict[str, Any]]:
    """Each event as its name and its columns: numbers, texts, lists, or None where one lacks."""
    rows = []
    for k, event_id in enumerate(events.event_ids):
        row: dict[str, Any] = {"id": event_id}
        first = 0
        for column in layout.read:
            values = events.x[k, first : first + column.size]
            row[column.name] = _value(column, values, events.texts.get(first, ()))
            first += column.size
        rows.append(row)
    return rows


def table_of(config: DriftJobConfig, *payloads: Any) -> list[dict[str, Any]]:
    """The usable events of messages, as :func:`rows_of` gives them."""
    return rows_of(Layout(config), read(config, *payloads))


def problems_of(events: ReadEvents) -> dict[tuple[int, int], str]:
    """By message and row why an event cannot be used."""
    return {events.where(row): str(error) for row, error in events.unusable.items()}


def made_by(environment: str) -> dict[str, tuple[bytes, dict[str, str]]]:
    """By name the payloads and headers that clients made."""
    made = json.loads((FOLDER / f"{environment}.json").read_text())
    return {each["name"]: (base64.b64decode(each["payload"]), each["headers"]) for each in made}


def _value(column: Column, values: np.ndarray[Any, Any], texts: Sequence[str]) -> Any:
    if column.is_category:
        return None if np.isnan(values[0]) else texts[int(values[0])]
    listed = [None if np.isnan(value) else value for value in values.tolist()]
    return listed if column.type == "vector" else listed[0]
