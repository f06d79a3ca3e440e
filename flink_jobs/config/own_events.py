"""The configuration of a job that reads events which Loudly has written itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from flink_jobs.config.job import (
    PARTED_FORMATS,
    DriftJobConfig,
    InputTable,
    OverrideTable,
    SchemaTable,
)
from flink_jobs.config.tables.columns import ColumnsTable

_PLACES: dict[str, Any] = {
    "model": None,
    "model_name": "",
    "time": None,
    "time_unit": "ms",
    "time_zone": "UTC",
    "event_id": None,
    "features_at": "",
    "outputs_at": "",
}


def as_own_events(config: DriftJobConfig) -> DriftJobConfig:
    """Describe the job over the same events, written as Loudly's own and keyed by model.

    Nothing is said of places any more, and the same values give the same alerts.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json"}
    ... columns = {model_name = "churn", features = {age = {path = "request.age"}}}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> own = as_own_events(config)
    >>> own.input.format, own.columns.model_name, own.columns.features["age"].path
    ('loudly', '', None)
    """
    return replace(
        config,
        input=_own_input(config.input),
        columns=_own_columns(config.columns),
        overrides=[_own_override(override) for override in config.overrides],
    )


def _own_input(table: InputTable) -> InputTable:
    parted = "requests_and_responses" if table.format in PARTED_FORMATS else None
    return replace(
        table,
        format="loudly",
        envelope="none",
        messages=table.messages or parted,
        schemas=SchemaTable(),
    )


def _own_columns(table: ColumnsTable) -> ColumnsTable:
    return replace(
        table,
        features=_named(table.features),
        outputs=_named(table.outputs),
        segments=list(table.segments),
        **_PLACES,
    )


def _named(columns: Any) -> Any:
    """Take the places away; a list keeps its names, by which alerts call elements of a vector."""
    if not isinstance(columns, Mapping):
        return columns
    return {
        name: replace(given, path=None) if isinstance(given, Struct) else given
        for name, given in columns.items()
    }


def _own_override(override: OverrideTable) -> OverrideTable:
    columns = {key: each for key, each in override.columns.items() if key not in _PLACES}
    for role in ("features", "outputs"):
        if isinstance(given := columns.get(role), Mapping):
            columns[role] = {name: _without_path(each) for name, each in given.items()}
    return replace(override, columns=columns)


def _without_path(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    return {key: each for key, each in given.items() if key != "path"}
