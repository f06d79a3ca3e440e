from __future__ import annotations

import itertools
import socket
import threading

import pytest
from kafka import KafkaProducer

from flink_jobs.cluster.processes import free_ports
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.following import RecordFollower, Undecodable
from flink_jobs.records.alerts import Alert, Score, encode_record
from flink_jobs.records.dead_letters import DeadLetter, Reason, encode_dead_letter
from tests.records.examples import make_alert, make_score

_names = itertools.count()


def make_topic(broker: KafkaBroker, n_partitions: int = 1) -> str:
    name = f"alerting-{next(_names)}"
    broker.create_topic(name, n_partitions)
    return name


def write(broker: KafkaBroker, topic: str, *values: bytes | None) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    try:
        for value in values:
            producer.send(topic, key=b"model", value=value).get(timeout=30)
    finally:
        producer.close()


def alert_bytes(alert_id: str) -> bytes:
    return encode_record(make_alert(alert_id=alert_id))[1]


def test_no_broker_at_the_address_is_said_at_once() -> None:
    (port,) = free_ports(1)
    follower = RecordFollower(f"127.0.0.1:{port}", "alerts", Alert)

    with pytest.raises(FollowError, match=f"no Kafka broker answers at 127.0.0.1:{port}"):
        follower.__enter__()


def test_what_is_no_broker_is_told_and_left_without_a_thread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        follower = RecordFollower(
            address, "alerts", Alert, properties={"bootstrap.timeout.ms": "500"}
        )
        with pytest.raises(FollowError, match="does not answer as a Kafka broker"):
            follower.__enter__()

    assert [thread.name for thread in threading.enumerate() if "kafka" in thread.name] == []


@pytest.mark.integration
def test_duplicates_collapse_to_one_alert(kafka_broker: KafkaBroker) -> None:
    topic = make_topic(kafka_broker)
    write(kafka_broker, topic, *map(alert_bytes, ["a", "b", "a", "a", "c", "b"]))

    with RecordFollower(kafka_broker.bootstrap_servers, topic, Alert) as follower:
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=2)]

    assert ids == ["a", "b", "c"]
    assert follower.counts.duplicates == 3


@pytest.mark.integration
def test_garbage_is_counted_and_reported_and_stops_nothing(kafka_broker: KafkaBroker) -> None:
    topic = make_topic(kafka_broker)
    garbage = [b"{", b"\xff\xfe", None, b"[" * 10_000, b'{"schema_version": 2}']
    write(kafka_broker, topic, alert_bytes("a"), *garbage, alert_bytes("b"))
    reports: list[Undecodable] = []

    with RecordFollower(
        kafka_broker.bootstrap_servers, topic, Alert, on_undecodable=reports.append
    ) as follower:
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=2)]

    assert ids == ["a", "b"]
    assert [report.offset for report in reports] == [1, 2, 3, 4, 5]
    counts = follower.counts
    assert counts.undecodable == len(garbage)
    assert counts.received == counts.delivered + counts.duplicates + counts.undecodable


@pytest.mark.integration
def test_from_the_end_only_what_is_new_is_seen(kafka_broker: KafkaBroker) -> None:
    topic = make_topic(kafka_broker, n_partitions=3)
    write(kafka_broker, topic, alert_bytes("old"))

    with RecordFollower(kafka_broker.bootstrap_servers, topic, Alert, start="end") as follower:
        # Written before the first poll: following begins when the context is entered.
        write(kafka_broker, topic, alert_bytes("new"))
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=2)]

    assert ids == ["new"]


@pytest.mark.integration
def test_without_a_group_a_second_follower_sees_everything_again(
    kafka_broker: KafkaBroker,
) -> None:
    topic = make_topic(kafka_broker)
    write(kafka_broker, topic, alert_bytes("a"))

    for _ in range(2):
        with RecordFollower(kafka_broker.bootstrap_servers, topic, Alert) as follower:
            assert [a.alert_id for a in follower.follow(exit_when_idle_s=2)] == ["a"]


@pytest.mark.integration
def test_a_group_goes_on_where_it_left_off(kafka_broker: KafkaBroker) -> None:
    topic = make_topic(kafka_broker)
    seen = []

    for alert_id in ("a", "b"):
        write(kafka_broker, topic, alert_bytes(alert_id))
        with RecordFollower(
            kafka_broker.bootstrap_servers, topic, Alert, group_id=topic
        ) as follower:
            seen.append([alert.alert_id for alert in follower.follow(exit_when_idle_s=2)])

    assert seen == [["a"], ["b"]]


@pytest.mark.integration
def test_an_aborted_transaction_is_not_seen_unless_asked_for(kafka_broker: KafkaBroker) -> None:
    topic = make_topic(kafka_broker)
    producer = KafkaProducer(
        bootstrap_servers=kafka_broker.bootstrap_servers, transactional_id=topic
    )
    try:
        producer.init_transactions()
        for alert_id, end in (("no", producer.abort_transaction), ("yes", None)):
            producer.begin_transaction()
            producer.send(topic, value=alert_bytes(alert_id)).get(timeout=30)
            (end or producer.commit_transaction)()
    finally:
        producer.close()

    seen = {}
    for isolation in ("read_committed", "read_uncommitted"):
        with RecordFollower(
            kafka_broker.bootstrap_servers, topic, Alert, isolation=isolation
        ) as follower:
            seen[isolation] = [a.alert_id for a in follower.follow(exit_when_idle_s=2)]

    assert seen == {"read_committed": ["yes"], "read_uncommitted": ["no", "yes"]}


@pytest.mark.integration
def test_scores_and_dead_letters_are_followed_the_same_way(kafka_broker: KafkaBroker) -> None:
    scores, letters = make_topic(kafka_broker), make_topic(kafka_broker)
    score = make_score()
    letter = DeadLetter(
        reason=Reason.LATE, detail="late", model="m", partition=1, offset=2, event_time_ms=3
    )
    write(kafka_broker, scores, *[encode_record(score)[1]] * 2)
    write(kafka_broker, letters, *[encode_dead_letter(letter)[1]] * 2)

    with (
        RecordFollower(kafka_broker.bootstrap_servers, scores, Score) as of_scores,
        RecordFollower(kafka_broker.bootstrap_servers, letters, DeadLetter) as of_letters,
    ):
        assert list(of_scores.follow(exit_when_idle_s=2)) == [score]
        assert list(of_letters.follow(exit_when_idle_s=2)) == [letter]


@pytest.mark.integration
def test_a_topic_that_does_not_exist_is_refused_with_advice(kafka_broker: KafkaBroker) -> None:
    follower = RecordFollower(kafka_broker.bootstrap_servers, "no-such-topic", Alert)

    with pytest.raises(FollowError, match=r"there is no topic 'no-such-topic'.*start the job"):
        follower.__enter__()
