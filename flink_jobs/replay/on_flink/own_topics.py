"""Topics that a backtest makes for itself, and removes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from flink_jobs.config.job import DriftJobConfig, KafkaTable
from flink_jobs.histories.errors import BacktestError
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.topics import admin_client, create_topics

_ROOM_BYTES = 64 << 10
_LEAST_RECORD_BYTES = 1 << 20
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
    return {
        "message.timestamp.before.max.ms": _NEVER,
        "message.timestamp.after.max.ms": _NEVER,
        "max.message.bytes": str(max_record_bytes(config)),
    }


def max_record_bytes(config: DriftJobConfig) -> int:
    """The size of a record with the largest payload that a job may take."""
    return max(_LEAST_RECORD_BYTES, config.input.max_payload_bytes + _ROOM_BYTES)
