"""CloudEvents around payloads, structured and binary, told from each other record by record.

A structured event is a JSON object, in which the payload lies under ``data``, as JSON or as text,
or under ``data_base64``. A binary event is the payload itself; its attributes are headers of the
record, such as ``ce_id``. A batch, which is a list of events, has no place on Kafka.

References
----------
CloudEvents 1.0.2, Kafka protocol binding and JSON format: https://github.com/cloudevents/spec
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from flink_jobs.intake.formats.base import Unusable
from flink_jobs.intake.formats.json import DECODING_FAILS
from flink_jobs.intake.unusable import UnusableEventError, encodable
from flink_jobs.records.dead_letters import Reason

_HEADER = "header:ce_"
_CONTENT_TYPE = "header:content-type"
_VERSION = "header:ce_specversion"
_STRUCTURED = "application/cloudevents"
_BATCH = "application/cloudevents-batch"
_VERSIONS = ("1.", "0.3")
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, eq=False)
class CloudEvents:
    """Payloads without the events around them.

    Attributes
    ----------
    payloads : list of bytes
        Empty where there is none.
    attributes : mapping of str to list of (str or None)
        By name the attribute of each event, of those that were asked for.
    unusable : dict of int to UnusableEventError
        By the number of the record.
    """

    payloads: list[bytes]
    attributes: Mapping[str, list[str | None]] = field(default_factory=dict)
    unusable: Unusable = field(default_factory=dict)


def unwrap_cloud_events(
    payloads: Sequence[bytes],
    part_names: Sequence[str],
    parts: Sequence[Sequence[str | None]] | None,
    attributes: Sequence[str] = (),
) -> CloudEvents:
    """Take events off from around their payloads.

    Parameters
    ----------
    payloads : sequence of bytes
        The values of records, or lines of a file.
    part_names : sequence of str
        What :func:`flink_jobs.config.locations.record_parts` lists.
    parts : sequence of sequence of (str or None), or None
        These parts of each record; None in files, whose events are structured.
    attributes : sequence of str
        The names of attributes to look up.

    Examples
    --------
    >>> structured = b'{"specversion": "1.0", "id": "a", "data": {"age": 7}}'
    >>> events = unwrap_cloud_events([structured, b"[]"], [], None, ["id"])
    >>> events.payloads[0], events.attributes["id"][0], str(events.unusable[1])
    (b'{"age": 7}', 'a', 'invalid_event: a batch of CloudEvents: send each as a record of its own')
    """
    reader = _Reader(tuple(attributes), part_names)
    found: list[bytes] = []
    columns: list[list[str | None]] = [[] for _ in attributes]
    unusable: Unusable = {}
    for place, payload in enumerate(payloads):
        try:
            own, values = reader.read(payload, None if parts is None else parts[place])
        except UnusableEventError as error:
            unusable[place] = error
            own, values = b"", [None] * len(columns)
        found.append(own)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return CloudEvents(found, dict(zip(attributes, columns, strict=True)), unusable)


class _Reader:
    """Reads one record after the other."""

    def __init__(self, attributes: tuple[str, ...], part_names: Sequence[str]) -> None:
        self._attributes = attributes
        self._decode = _decoder(attributes)
        places = {name: place for place, name in enumerate(part_names)}
        self._headers = [place for name, place in places.items() if name.startswith(_HEADER)]
        self._own = [places.get(f"{_HEADER}{name}") for name in attributes]
        self._content_type = places.get(_CONTENT_TYPE)
        self._version = places.get(_VERSION)

    def read(
        self, payload: bytes, parts: Sequence[str | None] | None
    ) -> tuple[bytes, Sequence[str | None]]:
        if parts is not None:
            content_type = "" if self._content_type is None else parts[self._content_type] or ""
            if content_type.startswith(_BATCH):
                raise _batch()
            is_binary = any(parts[place] is not None for place in self._headers)
            if is_binary and not content_type.startswith(_STRUCTURED):
                if self._version is not None and parts[self._version] is not None:
                    _check_version(parts[self._version])
                return payload, [None if place is None else parts[place] for place in self._own]
        return self._structured(payload)

    def _structured(self, payload: bytes) -> tuple[bytes, Sequence[str | None]]:
        if payload[:16].lstrip()[:1] == b"[":
            raise _batch()
        try:
            event = self._decode(payload)
        except DECODING_FAILS as error:
            event = self._leniently(payload, error)
        _check_version(event.specversion)
        values = [_attribute(getattr(event, f"a{k}")) for k in range(len(self._attributes))]
        return _data(event), values

    def _leniently(self, payload: bytes, error: Exception) -> Any:
        """Read an event in whose data NaN or Infinity stand."""
        if isinstance(error, msgspec.ValidationError):
            raise UnusableEventError(Reason.INVALID_EVENT, str(error)) from None
        try:
            tree = json.loads(payload.decode())
        except (ValueError, RecursionError):
            detail = str(error) or type(error).__name__
            raise UnusableEventError(Reason.UNDECODABLE, detail) from None
        if not isinstance(tree, dict):
            raise _not_one()
        event = self._decode(b"{}")
        event.specversion = tree.get("specversion")
        event.data_base64 = tree.get("data_base64")
        if "data" in tree:
            event.data = msgspec.Raw(json.dumps(tree["data"]).encode())
        for k, name in enumerate(self._attributes):
            setattr(event, f"a{k}", tree.get(name))
        return event


@lru_cache(maxsize=64)
def _decoder(attributes: tuple[str, ...]) -> Any:
    names = [f"a{k}" for k in range(len(attributes))]
    fields: list[Any] = [
        ("specversion", Any, None),
        ("data", msgspec.Raw, msgspec.Raw(b"null")),
        ("data_base64", Any, None),
        *((name, Any, None) for name in names),
    ]
    rename = dict(zip(names, attributes, strict=True))
    struct = msgspec.defstruct("CloudEvent", fields, rename=rename, kw_only=True, gc=False)
    return msgspec.json.Decoder(struct).decode


def _data(event: Any) -> bytes:
    """Return the payload of a structured event."""
    if event.data_base64 is not None:
        try:
            return base64.b64decode(event.data_base64, validate=True)
        except (binascii.Error, ValueError, TypeError):
            detail = "data_base64 of the CloudEvent is not base64"
            raise UnusableEventError(Reason.INVALID_EVENT, detail) from None
    data = bytes(event.data)
    if data == b"null":
        raise UnusableEventError(Reason.INVALID_EVENT, "the CloudEvent has no data")
    if data.startswith(b'"'):
        # A text: CSV, or JSON that was written twice.
        return str(json.loads(data)).encode(errors="backslashreplace")
    return data


def _attribute(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return encodable(value) if isinstance(value, str) else None


def _check_version(version: Any) -> None:
    if version is None:
        raise _not_one()
    if not isinstance(version, str) or not version.startswith(_VERSIONS):
        detail = f"specversion is {version!r:.{_SHOWN_CHARACTERS}}, expected 1.0"
        raise UnusableEventError(Reason.UNKNOWN_SCHEMA_VERSION, encodable(detail))


def _not_one() -> UnusableEventError:
    detail = "not a CloudEvent: neither the value nor a header says its specversion"
    return UnusableEventError(Reason.INVALID_EVENT, detail)


def _batch() -> UnusableEventError:
    detail = "a batch of CloudEvents: send each as a record of its own"
    return UnusableEventError(Reason.INVALID_EVENT, detail)
