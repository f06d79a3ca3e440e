"""Inference events, schema version 1: JSON on Kafka, keyed by model.

The record key is the model id and the record timestamp is the event time, so that the JVM can key
and order events without looking inside. A record whose key is :data:`HEARTBEAT_KEY` is not an
event: it only moves event time forward, so that the last panes of a quiet topic close.

A good event is decoded in one step into a struct that is made for the columns, so that no Python
runs for any of its values. What that struct does not take is read again by plain Python, which
takes a little more (3.0 for a category 3, NaN) and says what is wrong with the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from flink_jobs.config.columns import Column, Role
from flink_jobs.intake.unusable import UnusableEventError, encodable, wrong_length
from flink_jobs.intake.values import EnormousInteger, read_value, refused
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
_lenient_decoder = json.JSONDecoder(
    parse_int=lambda digits: (
        int(digits)
        if len(digits) <= _DETAIL_CHARACTERS
        else EnormousInteger(digits[:_DETAIL_CHARACTERS])
    )
)

EventId = Annotated[str, Meta(min_length=1, max_length=_EVENT_ID_CHARACTERS)]
Value = float | str | bool | None
"""A number, a category or a boolean, where null is a missing one."""

ROLE_KEYS: dict[Role, str] = {"feature": "features", "output": "outputs", "segment": "segments"}
"""The keys of an event under which the columns of a role lie; the label lies under ``label``."""


class InferenceEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One inference: what the model saw and what it answered. Other keys are ignored.

    Attributes
    ----------
    schema_version : int
        1.
    event_id : str
        The producer's name for the event, shown when an alert points at it.
    features : list or dict
        The model's input: ``input.n_features`` numbers, or the values of the columns of
        ``columns.features``, by name or in their order. Null or NaN where one is missing, which the
        configuration must allow.
    outputs : list or dict
        The model's answer: ``input.n_outputs`` numbers of a softmax output, or the values of the
        columns of ``columns.outputs``.
    label : str, int, float, bool or None
        The true class, where it is known already.
    segments : dict
        The columns of ``columns.segments``.
    """

    schema_version: int
    event_id: EventId
    features: list[Value | list[float | None]] | dict[str, Value | list[float | None]] = []
    outputs: list[Value | list[float | None]] | dict[str, Value | list[float | None]] = []
    label: Value = None
    segments: dict[str, Value] = {}


def encode_event(event: InferenceEvent) -> bytes:
    """The Kafka value of an event."""
    return msgspec.json.encode(event)


class OwnKeys(NamedTuple):
    """The keys of an event that a configuration can call otherwise.

    Attributes
    ----------
    event_id : str or None
        None where events have no names.
    label : str
        Of the true class; an event may also have it under ``label``.
    """

    event_id: str | None = "event_id"
    label: str = "label"


OWN_KEYS = OwnKeys()


class EventDecoder:
    """Decodes and validates payloads, one at a time.

    Parameters
    ----------
    columns : sequence of Column
        All columns of the model's events.
    keys : OwnKeys
    more : mapping of str to (str, type), optional
        Attributes next to those of an event: the key of each, and its type; None where absent.

    Examples
    --------
    >>> decoder = EventDecoder([Column("features", "vector", "feature", size=2)])
    >>> decoder.decode(b'{"schema_version": 1, "event_id": "a", "features": [0.5, 1]}').features
    (0.5, 1.0)
    >>> decoder.decode(b'{"schema_version": 1, "event_id": "a", "features": [0.5]}')
    Traceback (most recent call last):
        ...
    flink_jobs.intake.unusable.UnusableEventError: wrong_length: 1 features, expected 2
    """

    def __init__(
        self,
        columns: Sequence[Column],
        keys: OwnKeys = OWN_KEYS,
        more: Mapping[str, tuple[str, Any]] | None = None,
    ) -> None:
        self._columns = columns
        self._keys = keys
        self.decode_usable = usable_event_decoder(columns, more, keys=keys)

    def decode(self, payload: bytes) -> Any:
        """Decode one payload; the event has an attribute for each role that has columns.

        It is a tuple of the values, or a struct of them.

        Raises
        ------
        UnusableEventError
            With the reason that goes to the dead-letter topic.
        """
        try:
            return decode_tolerantly(self.decode_usable, payload)
        except DECODING_FAILS as error:
            why = str(error) or type(error).__name__
            return read_event(self._columns, lenient_tree(payload, why), why, self._keys)

    def decode_all(
        self, payloads: Sequence[bytes]
    ) -> tuple[list[Any], dict[int, UnusableEventError]]:
        """The events of the payloads that have one, and by place what is wrong with the others.

        Examples
        --------
        >>> decoder = EventDecoder([Column("features", "vector", "feature", size=1)])
        >>> good = b'{"schema_version": 1, "event_id": "a", "features": [0.5]}'
        >>> events, unusable = decoder.decode_all([b"{", good])
        >>> events[0].event_id, unusable[0].reason.value
        ('a', 'undecodable')
        """
        try:
            return list(map(self.decode_usable, payloads)), {}
        except DECODING_FAILS:
            return self._decode_one_by_one(payloads)

    def _decode_one_by_one(
        self, payloads: Sequence[bytes]
    ) -> tuple[list[Any], dict[int, UnusableEventError]]:
        events: list[Any] = []
        unusable: dict[int, UnusableEventError] = {}
        for place, payload in enumerate(payloads):
            try:
                events.append(self.decode(payload))
            except UnusableEventError as error:
                unusable[place] = error
        return events, unusable


def usable_event_decoder(
    columns: Sequence[Column],
    more: Mapping[str, tuple[str, Any]] | None = None,
    *,
    keys: OwnKeys = OWN_KEYS,
) -> Callable[[bytes], Any]:
    """Decodes most of the payloads that :class:`EventDecoder` decodes, and fails at all others.

    It makes all checks while it decodes, so that no Python runs for a payload, but its errors do
    not say what a dead letter says.

    Parameters
    ----------
    columns : sequence of Column
        All columns of the model's events.
    more : mapping of str to (str, type), optional
        Attributes next to those of an event: the key of each, and its type; None where absent.
    keys : OwnKeys

    Examples
    --------
    >>> columns = [Column("age", "number", "feature"), Column("plan", "category", "feature")]
    >>> decode = usable_event_decoder(columns, {"model": ("name", str)})
    >>> event = decode(
    ...     b'{"schema_version":1,"event_id":"a","features":{"plan":"pro","age":4},"name":"m"}'
    ... )
    >>> msgspec.structs.astuple(event.features), event.model
    ((4.0, 'pro'), 'm')
    """
    more = more or {}
    fields: list[Any] = [("schema_version", Literal[1])]
    names = {name: key for name, (key, _) in more.items()} | {"label": keys.label}
    if keys.event_id is not None:
        fields.append(("event_id", EventId))
        names["event_id"] = keys.event_id
    fields += [(name, kind, None) for name, (_, kind) in more.items()]
    for role, key in ROLE_KEYS.items():
        if own := [column for column in columns if column.role == role]:
            fields.append(_role_field(key, own))
    fields += [("label", _kind(column), None) for column in columns if column.role == "label"]
    if any(column.role == "label" for column in columns) and keys.label != "label":
        fields.append(("own_label", _kind(Column("label", "category", "label", 1, True)), None))
        names["own_label"] = "label"
    decoder: Any = msgspec.json.Decoder(
        msgspec.defstruct("UsableEvent", fields, rename=names, kw_only=True, gc=False)
    )
    return decoder.decode  # type: ignore[no-any-return]


def is_one_vector(columns: Sequence[Column]) -> bool:
    """Tell whether the only column of a role is a vector: a list is then the vector itself."""
    return len(columns) == 1 and columns[0].type == "vector"


def is_plain_vector(key: str, columns: Sequence[Column]) -> bool:
    """Tell whether a role has no names: its only column is a vector called as the role is."""
    return [(column.name, column.type) for column in columns] == [(key, "vector")]


def _role_field(key: str, columns: Sequence[Column]) -> tuple[Any, ...]:
    """Return the field of a role: an object of values by name, or a list of them."""
    kind: Any = tuple.__class_getitem__(tuple(map(_kind, columns)))
    if is_one_vector(columns):
        kind = _vector_kind(columns[0])
    if is_plain_vector(key, columns):
        return key, kind
    kind |= _by_name(key, columns)
    if all(column.may_be_missing for column in columns):
        return key, kind | None, None
    return key, kind


def _by_name(key: str, columns: Sequence[Column]) -> Any:
    fields: list[Any] = [
        (f"c{place}", _kind(column), None)
        if column.may_be_missing
        else (f"c{place}", _kind(column))
        for place, column in enumerate(columns)
    ]
    names = {f"c{place}": column.name for place, column in enumerate(columns)}
    return msgspec.defstruct(key.title(), fields, rename=names, kw_only=True, gc=False)


def _kind(column: Column) -> Any:
    kinds: dict[str, Any] = {
        "number": float,
        "category": str | int | bool,
        "boolean": bool | Literal[0, 1],
    }
    kind = _vector_kind(column) if column.type == "vector" else kinds[column.type]
    return kind | None if column.may_be_missing else kind


def _vector_kind(column: Column) -> Any:
    number = float | None if column.may_be_missing else float
    # A tuple of as many numbers says the length, and takes a tenth less time than a list.
    return tuple.__class_getitem__((number,) * column.size)


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
    except DECODING_FAILS as error:
        return decode(without_nan(payload, error))


def without_nan(payload: bytes, error: Exception) -> bytes:
    """Return a payload with null for NaN, and an empty object for Infinity.

    Raises
    ------
    Exception
        The error, which a decoder raised, where neither is there.
    """
    if b"NaN" not in payload and b"Infinity" not in payload:
        raise error
    return _SPECIAL.sub(_plain, payload)


def _plain(found: re.Match[bytes]) -> bytes:
    token = found[0]
    if token.startswith(b'"'):
        return token
    return b"null" if token == b"NaN" else b"{}"


def read_event(columns: Sequence[Column], tree: Any, why: str, keys: OwnKeys = OWN_KEYS) -> Any:
    """Read an event from what Python's own JSON decoder makes of a payload.

    Parameters
    ----------
    columns : sequence of Column
        All columns of the model's events.
    tree : object
    why : str
        What the other decoder said, for what it alone looks at.
    keys : OwnKeys

    Raises
    ------
    UnusableEventError
        With the reason that goes to the dead-letter topic.

    Examples
    --------
    >>> tree = {"schema_version": 1, "event_id": "a", "features": {"plan": 3.0}}
    >>> read_event([Column("plan", "category", "feature")], tree, "").features
    ('3',)
    """
    if not isinstance(tree, dict):
        raise UnusableEventError(Reason.INVALID_EVENT, "the payload is not a JSON object")
    event_id = None if keys.event_id is None else tree.get(keys.event_id)
    event_id = encodable(event_id)[:_EVENT_ID_CHARACTERS] if isinstance(event_id, str) else None
    version = tree.get("schema_version")
    is_version = isinstance(version, int) and not isinstance(version, bool)
    if is_version and version != SCHEMA_VERSION:
        detail = f"schema version {version}, expected {SCHEMA_VERSION}"
        raise UnusableEventError(Reason.UNKNOWN_SCHEMA_VERSION, detail, event_id)
    if "schema_version" not in tree and not any(key in tree for key in ROLE_KEYS.values()):
        detail = (
            "the payload has no schema_version and no features, as Loudly's own events have: "
            'input.format = "json" reads JSON of any shape'
        )
        raise UnusableEventError(Reason.INVALID_EVENT, detail, event_id)
    values = {
        key: _read_role(key, own, tree.get(key), event_id)
        for role, key in ROLE_KEYS.items()
        if (own := [column for column in columns if column.role == role])
    }
    for column in columns:
        if column.role == "label":
            label = tree.get(keys.label)
            label = tree.get("label") if label is None else label
            values["label"] = read_value(column, label, event_id)
    if not is_version:
        raise UnusableEventError(Reason.INVALID_EVENT, why, event_id)
    if keys.event_id is None:
        return SimpleNamespace(schema_version=version, **values)
    if not _is_id(tree.get(keys.event_id)):
        raise UnusableEventError(Reason.INVALID_EVENT, why, event_id)
    return SimpleNamespace(schema_version=version, event_id=tree[keys.event_id], **values)


def _is_id(event_id: Any) -> bool:
    try:
        msgspec.convert(event_id, EventId)
    except msgspec.ValidationError:
        return False
    return bool(encodable(event_id) == event_id)


def _read_role(key: str, columns: Sequence[Column], values: Any, event_id: str | None) -> Any:
    """Return the values of a role, or those of the vector that is its only column."""
    is_vector, is_plain = is_one_vector(columns), is_plain_vector(key, columns)
    if isinstance(values, dict) and not is_plain:
        values = [values.get(column.name) for column in columns]
        if is_vector:
            return read_value(columns[0], values[0], event_id)
    elif is_vector:
        return read_value(columns[0], values, event_id)
    elif values is None:
        values = [None] * len(columns)
    elif not isinstance(values, list):
        raise refused(key, values, "an object or a list", event_id)
    if len(values) != len(columns):
        raise wrong_length(key, len(values), len(columns), event_id)
    pairs = zip(columns, values, strict=True)
    return tuple(read_value(column, value, event_id) for column, value in pairs)


def lenient_tree(payload: bytes, why: str = "") -> Any:
    """Decode a payload by Python's own decoder, which takes what others write against the rules.

    Parameters
    ----------
    payload : bytes
    why : str
        What another decoder said of it; empty to ask one where this one fails.

    Raises
    ------
    UnusableEventError
        When it is not JSON.

    Examples
    --------
    >>> lenient_tree(b'{"x": [NaN]}')
    {'x': [nan]}
    """
    try:
        # From text: json would guess at UTF-16 and UTF-32 in bytes, which JSON on Kafka is not.
        return _lenient_decoder.decode(payload.decode())
    except (ValueError, RecursionError) as error:
        raise UnusableEventError(Reason.UNDECODABLE, why or _why(payload, error)) from None


def _why(payload: bytes, error: Exception) -> str:
    try:
        msgspec.json.decode(payload)
    except DECODING_FAILS as told:
        return str(told) or type(told).__name__
    return str(error) or type(error).__name__
