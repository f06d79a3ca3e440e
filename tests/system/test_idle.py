"""A topic that goes quiet, where event time is the clock's."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.records.alerts import Score
from flink_jobs.records.dead_letters import DeadLetter, Reason
from tests.system.streams import N_PARTITIONS, START_MS, Record, Topics, make_topics, model_stream

pytestmark = pytest.mark.system

SECOND_MS = 1_000
CLOCKED = {
    "idle_timeout_ms = 60000\n": "idle_timeout_ms = 1000\nheartbeat_every_ms = 1000\n",
    "width_ms = 10000\n": "width_ms = 1000\n",
    "size_ms = 20000\nslide_ms = 20000\n": "size_ms = 1000\nslide_ms = 1000\n",
}


def test_heartbeats_close_the_windows_of_a_topic_gone_quiet(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, _ = topics.config(tmp_path, CLOCKED)
    started_ms = time.time_ns() // 1_000_000
    first_ms = started_ms - started_ms % SECOND_MS - 10 * SECOND_MS
    stream = model_stream(["fraud"], 3, shifted_from_pane=9)
    # Three panes of a second each: two for the reference, one for the only test window.
    # On one partition: the other is idle, and no order between the two makes an event late.
    topics.write(
        replace(each, time_ms=first_ms + (each.time_ms - START_MS) // 10, partition=1)
        for each in stream
    )

    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    [value] = topics.wait_for(topics.scores, lambda values: len(values) >= 1, timeout_s=120)
    times_ms = _heartbeat_times_ms(topics, at_least=3)
    flink_cluster.rest.cancel(job_id)

    window = msgspec.json.decode(value, type=Score).window
    assert (window.start_ms, window.n_events) == (first_ms + 2 * SECOND_MS, 50)
    assert all(started_ms < each < time.time_ns() // 1_000_000 for each in times_ms)
    assert topics.read(topics.dead_letters) == []


def test_producers_with_fast_clocks_make_nobody_else_late(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    path, _ = topics.config(tmp_path, CLOCKED)
    stream = model_stream(["fraud"], 3, shifted_from_pane=9)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    now_ms = time.time_ns() // 1_000_000
    ahead_ms = (50 * SECOND_MS, 59 * 60 * SECOND_MS)
    topics.write(Record("fast", stream[0].value, now_ms + each, 1) for each in ahead_ms)
    topics.wait_for(topics.dead_letters, lambda values: len(values) >= 1, timeout_s=120)
    # Flink emits watermarks every 0.2 s.
    time.sleep(1)

    first_ms = time.time_ns() // 1_000_000 // SECOND_MS * SECOND_MS + SECOND_MS
    topics.write(
        replace(each, time_ms=first_ms + (each.time_ms - START_MS) // 10, partition=1)
        for each in stream
    )
    [value] = topics.wait_for(topics.scores, lambda values: len(values) >= 1, timeout_s=120)
    flink_cluster.rest.cancel(job_id)

    assert msgspec.json.decode(value, type=Score).window.n_events == 50
    [letter] = topics.read(topics.dead_letters)
    assert msgspec.json.decode(letter, type=DeadLetter).reason is Reason.FAR_FUTURE


def _heartbeat_times_ms(topics: Topics, at_least: int) -> list[int]:
    consumer = KafkaConsumer(
        bootstrap_servers=topics.broker.bootstrap_servers, enable_auto_commit=False
    )
    consumer.assign([TopicPartition(topics.inference, p) for p in range(N_PARTITIONS)])
    consumer.seek_to_beginning()
    beats = (r.timestamp for r in consumer if r.key == HEARTBEAT_KEY.encode())
    times_ms = list(itertools.islice(beats, at_least))
    consumer.close()
    return times_ms
