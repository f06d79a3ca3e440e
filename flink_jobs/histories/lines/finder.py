"""Finds model and time of JSON lines, and says what is wrong where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from flink_jobs.config.columns import columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.columns import ColumnsTable
from flink_jobs.histories.times import parse_time_ms
from flink_jobs.intake.formats.json import (
    DECODING_FAILS,
    SCHEMA_VERSION,
    EventDecoder,
    decode_tolerantly,
)
from flink_jobs.intake.unusable import UnusableEventError as Unusable
from flink_jobs.intake.unusable import encodable
from flink_jobs.records.dead_letters import Reason

TimeMs = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What an array of times holds."""
_DEFAULTS = ColumnsTable()


class Placed(NamedTuple):
    """The model of a line, and its time."""

    model: str | None
    time_ms: int


class Unplaced(NamedTuple):
    """Why a line has no place in event time, and which model it names."""

    model: str | None
    error: Unusable


class LineFinder:
    """Finds model and time of lines without decoding the rest of them.

    Parameters
    ----------
    config : DriftJobConfig
    """

    def __init__(self, config: DriftJobConfig) -> None:
        columns = config.columns
        self._columns = columns
        self._time_key, self._model_key = columns.time or "time_ms", columns.model or "model"
        self._decoder = EventDecoder(columns_of(config))
        fields: list[tuple[str, Any]] = [("time", TimeMs)]
        if not columns.model_name:
            fields.append(("model", str))
        line = msgspec.defstruct(
            "Line", fields, rename={"time": self._time_key, "model": self._model_key}, gc=False
        )
        # What a line holds follows from the configuration, so its type is made here.
        decoder: Any = msgspec.json.Decoder(line)
        self._decode = decoder.decode

    def find(self, lines: Sequence[bytes]) -> tuple[Sequence[int], list[str | None], list[int]]:
        """Places of the lines that have both, their models and their times."""
        constant = self._columns.model_name
        try:
            found = list(map(self._decode, lines))
        except DECODING_FAILS:
            return self._find_one_by_one(lines)
        times = [each.time for each in found]
        models = [constant] * len(found) if constant else [each.model for each in found]
        return range(len(lines)), models, times

    def unplaced(self, line: bytes) -> Unplaced:
        """Why a line has no place."""
        try:
            self._place(line)
        except Unusable as error:
            model = self._columns.model_name or _lenient(line).get(self._model_key)
            return Unplaced(encodable(model) if isinstance(model, str) else None, error)
        raise AssertionError("a line that has a place is none without")

    def _find_one_by_one(
        self, lines: Sequence[bytes]
    ) -> tuple[list[int], list[str | None], list[int]]:
        places: list[int] = []
        models: list[str | None] = []
        times: list[int] = []
        for row, line in enumerate(lines):
            try:
                model, time_ms = self._place_quickly(line)
            except Unusable:
                continue
            places.append(row)
            models.append(model)
            times.append(time_ms)
        return places, models, times

    def _place_quickly(self, line: bytes) -> Placed:
        try:
            found = decode_tolerantly(self._decode, line)
        except DECODING_FAILS:
            return self._place(line)
        return Placed(self._columns.model_name or found.model, found.time)

    def _place(self, line: bytes) -> Placed:
        """Of a line that is not as it should be; raises UnusableEventError where there is none."""
        tree = _lenient(line)
        if not tree:
            self._decoder.decode(line)
            raise Unusable(Reason.INVALID_EVENT, "the line is an empty object")
        columns = self._columns
        model = columns.model_name or tree.get(self._model_key)
        if model is not None and not isinstance(model, str):
            detail = f"{self._model_key} is {model!r}, which is not text"
            raise Unusable(Reason.INVALID_EVENT, detail)
        if tree.get(self._time_key) is None:
            raise Unusable(Reason.INVALID_EVENT, f"{self._time_key} is missing")
        try:
            return Placed(model and encodable(model), parse_time_ms(tree[self._time_key]))
        except ValueError as error:
            detail = f"{self._time_key}: {error}"
            raise Unusable(Reason.INVALID_EVENT, detail) from None


def _lenient(line: bytes) -> dict[str, Any]:
    """The object in a line, also where it holds NaN; empty where there is none."""
    try:
        tree = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def are_events(columns: ColumnsTable) -> bool:
    """Tell whether lines may have the keys of events as they are."""
    names = ("event_id", "features", "outputs")
    return all(
        isinstance(getattr(columns, name), dict)
        or getattr(columns, name) == getattr(_DEFAULTS, name)
        for name in names
    )


def translator(columns: ColumnsTable) -> Callable[[bytes, str], bytes] | None:
    """Gives lines the keys of events; None where they have them.

    Columns that have names are taken from the object under ``features``, ``outputs`` or
    ``segments``, or from the line itself where it has no such key.
    """
    is_named = isinstance(columns.features, dict) or isinstance(columns.outputs, dict)
    if are_events(columns) and not is_named and not columns.segments:
        return None

    def translate(line: bytes, place: str) -> bytes:
        tree = _lenient(line)
        if not tree:
            return line
        event = {"schema_version": tree.get("schema_version", SCHEMA_VERSION)}
        key = "event_id" if columns.event_id is None else columns.event_id
        event["event_id"] = tree.get(key) if key else place
        for name in ("features", "outputs"):
            spec = getattr(columns, name)
            if isinstance(spec, dict):
                event[name] = tree.get(name, {key: tree[key] for key in spec if key in tree})
            elif isinstance(spec, list):
                event[name] = [tree.get(key) for key in spec]
            elif spec in tree:
                event[name] = tree[spec]
        segments = {key: tree[key] for key in columns.segments if key in tree}
        event["segments"] = tree.get("segments", segments)
        event["label"] = tree.get(columns.label or "label")
        # Not msgspec, which writes NaN as null: what is wrong must stay so.
        return json.dumps(event).encode()

    return translate
