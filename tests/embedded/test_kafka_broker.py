"""The embedded broker is a real one: it keeps records, survives a kill and stays on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError

from flink_jobs.cluster.errors import EmbeddedError, ProcessFailedError
from flink_jobs.embedded.kafka_broker import KafkaBroker
from scripts.shared.processes import listening_addresses, process_group_members

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def own_broker() -> Iterator[KafkaBroker]:
    """Not the session's: these tests kill it."""
    with KafkaBroker() as broker:
        yield broker


def _produce(broker: KafkaBroker, topic: str, value: bytes, timestamp_ms: int) -> None:
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap_servers)) as producer:
        producer.send(topic, value, timestamp_ms=timestamp_ms).get(30)


def _consume_one(broker: KafkaBroker, topic: str) -> tuple[bytes, int]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
    )
    with closing(consumer):
        record = next(consumer)
        return record.value, record.timestamp


@pytest.mark.parametrize("timestamp_ms", [1, 4_000_000_000_000], ids=["1970", "2096"])
def test_a_record_of_any_time_is_taken_and_kept(own_broker: KafkaBroker, timestamp_ms: int) -> None:
    topic = f"time-{timestamp_ms}"
    own_broker.create_topic(topic)
    _produce(own_broker, topic, b"hello", timestamp_ms)
    assert _consume_one(own_broker, topic) == (b"hello", timestamp_ms)


def test_records_survive_a_kill_and_a_restart(own_broker: KafkaBroker) -> None:
    own_broker.create_topic("kept")
    _produce(own_broker, "kept", b"before the kill", 1_000)
    address = own_broker.bootstrap_servers
    own_broker.kill()
    own_broker.restart()
    assert own_broker.bootstrap_servers == address
    assert _consume_one(own_broker, "kept") == (b"before the kill", 1_000)


def test_a_paused_broker_answers_nothing_until_it_is_resumed(own_broker: KafkaBroker) -> None:
    own_broker.create_topic("paused")
    with closing(KafkaProducer(bootstrap_servers=own_broker.bootstrap_servers)) as producer:
        producer.send("paused", b"before", timestamp_ms=1_000).get(30)
        own_broker.pause()
        try:
            sent = producer.send("paused", b"while it hung", timestamp_ms=1_000)
            with pytest.raises(KafkaTimeoutError):
                sent.get(2)
        finally:
            own_broker.resume()
        assert sent.get(30).offset == 1


def test_a_limited_client_is_throttled_until_the_limit_is_lifted(own_broker: KafkaBroker) -> None:
    own_broker.create_topic("limited")

    own_broker.limit_client("slow", write_bytes_per_s=10_000)
    assert _longest_throttle_ms(own_broker, "limited", "slow") > 0

    own_broker.limit_client("slow")
    assert _longest_throttle_ms(own_broker, "limited", "slow") == 0


def _longest_throttle_ms(broker: KafkaBroker, topic: str, client_id: str) -> float:
    """How long the broker made a producer of 60 kB wait at most."""
    producer = KafkaProducer(
        bootstrap_servers=broker.bootstrap_servers, client_id=client_id, batch_size=0
    )
    with closing(producer):
        for _ in range(3):
            producer.send(topic, bytes(20_000)).get(30)
        groups = producer.metrics().values()
        return max(float(g["throttle-time-max"]) for g in groups if "throttle-time-max" in g)


def test_it_listens_on_the_loopback_interface_only(own_broker: KafkaBroker) -> None:
    assert listening_addresses(own_broker.pid) == {"127.0.0.1"}


def test_a_topic_cannot_be_created_twice(own_broker: KafkaBroker) -> None:
    own_broker.create_topic("twice")
    with pytest.raises(EmbeddedError, match="'twice': TopicAlreadyExistsError"):
        own_broker.create_topic("twice")


def test_nothing_is_left_when_the_body_raises() -> None:
    left: list[tuple[int, Path]] = []

    def start_and_fail() -> None:
        with KafkaBroker() as broker:
            left.append((broker.pid, broker.log.parent))
            raise KeyError

    with pytest.raises(KeyError):
        start_and_fail()
    [(pid, folder)] = left
    assert not process_group_members(pid)
    assert not folder.exists()


def test_a_broker_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    jars = tmp_path / "kafka"
    jars.mkdir()
    (jars / "empty.jar").touch()
    with pytest.raises(ProcessFailedError, match="StorageTool"), KafkaBroker(tmp_path):
        pass
