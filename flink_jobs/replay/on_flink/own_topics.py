"""Topics that a backtest makes for itself, writes to, and removes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from flink_jobs.config.job import DriftJobConfig, KafkaTable
from flink_jobs.histories.errors import BacktestError
from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.properties import settings_known_to

# Retention goes by the record's timestamp: with any limit, records of the past vanish at once.
_SETTINGS = {"retention.ms": "-1", "cleanup.policy": "delete"}
_ROOM_BYTES = 64 << 10
_LEAST_RECORD_BYTES = 1 << 20
_BATCH_BYTES = 256 << 10
_NEVER = str(2**63 - 1)


@contextlib.contextmanager
def own_topics(kafka: KafkaTable, topics: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """Make topics of one partition with these settings, and remove them afterwards.

    Raises
    ------
    BacktestError
        When the broker makes none.
    """
    settings = settings_known_to(KafkaAdminClient, kafka.properties)
    with contextlib.closing(_admin(kafka.bootstrap_servers, settings)) as admin:
        try:
            new = [NewTopic(n, 1, -1, topic_configs=_SETTINGS | dict(s)) for n, s in topics.items()]
            admin.create_topics(new, wait_for_metadata=True)
        except KafkaError as error:
            raise BacktestError(f"the broker makes no topics for the job: {error}") from error
        try:
            yield
        finally:
            with contextlib.suppress(KafkaError):
                admin.delete_topics(list(topics))


def _admin(servers: str, settings: dict[str, object]) -> Any:
    own = {key: value for key, value in settings.items() if key != "allow_auto_create_topics"}
    return KafkaAdminClient(bootstrap_servers=servers.split(","), **own)


def topic_settings(config: DriftJobConfig) -> dict[str, str]:
    """Settings of a topic that takes any event time, and records as large as a payload may be."""
    size = max(_LEAST_RECORD_BYTES, config.input.max_payload_bytes + _ROOM_BYTES)
    return {
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": _NEVER,
        "message.timestamp.after.max.ms": _NEVER,
        "max.message.bytes": str(size),
    }


class TopicWriter:
    """Sends records to one partition, each once and in order.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job: ``kafka.inference_topic`` is where they go.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        kafka = config.kafka
        settings = settings_known_to(KafkaProducer, kafka.properties)
        own = {
            "acks": "all",
            "enable_idempotence": True,
            "batch_size": _BATCH_BYTES,
            "linger_ms": 20,
            "max_request_size": int(topic_settings(config)["max.message.bytes"]),
        }
        self._topic = kafka.inference_topic
        self._refused: list[BaseException] = []
        self._producer = connect(KafkaProducer, kafka.bootstrap_servers, settings | own)

    def send(self, records: Iterable[tuple[bytes | None, bytes, int]]) -> None:
        """Send records.

        Raises
        ------
        BacktestError
            When the broker does not take them.
        """
        try:
            for key, value, time_ms in records:
                sent = self._producer.send(
                    self._topic, key=key, value=value, partition=0, timestamp_ms=time_ms
                )
                sent.add_errback(self._refused.append)
        except KafkaError as error:
            self._refused.append(error)
        if self._refused:
            raise BacktestError(f"the broker does not take the events: {self._refused[0]}")

    def finish(self) -> None:
        """Wait until the broker has everything; raises as :meth:`send` does."""
        self._producer.flush()
        self.send([])

    def close(self) -> None:
        """Let go of the broker."""
        self._producer.close(timeout=1)
