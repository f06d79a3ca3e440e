"""Creates the topics of the demonstration."""

from __future__ import annotations

import contextlib

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from flink_jobs.demo.errors import DemoError
from flink_jobs.demo.job_file import Topics
from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.topics import COMPACTED, admin_client
from flink_jobs.kafka.topics import create_topics as create_empty_topics

N_PARTITIONS = 2


def create_topics(bootstrap_servers: str, topics: Topics) -> None:
    """Create those of the five topics that are missing.

    Raises
    ------
    DemoError
        When the broker does not answer or refuses, or when a topic holds records already: events
        of two runs would mix, and the second ones would come too late.
    """
    try:
        with admin_client(bootstrap_servers, {}) as admin:
            existing = set(admin.list_topics())
            if missing := [name for name in topics if name not in existing]:
                settings = {topics.status: COMPACTED}
                create_empty_topics(admin, missing, settings, N_PARTITIONS)
        used = _with_records(bootstrap_servers, existing.intersection(topics))
    except (FollowError, KafkaError, OSError) as error:
        raise DemoError(f"cannot create topics on {bootstrap_servers}: {error}") from error
    if used:
        raise DemoError(
            f"topics on {bootstrap_servers} hold records already ({', '.join(used)}): delete "
            "them, or choose another --topic-prefix"
        )


def _with_records(bootstrap_servers: str, names: set[str]) -> list[str]:
    with contextlib.closing(connect(KafkaConsumer, bootstrap_servers, {})) as consumer:
        return sorted(name for name in names if _has_records(consumer, name))


def _has_records(consumer: KafkaConsumer, topic: str) -> bool:
    partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic)]
    ends = consumer.end_offsets(partitions)
    return any(ends[each] > first for each, first in consumer.beginning_offsets(partitions).items())
