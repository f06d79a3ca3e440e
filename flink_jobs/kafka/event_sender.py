"""Sends events to a topic, each once and in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.properties import client_settings

_BATCH_BYTES = 256 << 10
_FLUSH_TIMEOUT_S = 60.0
_RECORD_BYTES = 1 << 20


class EventSender:
    """Sends records, and remembers the first one that the broker refused.

    Parameters
    ----------
    bootstrap_servers : str
        Host and port of one or more brokers, separated by commas.
    topic : str
        It must exist.
    properties : mapping of str to str, optional
        More settings of the client; see :mod:`flink_jobs.kafka.properties`.
    max_record_bytes : int, optional
        Of the largest record.

    Raises
    ------
    FollowError
        On entering, when the brokers do not answer; from every method, when they do not take what
        was sent.
    ConfigError
        When a property is unknown or a secret cannot be resolved.

    Examples
    --------
    Needs a broker, hence not run as a doctest; ``tests/kafka`` does the same::

        with EventSender("127.0.0.1:9092", "inference") as sender:
            sender.send(b"fraud", b"{...}", 1_767_225_600_000)
            sender.flush()
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        *,
        properties: Mapping[str, str] | None = None,
        max_record_bytes: int = _RECORD_BYTES,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._refused: list[BaseException] = []
        self._producer: Any = None
        # Idempotence keeps the order of a partition through retries: watermarks follow partitions,
        # and an event that is overtaken by more than the bound is late.
        self._settings = client_settings(KafkaProducer, properties or {}) | {
            "acks": "all",
            "enable_idempotence": True,
            "batch_size": _BATCH_BYTES,
            "linger_ms": 20,
            "max_request_size": max_record_bytes,
        }

    def __enter__(self) -> Self:
        self._producer = connect(KafkaProducer, self._bootstrap_servers, self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close(timeout=1)

    def send(
        self, key: bytes | None, value: bytes, time_ms: int, partition: int | None = None
    ) -> None:
        """Send a record; without a partition its key says which."""
        try:
            sent = self._producer.send(
                self._topic, key=key, value=value, partition=partition, timestamp_ms=time_ms
            )
        except KafkaError as error:
            raise self._not_taken(error) from error
        sent.add_errback(self._refused.append)
        self._raise_refused()

    def send_heartbeats(self, time_ms: int) -> None:
        """Move event time on in every partition, behind all that was sent before."""
        # A heartbeat that overtook an event of another batch would make it late.
        self.flush()
        for partition in sorted(self._producer.partitions_for(self._topic)):
            self.send(HEARTBEAT_KEY.encode(), b"", time_ms, partition)
        self.flush()

    def flush(self) -> None:
        """Wait until the broker has everything."""
        try:
            self._producer.flush(timeout=_FLUSH_TIMEOUT_S)
        except KafkaError as error:
            raise self._not_taken(error) from error
        self._raise_refused()

    def _raise_refused(self) -> None:
        if self._refused:
            raise self._not_taken(self._refused[0])

    def _not_taken(self, error: BaseException) -> FollowError:
        return FollowError(
            f"{self._bootstrap_servers} does not take the events on the topic {self._topic!r}: "
            f"{error}"
        )
