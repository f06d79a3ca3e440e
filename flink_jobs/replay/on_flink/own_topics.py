"""Topics that a backtest makes for itself, writes to, and removes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from kafka import KafkaProducer
from kafka.errors import KafkaError

from flink_jobs.config.job import DriftJobConfig, KafkaTable
from flink_jobs.histories.errors import BacktestError
from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.properties import client_settings
from flink_jobs.kafka.topics import admin_client, create_topics

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
    where = kafka.bootstrap_servers, kafka.properties
    try:
        with admin_client(*where) as admin:
            create_topics(admin, topics, topics, n_partitions=1)
    except FollowError as error:
        raise BacktestError(f"the broker makes no topics for the job: {error}") from error
    try:
        yield
    finally:
        with contextlib.suppress(FollowError), admin_client(*where) as admin:
            admin.delete_topics(list(topics))


def topic_settings(config: DriftJobConfig) -> dict[str, str]:
    """Settings of a topic that takes any event time, and records as large as a payload may be."""
    size = max(_LEAST_RECORD_BYTES, config.input.max_payload_bytes + _ROOM_BYTES)
    return {
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
        settings = client_settings(KafkaProducer, kafka.properties)
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
