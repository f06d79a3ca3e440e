"""The configuration of a job that reads the same events as Loudly's own."""

from __future__ import annotations

from typing import Any

import msgspec

from flink_jobs.config.job import DriftJobConfig, SchemaTable
from flink_jobs.config.locations import Holder, locations_of
from flink_jobs.config.parts import have_parts
from flink_jobs.config.tables.columns import ColumnsTable, FeatureTable, OutputTable


def as_own_events(config: DriftJobConfig) -> DriftJobConfig:
    """Return the configuration for events that were written again as Loudly's own.

    Their key is the model, their timestamp the event time, and their columns lie where those of the
    format ``loudly`` do. Columns keep their names and types, so that alerts have the same bytes:
    what a history becomes on its way to a topic, in a sandbox or for a backtest on Flink.

    Parameters
    ----------
    config : DriftJobConfig

    Examples
    --------
    >>> from flink_jobs.config.digests import config_version
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json"}
    ... columns = {model = "meta.model", features_at = "request", features = {age = "number"}}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> own = as_own_events(config)
    >>> own.input.format, own.columns.model, config_version(own) == config_version(config)
    ('loudly', None, True)
    """
    table = config.input
    messages = "requests_and_responses" if have_parts(config) else table.messages
    overrides = [
        msgspec.structs.replace(each, columns=_own_change(each.columns))
        for each in config.overrides
    ]
    return msgspec.structs.replace(
        config,
        input=msgspec.structs.replace(
            table, format="loudly", envelope="none", messages=messages, schemas=SchemaTable()
        ),
        columns=_own_columns(config.columns),
        overrides=overrides,
    )


def are_own_events(config: DriftJobConfig, holder: Holder) -> bool:
    """Tell whether a history holds Loudly's own events, which a topic takes as they are.

    Parameters
    ----------
    config : DriftJobConfig
    holder : str
        What holds the history: ``topic`` or ``lines``.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {n_features = 2}
    ... columns = {event_id = "@key"}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> are_own_events(config, "topic"), are_own_events(as_own_events(config), "topic")
    (False, True)
    """
    is_own = config.input.format == "loudly" and config.input.envelope == "none"
    event_id = locations_of(config, holder).event_id
    return is_own and (event_id.kind, event_id.path) == ("payload", ("event_id",))


def _own_columns(table: ColumnsTable) -> ColumnsTable:
    defaults = ColumnsTable()
    segments = table.segments
    return msgspec.structs.replace(
        table,
        model=None,
        model_name="",
        time=None,
        time_unit=defaults.time_unit,
        time_zone=defaults.time_zone,
        event_id=None,
        features=_without_paths(table.features),
        outputs=_without_paths(table.outputs),
        features_at="",
        outputs_at="",
        segments=list(segments) if isinstance(segments, dict) else segments,
    )


def _without_paths(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    return {
        name: msgspec.structs.replace(table, path=None)
        if isinstance(table, FeatureTable | OutputTable)
        else table
        for name, table in given.items()
    }


def _own_change(change: dict[str, Any]) -> dict[str, Any]:
    """Return what an override changes of the columns, without their places."""
    own = {key: value for key, value in change.items() if key not in ("features_at", "outputs_at")}
    for role in ("features", "outputs"):
        if isinstance(columns := own.get(role), dict):
            own[role] = {name: _without_path(table) for name, table in columns.items()}
    if isinstance(segments := own.get("segments"), dict):
        own["segments"] = list(segments)
    return own


def _without_path(table: Any) -> Any:
    if not isinstance(table, dict):
        return table
    return {key: value for key, value in table.items() if key != "path"}
