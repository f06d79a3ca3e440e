"""Samples of topics on a real broker."""

from __future__ import annotations

from collections import Counter

import pytest
from kafka import KafkaProducer

from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.setup.topics import MOST_RECORDS, sample_topic

pytestmark = pytest.mark.integration


def test_a_sample_holds_the_oldest_and_the_newest_of_every_partition(
    kafka_broker: KafkaBroker,
) -> None:
    n_each, n_partitions = 8_000, 3
    kafka_broker.create_topic("long-partitions", n_partitions)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    for n in range(n_each):
        for partition in range(n_partitions):
            producer.send("long-partitions", b"%d" % n, partition=partition)
    producer.close()

    sample = sample_topic(f"kafka://{kafka_broker.bootstrap_servers}/long-partitions")

    half = MOST_RECORDS // n_partitions // 2
    assert sample.n_total == n_each * n_partitions
    assert Counter(each.partition for each in sample.records) == dict.fromkeys(range(3), 2 * half)
    for partition in range(n_partitions):
        numbers = [int(each.payload) for each in sample.records if each.partition == partition]
        assert numbers == [*range(half), *range(n_each - half, n_each)]
