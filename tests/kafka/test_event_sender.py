"""Events on their way to a real broker."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.event_sender import EventSender

pytestmark = pytest.mark.integration


def test_heartbeats_come_behind_all_events_in_every_partition(kafka_broker: KafkaBroker) -> None:
    topic = made_topic(kafka_broker, 3)

    with EventSender(kafka_broker.bootstrap_servers, topic) as sender:
        for i in range(3_000):
            sender.send(f"model-{i % 7}".encode(), b"x" * 100, 1_000 + i)
        sender.send_heartbeats(9_000)

    partitions = [read_all(kafka_broker, topic, number) for number in range(3)]
    assert sum(map(len, partitions)) == 3_003
    for *events, last in partitions:
        times = [event.timestamp for event in events]
        assert times == sorted(times)
        assert (last.key, last.value, last.timestamp) == (HEARTBEAT_KEY.encode(), b"", 9_000)


def test_a_record_that_the_broker_refuses_is_an_error_when_flushed(
    kafka_broker: KafkaBroker,
) -> None:
    topic = made_topic(kafka_broker, 1, max_message_bytes=1_000)

    with EventSender(kafka_broker.bootstrap_servers, topic) as sender:
        sender.send(b"model", b"x" * 10_000, 1_000)
        with pytest.raises(FollowError, match=f"does not take the events on the topic '{topic}'"):
            sender.flush()


def test_a_record_beyond_the_senders_own_limit_is_an_error(kafka_broker: KafkaBroker) -> None:
    topic = made_topic(kafka_broker, 1)

    with (
        EventSender(kafka_broker.bootstrap_servers, topic, max_record_bytes=1_000) as sender,
        pytest.raises(FollowError, match="does not take"),
    ):
        sender.send(b"model", b"x" * 10_000, 1_000)


def made_topic(broker: KafkaBroker, n_partitions: int, **settings: Any) -> str:
    topic = uuid.uuid4().hex
    broker.create_topic(topic, n_partitions, **settings)
    return topic


def read_all(broker: KafkaBroker, topic: str, number: int) -> list[Any]:
    place = TopicPartition(topic, number)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    records: list[Any] = []
    while consumer.position(place) < end:
        records += consumer.poll(timeout_ms=1_000).get(place, [])
    consumer.close()
    return records
