"""A sample of a topic: some hundred records of each partition, old ones and new ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.topics.ranges import parse_topic
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.properties import client_settings
from flink_jobs.kafka.topics import require_topics
from flink_jobs.setup.sample import RawRecord, Sample

MOST_RECORDS = 4_000
_MOST_OF_PARTITION = 800
_FEWEST_OF_PARTITION = 60
_WAIT_S = 20.0


def sample_topic(
    name: str, properties: Mapping[str, str] | None = None, servers: str = ""
) -> Sample:
    """Take a sample of a topic.

    Parameters
    ----------
    name : str
        ``kafka://host:port/topic``.
    properties : mapping of str to str, optional
        Of the client.
    servers : str
        The brokers, where the name holds none.

    Raises
    ------
    SourceError
        When the topic is not there, cannot be read or is empty.
    """
    parsed = parse_topic(name)
    brokers = parsed.servers or servers
    if not brokers:
        raise SourceError(f"{name} names no broker: kafka://host:port/{parsed.topic}")
    given = dict(properties or {})
    settings = client_settings(KafkaConsumer, given) | {
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
    }
    try:
        require_topics(brokers, given, reads=[parsed.topic])
        with closing(connect(KafkaConsumer, brokers, settings)) as consumer:
            records, n_total = _records(consumer, parsed.topic)
    except (FollowError, KafkaError) as error:
        raise SourceError(str(error)) from error
    if not records:
        raise SourceError(f"the topic {parsed.topic} on {brokers} holds no event yet: send some")
    times = [each.timestamp_ms for each in records if each.timestamp_ms is not None]
    return Sample(
        source=name,
        name=parsed.topic,
        holder="topic",
        records=records,
        n_total=n_total,
        bootstrap_servers=brokers,
        topic=parsed.topic,
        span_ms=(min(times), max(times)) if times else None,
    )


def _records(consumer: Any, topic: str) -> tuple[list[RawRecord], int]:
    numbers = sorted(consumer.partitions_for_topic(topic) or ())
    partitions = [TopicPartition(topic, number) for number in numbers]
    first = consumer.beginning_offsets(partitions)
    last = consumer.end_offsets(partitions)
    each = MOST_RECORDS // max(1, len(partitions)) // 2
    each = max(_FEWEST_OF_PARTITION, min(_MOST_OF_PARTITION, each))
    found: dict[tuple[int, int], RawRecord] = {}
    starts = {p: first[p] for p in partitions}
    _read(consumer, starts, {p: min(last[p], first[p] + each) for p in partitions}, found)
    _read(consumer, {p: max(first[p], last[p] - each) for p in partitions}, last, found)
    records = [found[place] for place in sorted(found)]
    return records, sum(last[p] - first[p] for p in partitions)


def _read(
    consumer: Any,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    found: dict[tuple[int, int], RawRecord],
) -> None:
    """Read from each start to each end; heartbeats and records without a value are passed over."""
    open_ones = {p for p in starts if starts[p] < ends[p]}
    # Partitions are left out by assigning the others: after a pause the client keeps what it had
    # fetched, and a seek waits behind that for ever.
    _assign(consumer, {p: starts[p] for p in open_ones})
    deadline_s = time.monotonic() + _WAIT_S
    while open_ones and time.monotonic() < deadline_s:
        for batch in consumer.poll(timeout_ms=500).values():
            for record in batch:
                place = TopicPartition(record.topic, record.partition)
                if place in open_ones and record.offset < ends[place]:
                    _take(record, found)
        # Positions, not records: a transaction's mark is an offset without a record.
        reached = {p: consumer.position(p) for p in open_ones}
        if done := {p for p in open_ones if reached[p] >= ends[p]}:
            open_ones -= done
            _assign(consumer, {p: reached[p] for p in open_ones})


def _assign(consumer: Any, positions: Mapping[TopicPartition, int]) -> None:
    consumer.assign(list(positions))
    for each, offset in positions.items():
        consumer.seek(each, offset)


def _take(record: Any, found: dict[tuple[int, int], RawRecord]) -> None:
    key = None if record.key is None else record.key.decode(errors="replace")
    if record.value is None or key == HEARTBEAT_KEY:
        return
    headers = tuple(
        (str(name), (value or b"").decode(errors="replace")) for name, value in record.headers or ()
    )
    found[record.partition, record.offset] = RawRecord(
        record.value, key, record.timestamp, headers, record.partition
    )
