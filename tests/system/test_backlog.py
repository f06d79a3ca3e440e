"""A backlog whose partitions cannot be read at the same pace."""

from __future__ import annotations

from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from tests.system.streams import (
    START_MS,
    WIDTH_MS,
    Record,
    Topics,
    by_id,
    encoded,
    make_topics,
    model_stream,
)

pytestmark = pytest.mark.system

N_PANES = 200
# Where the second partition ends for the time being.
END_MS = START_MS + 5 * WIDTH_MS
SETTINGS = {
    # Long enough for no partition to be idle, however slow the machine is.
    "idle_timeout_ms = 60000\n": "idle_timeout_ms = 600000\n",
    "[input]\n": '[kafka.properties]\n"max.partition.fetch.bytes" = "16384"\n[input]\n',
}
# All of the first partition in about 10 s.
BYTES_PER_S = 65_000


def test_a_partition_is_read_no_further_than_open_panes_may_reach(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, config = topics.config(tmp_path, SETTINGS)
    stream = model_stream(["steady", "moved"], N_PANES, shifted_from_pane=100)
    topics.write(each for each in stream if not _is_later(each))
    kafka_broker.limit_client(f"{topics.inference}-0", read_bytes_per_s=BYTES_PER_S)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    topics.wait_for(topics.scores, lambda values: len(values) >= 2, timeout_s=120)
    for _ in range(12):
        flink_cluster.rest.wait_for_checkpoint(job_id)
    n_read = _committed(topics, 0)

    kafka_broker.limit_client(f"{topics.inference}-0")
    topics.write(filter(_is_later, stream))
    topics.heartbeat(START_MS + (N_PANES + 2) * WIDTH_MS)
    _, expected = encoded(topics.expected(config))
    scores = topics.wait_for(topics.scores, lambda v: len(v) >= len(expected), timeout_s=120)
    flink_cluster.rest.cancel(job_id)

    # Eight panes of 50 events in this partition, and what was on its way.
    assert 5 * 50 <= n_read < N_PANES * 50 / 2
    assert by_id(scores, "score_id") == expected
    assert topics.read(topics.dead_letters) == []


def _is_later(record: Record) -> bool:
    return record.partition == 1 and record.time_ms >= END_MS


def _committed(topics: Topics, partition: int) -> int:
    """Return the offset from which the job would go on, as of its last checkpoint."""
    consumer = KafkaConsumer(
        bootstrap_servers=topics.broker.bootstrap_servers,
        group_id=topics.inference,
        enable_auto_commit=False,
    )
    try:
        return int(consumer.committed(TopicPartition(topics.inference, partition)) or 0)
    finally:
        consumer.close()
