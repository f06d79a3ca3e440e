"""Envelopes around payloads, taken off before a format reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import record_parts
from flink_jobs.intake.cloud_events import unwrap_cloud_events
from flink_jobs.intake.formats.base import Messages, Unusable
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

_CONFLUENT_BYTES = 5
_HAVE_SCHEMAS = ("avro", "protobuf")


@dataclass(frozen=True, eq=False)
class Unwrapped:
    """Messages without their envelopes.

    Attributes
    ----------
    messages : Messages
        As many as before; those that cannot be unwrapped have an empty payload.
    attributes : mapping of str to sequence of (str or None)
        By name the attribute of each message, of those that were asked for.
    unusable : dict of int to UnusableEventError
        By message: why it cannot be unwrapped.
    """

    messages: Messages
    attributes: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    unusable: Unusable = field(default_factory=dict)


def unwrap(config: DriftJobConfig, messages: Messages, attributes: Sequence[str] = ()) -> Unwrapped:
    r"""Take the envelopes off.

    Parameters
    ----------
    config : DriftJobConfig
        ``input.envelope`` says which one. A schema's number stays before Avro and Protobuf, whose
        formats read it.
    messages : Messages
        With the parts of records that :func:`flink_jobs.config.locations.record_parts` lists.
    attributes : sequence of str
        Attributes of a CloudEvent to look up.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json", envelope = "confluent", n_features = 2}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> unwrapped = unwrap(config, Messages([b"\0\0\0\0\7{}", b"{}"], lambda: ["a", "b"]))
    >>> unwrapped.messages.payloads, str(unwrapped.unusable[1])
    ([b'{}', b''], 'undecodable: the value does not begin with a zero byte and a schema number')
    """
    if config.input.envelope == "confluent" and config.input.format not in _HAVE_SCHEMAS:
        return _without_schema_number(messages)
    if config.input.envelope == "cloudevents":
        parts = messages.record_parts
        events = unwrap_cloud_events(messages.payloads, record_parts(config), parts, attributes)
        unwrapped = replace(messages, payloads=events.payloads)
        return Unwrapped(unwrapped, events.attributes, events.unusable)
    return Unwrapped(messages)


def _without_schema_number(messages: Messages) -> Unwrapped:
    payloads = [payload[_CONFLUENT_BYTES:] for payload in messages.payloads]
    unusable: Unusable = {}
    for place, payload in enumerate(messages.payloads):
        if len(payload) < _CONFLUENT_BYTES or payload[0]:
            detail = "the value does not begin with a zero byte and a schema number"
            unusable[place] = UnusableEventError(Reason.UNDECODABLE, detail)
            payloads[place] = b""
    return Unwrapped(replace(messages, payloads=payloads), unusable=unusable)
