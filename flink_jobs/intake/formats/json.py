"""Inference events, schema version 1: JSON on Kafka, keyed by model.

The record key is the model id and the record timestamp is the event time, so that the JVM can key
and order events without looking inside. A record whose key is :data:`HEARTBEAT_KEY` is no event: it
only moves event time forward, so that the last panes of a quiet topic close.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from flink_jobs.config.job import InputTable
from flink_jobs.records.dead_letters import Reason

SCHEMA_VERSION = 1
HEARTBEAT_KEY = "__loudly_heartbeat__"
_DETAIL_CHARACTERS = 300
_EVENT_ID_CHARACTERS = 256
DECODING_FAILS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises."""

# Strings are passed over whole, also one that is never closed: each byte is looked at once.
_SPECIAL = re.compile(rb'"(?:[^"\\]|\\.)*+"?|NaN|-?Infinity', re.DOTALL)
# Reads what JSON forbids but others write: NaN, Infinity and unpaired surrogates. Of an integer it
# reads the digits that a detail can show, since Python refuses to read more than 4,300.
_lenient_decoder = json.JSONDecoder(parse_int=lambda digits: int(digits[:_DETAIL_CHARACTERS]))

EventId = Annotated[str, Meta(min_length=1, max_length=_EVENT_ID_CHARACTERS)]


class InferenceEvent(Struct, frozen=True, kw_only=True):
    """One inference: what the model saw and what it answered. Other keys are ignored.

    Attributes
    ----------
    schema_version : int
        1.
    event_id : str
        The producer's name for the event, shown when an alert points at it.
    features : list of float
        The model's input, ``input.n_features`` numbers; null or NaN where one is missing, which
        ``input.missing_features`` must allow.
    outputs : list of float
        The model's softmax output, ``input.n_outputs`` numbers.
    """

    schema_version: int
    event_id: EventId
    features: list[float] = []
    outputs: list[float] = []


class _EventWithMissingFeatures(InferenceEvent, frozen=True, kw_only=True):
    """An event whose features may be null, which NaN is made before it is decoded."""

    features: list[float | None] = []  # type: ignore[assignment]


class UnusableEventError(ValueError):
    """An event that goes to the dead letters."""

    def __init__(self, reason: Reason, detail: str, event_id: str | None = None) -> None:
        self.reason = reason
        self.detail = detail[:_DETAIL_CHARACTERS]
        self.event_id = event_id
        super().__init__(f"{reason}: {self.detail}")


def encode_event(event: InferenceEvent) -> bytes:
    """The Kafka value of an event."""
    return msgspec.json.encode(event)


class EventDecoder:
    """Decodes and validates payloads, one at a time.

    Examples
    --------
    >>> decoder = EventDecoder(InputTable(n_features=2))
    >>> decoder.decode(b'{"schema_version": 1, "event_id": "a", "features": [0.5, 1]}').features
    [0.5, 1.0]
    >>> decoder.decode(b'{"schema_version": 1, "event_id": "a", "features": [0.5]}')
    Traceback (most recent call last):
        ...
    flink_jobs.intake.formats.json.UnusableEventError: wrong_length: 1 features, expected 2
    """

    def __init__(self, table: InputTable) -> None:
        self._table = table
        self._allows_missing = table.missing_features == "allow"
        event_type = _EventWithMissingFeatures if self._allows_missing else InferenceEvent
        self._decode = msgspec.json.Decoder(event_type).decode
        self._decode_usable = usable_event_decoder(table)

    def decode(self, payload: bytes) -> InferenceEvent:
        """Decode one payload.

        Raises
        ------
        UnusableEventError
            With the reason that goes to the dead-letter topic.
        """
        try:
            event = decode_tolerantly(self._decode, payload)
        except DECODING_FAILS as error:
            raise _explain(payload, error, self._allows_missing) from error
        self._check(event)
        return event  # type: ignore[no-any-return]

    def decode_all(
        self, payloads: Sequence[bytes]
    ) -> tuple[list[Any], dict[int, UnusableEventError]]:
        """The events of the payloads that have one, and by place what is wrong with the others.

        Examples
        --------
        >>> decoder = EventDecoder(InputTable(n_features=1))
        >>> good = b'{"schema_version": 1, "event_id": "a", "features": [0.5]}'
        >>> events, unusable = decoder.decode_all([b"{", good])
        >>> events[0].event_id, unusable[0].reason.value
        ('a', 'undecodable')
        """
        try:
            return list(map(self._decode_usable, payloads)), {}
        except DECODING_FAILS:
            return self._decode_one_by_one(payloads)

    def _decode_one_by_one(
        self, payloads: Sequence[bytes]
    ) -> tuple[list[Any], dict[int, UnusableEventError]]:
        events: list[Any] = []
        unusable: dict[int, UnusableEventError] = {}
        for place, payload in enumerate(payloads):
            try:
                events.append(self._decode_usable_or_explain(payload))
            except UnusableEventError as error:
                unusable[place] = error
        return events, unusable

    def _decode_usable_or_explain(self, payload: bytes) -> Any:
        try:
            return self._decode_usable(payload)
        except DECODING_FAILS:
            return self.decode(payload)

    def _check(self, event: InferenceEvent) -> None:
        if event.schema_version != SCHEMA_VERSION:
            detail = f"schema version {event.schema_version}, expected {SCHEMA_VERSION}"
            raise UnusableEventError(Reason.UNKNOWN_SCHEMA_VERSION, detail, event.event_id)
        table = self._table
        if len(event.features) != table.n_features:
            raise wrong_length("features", len(event.features), table.n_features, event.event_id)
        if len(event.outputs) != table.n_outputs:
            raise wrong_length("outputs", len(event.outputs), table.n_outputs, event.event_id)


def usable_event_decoder(
    table: InputTable, more: Mapping[str, tuple[str, Any]] | None = None
) -> Callable[[bytes], Any]:
    """Decodes the payloads that :class:`EventDecoder` decodes, and fails at all others.

    It makes all checks while it decodes, so that no Python runs for a payload, but its errors do
    not say what a dead letter says.

    Parameters
    ----------
    table : InputTable
    more : mapping of str to (str, type), optional
        Attributes beside those of an event: the key of each, and what it has to be.

    Examples
    --------
    >>> decode = usable_event_decoder(InputTable(n_features=2), {"model": ("name", str)})
    >>> event = decode(b'{"schema_version":1,"event_id":"a","features":[0.5,1],"name":"m"}')
    >>> event.features, event.model
    ((0.5, 1.0), 'm')
    """
    more = more or {}
    feature = float | None if table.missing_features == "allow" else float
    fields: list[Any] = [("schema_version", Literal[1]), ("event_id", EventId)]
    fields += [(name, kind) for name, (_, kind) in more.items()]
    for name, kind, length in (
        ("features", feature, table.n_features),
        ("outputs", float, table.n_outputs),
    ):
        # A tuple of as many numbers says the length, and takes a tenth less time than a list.
        numbers: Any = tuple.__class_getitem__((kind,) * length)
        fields.append((name, numbers) if length else (name, numbers, ()))
    keys = {name: key for name, (key, _) in more.items()}
    decoder: Any = msgspec.json.Decoder(
        msgspec.defstruct("UsableEvent", fields, rename=keys, kw_only=True, gc=False)
    )
    return decoder.decode  # type: ignore[no-any-return]


def decode_tolerantly(decode: Callable[[bytes], Any], payload: bytes) -> Any:
    """Decode a payload in which NaN and Infinity may stand, which JSON does not have.

    Other programs write them all the same. NaN becomes null, which is a missing number, and
    Infinity becomes an empty object, which is neither a number nor a name. Payloads without them
    cost nothing more.

    Raises
    ------
    Exception
        Those of :data:`DECODING_FAILS`, as ``decode`` raises them.

    Examples
    --------
    >>> decode_tolerantly(msgspec.json.decode, b'{"x": [NaN, 1], "y": -Infinity, "z": "NaN"}')
    {'x': [None, 1], 'y': {}, 'z': 'NaN'}
    """
    try:
        return decode(payload)
    except DECODING_FAILS:
        if b"NaN" not in payload and b"Infinity" not in payload:
            raise
    return decode(_SPECIAL.sub(_plain, payload))


def _plain(found: re.Match[bytes]) -> bytes:
    token = found[0]
    if token.startswith(b'"'):
        return token
    return b"null" if token == b"NaN" else b"{}"


def wrong_length(field: str, n: int, n_expected: int, event_id: str | None) -> UnusableEventError:
    """An event with another number of features or outputs than the configuration has."""
    detail = f"{n} {field}, expected {n_expected}"
    return UnusableEventError(Reason.WRONG_LENGTH, detail, event_id)


def not_finite(field: str, place: int, event_id: str | None) -> UnusableEventError:
    """An event whose features or outputs are not all numbers."""
    detail = f"{field}[{place}] is missing, NaN or infinite"
    return UnusableEventError(Reason.NOT_FINITE, detail, event_id)


def _explain(payload: bytes, error: Exception, allows_missing: bool) -> UnusableEventError:
    """Find out what is wrong with a payload that did not decode; only bad events pay for this."""
    try:
        # From text: json would guess at UTF-16 and UTF-32 in bytes, which JSON on Kafka is not.
        tree: Any = _lenient_decoder.decode(payload.decode())
    except (ValueError, RecursionError):
        return UnusableEventError(Reason.UNDECODABLE, str(error) or type(error).__name__)
    if not isinstance(tree, dict):
        return UnusableEventError(Reason.INVALID_EVENT, "the payload is not a JSON object")
    event_id = tree.get("event_id")
    event_id = encodable(event_id)[:_EVENT_ID_CHARACTERS] if isinstance(event_id, str) else None
    version = tree.get("schema_version")
    # Not isinstance: false is an int to Python, and no version of ours.
    if type(version) is int and version != SCHEMA_VERSION:
        detail = f"schema version {version}, expected {SCHEMA_VERSION}"
        return UnusableEventError(Reason.UNKNOWN_SCHEMA_VERSION, detail, event_id)
    for field, may_be_missing in (("features", allows_missing), ("outputs", False)):
        if (place := _first_not_finite(tree.get(field), may_be_missing)) is not None:
            return not_finite(field, place, event_id)
    return UnusableEventError(Reason.INVALID_EVENT, str(error), event_id)


def encodable(text: str) -> str:
    r"""Unpaired surrogates as ``\udXXX``: UTF-8 has no bytes for them, so no dead letter has."""
    return text.encode(errors="backslashreplace").decode()


def _first_not_finite(values: Any, may_be_missing: bool) -> int | None:
    if not isinstance(values, list):
        return None
    for place, value in enumerate(values):
        is_missing = value is None or value != value
        if (is_missing and not may_be_missing) or (isinstance(value, float) and math.isinf(value)):
            return place
    return None
