"""Sends the streams to Kafka in the order of event time, at a pace that is nice to watch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from kafka import KafkaProducer
from kafka.errors import KafkaError

from flink_jobs.demo.errors import DemoError
from flink_jobs.demo.streams import ModelStream, interleave
from flink_jobs.demo.timing import END_MS, OUT_OF_ORDERNESS_MS, PANE_MS, START_MS
from flink_jobs.intake.formats.json import HEARTBEAT_KEY, encode_event

HEARTBEAT_MS = END_MS + PANE_MS + OUT_OF_ORDERNESS_MS + 1
"""Late enough to close the last pane, and with it the last window."""
_EVENTS_PER_STEP = 100
_FLUSH_TIMEOUT_S = 60.0


def produce(
    streams: list[ModelStream], bootstrap_servers: str, topic: str, *, seconds: float
) -> Iterator[int]:
    """Send all events, then close event time with a heartbeat on every partition.

    The record key is the model, the record timestamp is the event time.

    Parameters
    ----------
    streams : list of ModelStream
    bootstrap_servers, topic : str
    seconds : float
        How long the hour of event time takes; 0 sends as fast as the broker takes it.

    Yields
    ------
    int
        How many events have been handed over so far, every now and then and at the end.

    Raises
    ------
    DemoError
        When the broker does not take the events.
    """
    try:
        with contextlib.closing(_connect(bootstrap_servers)) as producer:
            sender = _Sender(producer, topic)
            yield from _send_events(sender, streams, seconds)
            _send_heartbeats(sender)
    except (KafkaError, OSError) as error:
        raise DemoError(f"{bootstrap_servers} does not take the events: {error}") from error


class _Sender:
    """Sends records and remembers the first one that the broker refused."""

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._refused: list[BaseException] = []

    @property
    def partitions(self) -> list[int]:
        return sorted(self._producer.partitions_for(self._topic))

    def send(self, key: str, value: bytes, timestamp_ms: int, partition: int | None = None) -> None:
        sent = self._producer.send(
            self._topic,
            key=key.encode(),
            value=value,
            partition=partition,
            timestamp_ms=timestamp_ms,
        )
        sent.add_errback(self._refused.append)

    def flush(self) -> None:
        self._producer.flush(timeout=_FLUSH_TIMEOUT_S)
        if self._refused:
            raise self._refused[0]


def _connect(bootstrap_servers: str) -> KafkaProducer:
    # Idempotence keeps the order of a partition through retries: watermarks follow the partitions,
    # and an event that is overtaken by more than the bound is late.
    return KafkaProducer(
        bootstrap_servers=bootstrap_servers.split(","),
        acks="all",
        enable_idempotence=True,
        linger_ms=20,
    )


def _send_events(sender: _Sender, streams: list[ModelStream], seconds: float) -> Iterator[int]:
    begin_s = time.monotonic()
    n_sent = 0
    for stream, position in interleave(streams):
        if n_sent % _EVENTS_PER_STEP == 0:
            yield n_sent
            share = (int(stream.times_ms[position]) - START_MS) / (END_MS - START_MS)
            time.sleep(max(0.0, begin_s + share * seconds - time.monotonic()))
        event = encode_event(stream.event(position))
        sender.send(stream.model, event, int(stream.times_ms[position]))
        n_sent += 1
    # A heartbeat that overtook an event of another batch would make it late.
    sender.flush()
    yield n_sent


def _send_heartbeats(sender: _Sender) -> None:
    for partition in sender.partitions:
        sender.send(HEARTBEAT_KEY, b"", HEARTBEAT_MS, partition)
    sender.flush()
