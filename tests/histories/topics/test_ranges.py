"""Ranges of real topics: compressed ones, and those that transactions wrote."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from flink_jobs.config.loading import decode_config
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.topics.ranges import KafkaRange
from flink_jobs.kafka.topics import admin_client, create_topics
from flink_jobs.replay.engine import run_backtest
from tests.histories.test_churn_table import (
    FLAT,
    NESTED,
    as_parquet,
    churn_table,
    job,
    nested_rows,
)

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


@pytest.mark.parametrize("is_in_headers", [False, True])
def test_a_topic_as_services_write_it_gives_the_alerts_of_the_table(
    kafka_broker: KafkaBroker, tmp_path: Path, is_in_headers: bool
) -> None:
    topic = f"range-churn-{is_in_headers}".lower()
    kafka_broker.create_topic(topic)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    table = churn_table()
    for row in nested_rows(table):
        meta = {name: text.encode() for name, text in row["meta"].items()}
        headers = [*meta.items(), ("id", row["request"]["id"].encode())]
        # Keyed by request, as most topics are, and written long after the events.
        key, value = row["request"]["id"].encode(), json.dumps(row).encode()
        producer.send(topic, key=key, value=value, headers=headers if is_in_headers else [])
    producer.close()
    places = {"time": "@header.at", "event_id": "@header.id", "model": "@header.model"}
    columns = NESTED | places if is_in_headers else NESTED
    config = job(columns, input={"format": "json", "max_out_of_orderness_ms": 1_000})
    kafka = msgspec.structs.replace(config.kafka, bootstrap_servers=kafka_broker.bootstrap_servers)

    found = run_backtest(
        msgspec.structs.replace(config, kafka=kafka), f"kafka://{topic}", processes=1
    )

    wanted = run_backtest(job(FLAT), as_parquet(table, tmp_path), processes=1)
    assert found.summary.dead_letters == {}
    for name in ("alerts.jsonl", "scores.jsonl"):
        assert (found.folder / name).read_bytes() == (wanted.folder / name).read_bytes()
    assert (wanted.folder / "alerts.jsonl").stat().st_size > 0


def test_a_topic_that_is_keyed_by_request_is_noticed(kafka_broker: KafkaBroker) -> None:
    topic = "range-keyed-by-request"
    kafka_broker.create_topic(topic)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    for number in range(200):
        value = {"schema_version": 1, "event_id": str(number), "features": [0.5, 1.0]}
        producer.send(topic, key=f"r{number}".encode(), value=json.dumps(value).encode())
    producer.close()
    config = decode_config((JOB % (kafka_broker.bootstrap_servers, "")).encode())

    result = run_backtest(config, f"kafka://{topic}", processes=1)

    note = "nearly every key is new: 200 models in 200 events; is the topic keyed by request?"
    assert any(each.startswith(note) for each in result.summary.warnings)
