"""Dead letters: events that could not be used, with the reason and where to find them."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import Struct


class Reason(StrEnum):
    """Why an event could not be used."""

    MISSING_KEY = "missing_key"
    MISSING_PAYLOAD = "missing_payload"
    OVERSIZED_PAYLOAD = "oversized_payload"
    FAR_FUTURE = "far_future"
    LATE = "late"
    PANE_FULL = "pane_full"
    LATE_AFTER_RESTORE = "late_after_restore"
    UNDECODABLE = "undecodable"
    UNKNOWN_SCHEMA_VERSION = "unknown_schema_version"
    INVALID_EVENT = "invalid_event"
    WRONG_LENGTH = "wrong_length"
    NOT_FINITE = "not_finite"
    NOT_A_DISTRIBUTION = "not_a_distribution"
    NO_MODEL = "no_model"
    NO_TIME = "no_time"


class DeadLetter(Struct, frozen=True, kw_only=True):
    """One unusable event, as it lies on the dead-letter topic (keyed by model).

    Attributes
    ----------
    reason, detail : str
        One of :class:`Reason`, and a sentence for people.
    model : str or None
        The record key; None when it was missing.
    partition, offset, row : int
        Where the event lies on the inference topic: together they identify it. ``row`` is its place
        within the Kafka message; 0 where a message holds one event.
    event_time_ms : int
        The Kafka timestamp.
    event_id : str or None
        None when the payload could not be read that far.
    payload : bytes or None
        The first bytes of the payload (base64 in JSON). None when there was none, or when the event
        had already been unpacked (``late_after_restore``).
    payload_bytes : int
        The size of the whole payload; 0 when unknown.
    """

    schema_version: int = 1
    reason: Reason
    detail: str
    model: str | None
    partition: int
    offset: int
    row: int = 0
    event_time_ms: int
    event_id: str | None = None
    payload: bytes | None = None
    payload_bytes: int = 0


def dead_letter(
    reason: Reason,
    detail: str,
    *,
    model: str | None,
    partition: int,
    offset: int,
    event_time_ms: int,
    row: int = 0,
    payload: bytes | None = None,
    most_payload_bytes: int = 0,
    event_id: str | None = None,
) -> DeadLetter:
    """A dead letter with the first ``most_payload_bytes`` of its payload."""
    return DeadLetter(
        reason=reason,
        detail=detail,
        model=model,
        partition=partition,
        offset=offset,
        row=row,
        event_time_ms=event_time_ms,
        event_id=event_id,
        payload=None if payload is None else bytes(payload[:most_payload_bytes]),
        payload_bytes=0 if payload is None else len(payload),
    )


def encode_dead_letter(dead_letter: DeadLetter) -> tuple[bytes, bytes]:
    """Key and value of the Kafka record for a dead letter."""
    key = (dead_letter.model or "").encode()
    return key, msgspec.json.encode(dead_letter)
