"""Ranges of real topics: compressed ones, and those that transactions wrote."""

from __future__ import annotations

import pytest
from kafka import KafkaProducer

from flink_jobs.config.loading import decode_config
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.topics.ranges import KafkaRange
from flink_jobs.kafka.topics import admin_client, create_topics

pytestmark = pytest.mark.integration

JOB = """
version = 1
kafka = {bootstrap_servers = "%s"%s}
input = {n_features = 2}
panes = {width_ms = 10_000}
window = {kind = "time", size_ms = 60_000, slide_ms = 60_000}
reference = {kind = "first_events", n_events = 300}
detector = {reducer = {kind = "none"}}
"""


def values_of(broker: KafkaBroker, topic: str, more: str = "") -> list[bytes]:
    config = decode_config((JOB % (broker.bootstrap_servers, more)).encode())
    return list(KafkaRange(f"kafka://{topic}", config).values())


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_a_range_of_a_compressed_topic_is_read(kafka_broker: KafkaBroker, codec: str) -> None:
    topic = f"range-{codec}"
    with admin_client(kafka_broker.bootstrap_servers, {}) as admin:
        create_topics(admin, [topic], {topic: {"compression.type": codec}}, n_partitions=1)
    values = [f"{codec}-{number}".encode() * 50 for number in range(200)]
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    for value in values:
        producer.send(topic, key=b"m", value=value)
    producer.close()

    assert values_of(kafka_broker, topic) == values


@pytest.mark.parametrize("end", ["committed", "aborted", "open"])
def test_a_range_holds_what_was_committed_whatever_the_topic_ends_with(
    kafka_broker: KafkaBroker, end: str
) -> None:
    topic = f"range-ends-{end}"
    kafka_broker.create_topic(topic)
    producer = KafkaProducer(
        bootstrap_servers=kafka_broker.bootstrap_servers, transactional_id=topic
    )
    producer.init_transactions()
    wanted = []
    for number, outcome in enumerate(["committed", "aborted", "committed", end]):
        producer.begin_transaction()
        values = [f"{number}-{place}".encode() for place in range(100)]
        for value in values:
            producer.send(topic, key=b"m", value=value)
        producer.flush()
        if outcome == "committed":
            wanted += values
            producer.commit_transaction()
        elif outcome == "aborted":
            producer.abort_transaction()

    found = values_of(kafka_broker, topic)
    with_all = values_of(
        kafka_broker, topic, ', properties = {"isolation.level" = "read_uncommitted"}'
    )
    if end == "open":
        producer.abort_transaction()
    producer.close()

    assert found == wanted
    assert len(with_all) == 400


def test_a_topic_that_is_not_there_is_refused_with_those_that_are(
    kafka_broker: KafkaBroker,
) -> None:
    kafka_broker.create_topic("range-events")

    with pytest.raises(SourceError, match=r"no topic 'range-event' .*'range-events'"):
        values_of(kafka_broker, "range-event")
