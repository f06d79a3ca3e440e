"""Commands that tests start from: right ones of every kind, and what is wrong with others."""

from __future__ import annotations

from typing import Any

import msgspec

from flink_jobs.records.control import KINDS, Command

_MORE: dict[str, dict[str, Any]] = {
    "snooze": {"until_ms": 1_767_229_200_000},
    "acknowledge": {"incident_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9"},
    "configure": {"change": {"calibration": {"level": 0.01}}},
}


def make_tree(kind: str, /, **changes: Any) -> dict[str, Any]:
    """What lies on the topic, before it is JSON."""
    tree = {"kind": kind, "command_id": "c-1", "model": "fraud"}
    return tree | _MORE.get(kind, {}) | changes


def make_command(kind: str, /, **changes: Any) -> Command:
    """A command of a kind."""
    return msgspec.convert(make_tree(kind, **changes), type=KINDS[kind])


def _without(name: str, kind: str) -> dict[str, Any]:
    return {key: value for key, value in make_tree(kind).items() if key != name}


# Each with a piece of the reason. The JSON Schema refuses them, too.
INVALID: list[tuple[Any, str]] = [
    (None, "not a JSON object"),
    ("pause", "not a JSON object"),
    ([make_tree("pause")], "not a JSON object"),
    ({}, "it has no kind: kind is one of rebaseline, approve_current, snooze"),
    (make_tree("stop"), "'stop' is not a kind of command"),
    (make_tree("pause", kind=None), "None is not a kind of command"),
    (make_tree("pause", kind=["pause"]), "of type list is not a kind of command"),
    (make_tree("pause", schema_version=2), "schema_version 2 is unknown"),
    (make_tree("pause", schema_version="1"), "schema_version '1' is unknown"),
    (make_tree("pause", schema_version=True), "schema_version True is unknown"),
    (make_tree("pause", schema_version=None), "schema_version None is unknown"),
    (_without("command_id", "pause"), "missing required field `command_id`"),
    (_without("model", "pause"), "missing required field `model`"),
    (_without("until_ms", "snooze"), "missing required field `until_ms`"),
    (_without("incident_id", "acknowledge"), "missing required field `incident_id`"),
    (_without("change", "configure"), "missing required field `change`"),
    (make_tree("pause", until_ms=1), "unknown field `until_ms`: pause has the keys schema_version"),
    (make_tree("pause", comment="hello"), "unknown field `comment`"),
    (make_tree("pause", model=""), "of length >= 1 - at `$.model`"),
    (make_tree("pause", model="m" * 1_025), "of length <= 1024 - at `$.model`"),
    (make_tree("pause", model=7), "Expected `str`, got `int` - at `$.model`"),
    (make_tree("pause", command_id=""), "at `$.command_id`"),
    (make_tree("pause", command_id="c" * 129), "at `$.command_id`"),
    (make_tree("pause", issued_by="a" * 257), "at `$.issued_by`"),
    (make_tree("pause", issued_by=None), "at `$.issued_by`"),
    (make_tree("pause", effective_ms=-1), "`int` >= 0 - at `$.effective_ms`"),
    (make_tree("pause", effective_ms=1.5), "at `$.effective_ms`"),
    (make_tree("pause", effective_ms="now"), "at `$.effective_ms`"),
    (make_tree("pause", effective_ms=253_402_300_800_000), "at `$.effective_ms`"),
    (make_tree("snooze", until_ms=None), "at `$.until_ms`"),
    (make_tree("snooze", until_ms=True), "at `$.until_ms`"),
    (make_tree("snooze", until_ms=2**80), "at `$.until_ms`"),
    (make_tree("acknowledge", incident_id=""), "at `$.incident_id`"),
    (make_tree("configure", change=[]), "at `$.change`"),
    (make_tree("configure", change=None), "at `$.change`"),
]
