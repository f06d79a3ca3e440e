from __future__ import annotations

import itertools
import signal
import socket
import subprocess
import sys
import threading
from itertools import islice
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer

from flink_jobs.cluster.processes import free_ports
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.kafka import connecting, following
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.following import RecordFollower, Undecodable, identity
from flink_jobs.kafka.topics import admin_client, create_topics
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


def test_what_is_no_broker_is_told_and_left_without_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "_TIMEOUT_MS", 500)
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        follower = RecordFollower(address, "alerts", Alert)
        with pytest.raises(FollowError, match="does not answer as a Kafka broker"):
            follower.__enter__()

    left = [each for each in threading.enumerate() if "kafka" in each.name and each not in before]
    for thread in left:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in left)


@pytest.mark.integration
def test_duplicates_collapse_to_one_alert(kafka_broker: KafkaBroker) -> None:
    topic = make_topic(kafka_broker)
    write(kafka_broker, topic, *map(alert_bytes, ["a", "b", "a", "a", "c", "b"]))

    with RecordFollower(kafka_broker.bootstrap_servers, topic, Alert) as follower:
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=0.1)]

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
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=0.1)]

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
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=0.1)]

    assert ids == ["new"]


@pytest.mark.integration
def test_without_a_group_a_second_follower_sees_everything_again(
    kafka_broker: KafkaBroker,
) -> None:
    topic = make_topic(kafka_broker)
    write(kafka_broker, topic, alert_bytes("a"))

    for _ in range(2):
        with RecordFollower(kafka_broker.bootstrap_servers, topic, Alert) as follower:
            assert [a.alert_id for a in follower.follow(exit_when_idle_s=0.1)] == ["a"]


@pytest.mark.integration
def test_a_group_goes_on_where_it_left_off(kafka_broker: KafkaBroker) -> None:
    topic = make_topic(kafka_broker)
    seen = []

    for alert_id in ("a", "b"):
        write(kafka_broker, topic, alert_bytes(alert_id))
        with RecordFollower(
            kafka_broker.bootstrap_servers, topic, Alert, group_id=topic
        ) as follower:
            seen.append([alert.alert_id for alert in follower.follow(exit_when_idle_s=0.1)])

    assert seen == [["a"], ["b"]]


@pytest.mark.integration
def test_following_does_not_end_before_what_waits_has_been_read(
    kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = make_topic(kafka_broker)
    write(kafka_broker, topic, alert_bytes("a"))
    polled, slow = following._polled, iter(range(5))

    def hand_out_nothing_at_first(consumer: Any, timeout_s: float) -> list[Any]:
        return [] if next(slow, None) is not None else polled(consumer, timeout_s)

    with RecordFollower(kafka_broker.bootstrap_servers, topic, Alert) as follower:
        monkeypatch.setattr(following, "_polled", hand_out_nothing_at_first)
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=0.0)]

    assert ids == ["a"]


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
    for properties in ({}, {"isolation.level": "read_uncommitted"}):
        with RecordFollower(
            kafka_broker.bootstrap_servers, topic, Alert, properties=properties
        ) as follower:
            seen[len(properties)] = [a.alert_id for a in follower.follow(exit_when_idle_s=0.1)]

    assert seen == {0: ["yes"], 1: ["no", "yes"]}


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
        assert list(of_scores.follow(exit_when_idle_s=0.1)) == [score]
        assert list(of_letters.follow(exit_when_idle_s=0.1)) == [letter]


@pytest.mark.integration
def test_dead_letters_of_two_rows_of_one_message_are_two() -> None:
    letter = DeadLetter(
        reason=Reason.LATE, detail="late", model="m", partition=0, offset=7, row=0, event_time_ms=0
    )

    other_row = msgspec.structs.replace(letter, row=1)

    assert identity(letter) != identity(other_row)
    assert identity(letter) == identity(msgspec.structs.replace(letter, detail="late again"))


def test_a_topic_that_does_not_exist_is_refused_with_advice(kafka_broker: KafkaBroker) -> None:
    follower = RecordFollower(kafka_broker.bootstrap_servers, "no-such-topic", Alert)

    with pytest.raises(FollowError, match=r"there is no topic 'no-such-topic'.*check the name"):
        follower.__enter__()


@pytest.mark.integration
def test_an_alert_whose_use_failed_comes_again(kafka_broker: KafkaBroker) -> None:
    topic = make_topic(kafka_broker)
    write(kafka_broker, topic, *map(alert_bytes, ["a", "b", "c"]))

    def of_group() -> RecordFollower[Alert]:
        return RecordFollower(kafka_broker.bootstrap_servers, topic, Alert, group_id=topic)

    def page() -> None:
        with of_group() as follower:
            for alert in follower.follow():
                if alert.alert_id == "b":
                    raise ConnectionError("the pager does not answer")

    with pytest.raises(ConnectionError):
        page()
    with of_group() as follower:
        again = islice(follower.follow(exit_when_idle_s=0.1), 2)
        ids = [alert.alert_id for alert in again]

    assert ids == ["b", "c"]


_KILLED_BETWEEN_POLL_AND_USE = """
import os, signal, sys
from flink_jobs.kafka import connecting
from flink_jobs.kafka.following import RecordFollower, identity
from flink_jobs.records.alerts import Alert
address, topic = sys.argv[1:]
# The broker waits as long for a member that was killed.
quick = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "2000"}
follower = RecordFollower(address, topic, Alert, start="end", group_id=topic, properties=quick)
with follower:
    print("ready", flush=True)
    for alert in follower.follow():
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.integration
def test_an_alert_comes_again_when_its_reader_is_killed_between_poll_and_use(
    kafka_broker: KafkaBroker,
) -> None:
    topic = make_topic(kafka_broker)
    write(kafka_broker, topic, alert_bytes("old"))
    command = [sys.executable, "-c", _KILLED_BETWEEN_POLL_AND_USE]
    with subprocess.Popen(
        [*command, kafka_broker.bootstrap_servers, topic], stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"ready\n"
        write(kafka_broker, topic, *map(alert_bytes, ["a", "b"]))
        assert reader.wait(timeout=60) == -signal.SIGKILL

    with RecordFollower(
        kafka_broker.bootstrap_servers,
        topic,
        Alert,
        start="end",
        group_id=topic,
    ) as follower:
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=0.1)]

    assert ids == ["a", "b"]


@pytest.mark.integration
def test_a_member_of_a_group_without_a_partition_waits_until_it_gets_one(
    kafka_broker: KafkaBroker,
) -> None:
    topic = make_topic(kafka_broker)
    followers = [
        RecordFollower(kafka_broker.bootstrap_servers, topic, Alert, group_id=topic)
        for _ in range(2)
    ]
    seen: list[str] = []

    def follow(follower: RecordFollower[Alert]) -> None:
        with follower:
            seen.extend(alert.alert_id for alert in follower.follow(exit_when_idle_s=10))

    threads = [threading.Thread(target=follow, args=[each]) for each in followers]
    for thread in threads:
        thread.start()
    write(kafka_broker, topic, *map(alert_bytes, ["a", "b"]))
    for thread in threads:
        thread.join(timeout=90)

    assert not any(thread.is_alive() for thread in threads)
    assert sorted(set(seen)) == ["a", "b"]


@pytest.mark.integration
@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_a_topic_that_the_broker_compresses_is_read(kafka_broker: KafkaBroker, codec: str) -> None:
    topic = f"compressed-{codec}"
    with admin_client(kafka_broker.bootstrap_servers, {}) as admin:
        create_topics(admin, [topic], {topic: {"compression.type": codec}})
    values = [alert_bytes(f"{codec}-{number}") for number in range(50)]
    write(kafka_broker, topic, *values)

    with RecordFollower(kafka_broker.bootstrap_servers, topic, Alert) as follower:
        ids = [alert.alert_id for alert in follower.follow(exit_when_idle_s=0.1)]

    assert ids == [f"{codec}-{number}" for number in range(50)]
    assert follower.counts.undecodable == 0
