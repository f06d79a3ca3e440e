"""How the job finds model and event time of a record: in SQL where the record itself says them.

What lies within payloads, and times as text in headers, are found by the
:class:`~flink_jobs.intake.locating.Locator`, in a step of its own in front of all others.
"""

from __future__ import annotations

from typing import NamedTuple

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import Location, locations_of, record_parts
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.records.dead_letters import Reason

EVENT_MS = "EXTRACT(EPOCH FROM ts) * 1000 + EXTRACT(MILLISECOND FROM ts)"
FOUND = ("payload", "ts", "part", "off", "event_ms")
"""Columns of a record besides its model; ``ts`` and ``event_ms`` are both its event time."""
_IN_RECORDS = ("nowhere", "key", "header")
_IN_PAYLOADS = ("payload", "attribute")
_HEADER = "header:"


class Found(NamedTuple):
    """How the records of a configuration are judged by what was found.

    Attributes
    ----------
    part_names : tuple of str
        Columns with what panes need of a record besides its value.
    before_reading, after_reading : str
        Cases of a verdict that come before it is said that a payload cannot be read, and after.
    """

    part_names: tuple[str, ...]
    before_reading: str
    after_reading: str

    @classmethod
    def of(cls, config: DriftJobConfig) -> Found:
        """Say it of a configuration."""
        names = tuple(f"record_part_{place}" for place in range(len(record_parts(config))))
        kind = locations_of(config, "topic").model.kind
        reason = Reason.NO_MODEL if kind == "header" else Reason.MISSING_KEY
        cases = f"WHEN model IS NULL OR model = '' THEN '{reason}'"
        if needs_locating(config):
            cases = f"WHEN reason IS NOT NULL THEN reason {cases}"
        return cls(names, "", cases) if needs_payload(config) else cls(names, cases, "")


def needs_locating(config: DriftJobConfig) -> bool:
    """Tell whether model or event time of a record lie where SQL does not look."""
    found = locations_of(config, "topic")
    return found.time.kind != "timestamp" or found.model.kind not in _IN_RECORDS


def needs_payload(config: DriftJobConfig) -> bool:
    """Tell whether payloads are looked into to find model or event time."""
    found = locations_of(config, "topic")
    return any(each.kind in _IN_PAYLOADS for each in (found.model, found.time))


def needs_headers(config: DriftJobConfig) -> bool:
    """Tell whether anything is read of a record's headers."""
    names = record_parts(config)
    is_model = locations_of(config, "topic").model.kind == "header"
    return is_model or any(name.startswith(_HEADER) for name in names)


def found_query(config: DriftJobConfig) -> str:
    """Write what gives model and event time of each record.

    Bytes of a key that are not UTF-8 become replacement characters, as everywhere else: Arrow
    refuses them.
    """
    names = ", ".join([*FOUND, *Found.of(config).part_names])
    if needs_locating(config):
        return f"SELECT model, {names}, reason, detail FROM located"  # noqa: S608 - ours
    model = _model_sql(config, locations_of(config, "topic").model)
    parts = "".join(f", {each}" for each in parts_sql(config))
    return f"""
        SELECT {model} AS model, {", ".join(FOUND)}{parts}, {_detail_sql(config)} AS detail
        FROM records
    """  # noqa: S608 - the names in it are ours, or quoted


def parts_sql(config: DriftJobConfig) -> list[str]:
    """Write what panes need of a record besides its value, each with the name of its column."""
    return [
        f"{key_sql() if part == 'key' else _header_sql(part.removeprefix(_HEADER))} AS {name}"
        for part, name in zip(record_parts(config), Found.of(config).part_names, strict=True)
    ]


def key_sql() -> str:
    """Write the key as valid text."""
    return "DECODE(ENCODE(record_key, 'UTF-8'), 'UTF-8')"


def quoted(text: str) -> str:
    """Write a text as SQL has it.

    Examples
    --------
    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _model_sql(config: DriftJobConfig, location: Location) -> str:
    if location.kind == "key":
        return key_sql()
    if location.kind == "header":
        model = _header_sql(location.name)
    else:
        model = quoted(config.columns.model_name)
    return f"CASE WHEN record_key = '{HEARTBEAT_KEY}' THEN record_key ELSE {model} END"


def _detail_sql(config: DriftJobConfig) -> str:
    """Write what the dead letter of a record says that names no model."""
    location = locations_of(config, "topic").model
    if location.kind != "header":
        return "CAST(NULL AS STRING)"
    value, at = _header_sql(location.name), f"@header.{location.name}"
    missing, empty = quoted(f"{at} is missing"), quoted(f"{at} is empty")
    return f"CASE WHEN {value} IS NULL THEN {missing} WHEN {value} = '' THEN {empty} END"


def _header_sql(name: str) -> str:
    return f"DECODE(headers[{quoted(name)}], 'UTF-8')"
