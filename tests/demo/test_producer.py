"""Topics and events of the demonstration on a real broker."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from flink_jobs.config.columns import columns_of
from flink_jobs.demo.errors import DemoError
from flink_jobs.demo.job_file import Topics
from flink_jobs.demo.producer import HEARTBEAT_MS, produce
from flink_jobs.demo.streams import ModelStream
from flink_jobs.demo.timing import END_MS, PANE_MS
from flink_jobs.demo.topics import N_PARTITIONS, create_topics
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.intake.formats.json import HEARTBEAT_KEY, EventDecoder
from scripts.shared.offline_demo import demo_config
from tests.demo.conftest import Run

pytestmark = pytest.mark.integration


def shortened(stream: ModelStream, n: int) -> ModelStream:
    return dataclasses.replace(
        stream,
        images=stream.images[:n],
        features=stream.features[:n],
        outputs=stream.outputs[:n],
        times_ms=stream.times_ms[:n],
    )


def test_every_event_arrives_in_order_with_its_key_and_time_and_a_heartbeat_ends_each_partition(
    kafka_broker: KafkaBroker, offline_run: Run
) -> None:
    topics = Topics().with_prefix("producer-")
    create_topics(kafka_broker.bootstrap_servers, topics)
    streams = [shortened(stream, 150) for stream in offline_run.streams]

    progress = list(produce(streams, kafka_broker.bootstrap_servers, topics.inference, seconds=0))

    assert progress == sorted(progress)
    assert progress[-1] == 600
    decode = EventDecoder(columns_of(demo_config())).decode
    arrived: dict[str, list[tuple[int, str]]] = {}
    for partition in range(N_PARTITIONS):
        *events, last = read_all(kafka_broker, topics.inference, partition)
        assert (last.key, last.timestamp) == (HEARTBEAT_KEY.encode(), HEARTBEAT_MS)
        for event in events:
            entry = (event.timestamp, decode(event.value).event_id)
            arrived.setdefault(event.key.decode(), []).append(entry)
    for stream in streams:
        sent = [(int(stream.times_ms[i]), stream.event(i).event_id) for i in range(len(stream))]
        assert arrived[stream.model] == sent


def test_the_heartbeat_closes_the_last_pane() -> None:
    limits = demo_config().input

    assert HEARTBEAT_MS - limits.max_out_of_orderness_ms > END_MS + PANE_MS - 1


def test_topics_keep_events_of_the_past(kafka_broker: KafkaBroker) -> None:
    topics = Topics().with_prefix("retention-")

    create_topics(kafka_broker.bootstrap_servers, topics)

    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap_servers)
    resource = ConfigResource(ConfigResourceType.TOPIC, topics.inference)
    described = admin.describe_configs([resource])["topic"][topics.inference]
    admin.close()
    assert described["retention.ms"]["value"] == "-1"
    assert described["message.timestamp.type"]["value"] == "CreateTime"


def test_topics_that_are_there_and_empty_are_taken(kafka_broker: KafkaBroker) -> None:
    topics = Topics().with_prefix("empty-")
    kafka_broker.create_topic(topics.inference, 3)

    create_topics(kafka_broker.bootstrap_servers, topics)
    create_topics(kafka_broker.bootstrap_servers, topics)

    assert len(partitions(kafka_broker, topics.inference)) == 3
    assert len(partitions(kafka_broker, topics.alerts)) == N_PARTITIONS


def test_topics_with_records_are_refused_by_name(kafka_broker: KafkaBroker) -> None:
    topics = Topics().with_prefix("used-")
    create_topics(kafka_broker.bootstrap_servers, topics)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    producer.send(topics.scores, value=b"old").get(timeout=30)
    producer.close()

    with pytest.raises(DemoError, match=r"hold records already \(used-drift-scores\)"):
        create_topics(kafka_broker.bootstrap_servers, topics)


def partitions(broker: KafkaBroker, topic: str) -> set[int]:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    found: set[int] = consumer.partitions_for_topic(topic)
    consumer.close()
    return found


def read_all(broker: KafkaBroker, topic: str, partition: int) -> list[Any]:
    place = TopicPartition(topic, partition)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    records: list[Any] = []
    while len(records) < end:
        records += consumer.poll(timeout_ms=1_000).get(place, [])
    consumer.close()
    return records
