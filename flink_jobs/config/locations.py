"""Places of model, event time and name of an event."""

from __future__ import annotations

from typing import Literal, NamedTuple

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.paths import Path, parse_path

Holder = Literal["topic", "lines", "table"]
"""What holds events: a Kafka topic, a file with one in each line, or a file with columns."""
Kind = Literal["nowhere", "key", "timestamp", "header", "attribute", "payload"]

HEADER, ATTRIBUTE = "@header.", "@ce."
_OF_RECORDS = {"@key": "key", "@timestamp": "timestamp"}


class Location(NamedTuple):
    """Place of a value.

    Attributes
    ----------
    kind : str
        ``nowhere``; ``key``, ``timestamp`` or ``header`` of a Kafka record; an ``attribute`` of a
        CloudEvent; or the ``payload``.
    name : str
        Of the header or the attribute.
    path : Path
        Into the payload.
    is_optional : bool
        Whether an event is usable without it though nothing says that it may lack it.
    """

    kind: Kind
    name: str = ""
    path: Path = ()
    is_optional: bool = False


class Locations(NamedTuple):
    """Places of model, event time and name of an event; a fixed model has no place."""

    model: Location
    time: Location
    event_id: Location


NOWHERE = Location("nowhere")


def parse_location(text: str) -> Location:
    """Read what a configuration says of a place.

    Raises
    ------
    ValueError
        When it is not a place.

    Examples
    --------
    >>> parse_location("@header.ce_id").name, parse_location("meta.model").path
    ('ce_id', ('meta', 'model'))
    """
    if kind := _OF_RECORDS.get(text):
        return Location(kind)  # type: ignore[arg-type]
    for prefix, named in ((HEADER, "header"), (ATTRIBUTE, "attribute")):
        if text.startswith(prefix) and len(text) > len(prefix):
            return Location(named, text.removeprefix(prefix))  # type: ignore[arg-type]
    if text.startswith("@"):
        allowed = "@key, @timestamp, @header.NAME or @ce.NAME"
        raise ValueError(f"{text!r} is not a place in a record: {allowed}")
    return Location("payload", path=parse_path(text))


def locations_of(config: DriftJobConfig, holder: Holder) -> Locations:
    """Say where model, time and name of events are found in one kind of holder.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json", n_features = 2}
    ... columns = {model_name = "churn", time = "meta.at"}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> found = locations_of(config, "topic")
    >>> found.model.kind, found.time.path, found.event_id.kind
    ('nowhere', ('meta', 'at'), 'nowhere')
    """
    table = config.columns
    if table.model_name:
        model = NOWHERE
    elif table.model is not None:
        model = parse_location(table.model)
    else:
        model = _default_model(config, holder)
    time = _default_time(config, holder) if table.time is None else parse_location(table.time)
    if table.event_id is None:
        event_id = _default_id(config, holder)
    else:
        event_id = parse_location(table.event_id) if table.event_id else NOWHERE
    return Locations(model, time, event_id)


def record_parts(config: DriftJobConfig) -> tuple[str, ...]:
    """List what panes need of a record besides its value: ``key``, or names of headers.

    Empty for most configurations. Header names of a CloudEvent's attributes begin with ``ce_``.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json", n_features = 2}
    ... columns = {model = "@header.model", event_id = "@key"}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> record_parts(config)
    ('header:model', 'key')
    """
    names: dict[str, None] = {}
    if config.input.envelope == "cloudevents":
        # By these a binary event is told from a structured one.
        names |= dict.fromkeys(["header:ce_specversion", "header:content-type"])
    for location in locations_of(config, "topic"):
        if location.kind == "key":
            names["key"] = None
        elif location.kind == "header":
            names[f"header:{location.name}"] = None
        elif location.kind == "attribute":
            names[f"header:ce_{location.name}"] = None
    is_own_key = locations_of(config, "topic").event_id.kind != "key"
    if is_own_key:
        # The key as the model needs no copy of itself.
        names.pop("key", None)
    return tuple(names)


def _default_model(config: DriftJobConfig, holder: Holder) -> Location:
    if holder == "topic":
        return Location("key")
    name = "model_name" if config.input.format == "open_inference" else "model"
    return Location("payload", path=(name if holder == "lines" else "model",))


def _default_time(config: DriftJobConfig, holder: Holder) -> Location:
    if holder == "topic":
        return Location("timestamp")
    if holder == "lines" and config.input.format == "sagemaker":
        return Location("payload", path=("eventMetadata", "inferenceTime"))
    return Location("payload", path=("time_ms",))


def _default_id(config: DriftJobConfig, holder: Holder) -> Location:
    if holder == "table":
        return Location("payload", path=("event_id",), is_optional=True)
    if config.input.envelope == "cloudevents":
        return Location("attribute", "id")
    match config.input.format:
        case "loudly":
            return Location("payload", path=("event_id",))
        case "open_inference":
            return Location("payload", path=("id",), is_optional=True)
        case "sagemaker":
            return Location("payload", path=("eventMetadata", "eventId"), is_optional=True)
        case _:
            return NOWHERE
