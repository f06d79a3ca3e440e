"""Starting the page: what is refused, and what is said."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
import typer
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from flink_jobs.cli.dashboard import dashboard
from flink_jobs.dashboard.errors import DashboardError
from flink_jobs.dashboard.feed import Topics
from flink_jobs.dashboard.serve import Address, Dashboard
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.tail import TailFollower
from flink_jobs.records.alerts import Score
from tests.dashboard.records import score, write

NOBODY = "127.0.0.1:1"


def started(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(dashboard)
    where = ["--bootstrap-servers", NOBODY, "--port", "0"]
    return CliRunner().invoke(app, [*where, *arguments], env={"COLUMNS": "200"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_are_kept_out_unless_they_are_let_in(host: str) -> None:
    result = started("--host", host)

    assert result.exit_code == 1
    assert "the page has no login" in result.stderr
    assert "--allow-remote" in result.stderr


def test_nobody_answers_at_the_brokers_address() -> None:
    result = started()

    assert result.exit_code == 1
    assert f"no Kafka broker answers at {NOBODY}" in result.stderr


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = started("--port", str(taken.getsockname()[1]))

    assert result.exit_code == 1
    assert "choose another --port" in result.stderr


def test_secrets_of_the_client_are_not_repeated(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")

    result = started("--property", f"sasl.plain.pasword=${{file:{secret}}}")

    assert result.exit_code == 1
    assert "sasl.plain.pasword" in result.stderr
    assert "hunter2" not in result.output


def test_serving_before_anything_was_started_is_refused() -> None:
    with pytest.raises(DashboardError, match="outside of its 'with' block"):
        Dashboard(Topics(bootstrap_servers=NOBODY), Address()).serve()


@pytest.mark.integration
def test_a_topic_that_does_not_exist_is_named_and_the_port_is_free_again(
    kafka_broker: KafkaBroker,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    topics = Topics(bootstrap_servers=kafka_broker.bootstrap_servers, alerts="not-there")

    for _ in range(2):
        with pytest.raises(FollowError, match="no topic 'not-there'"):
            Dashboard(topics, Address(port=port)).__enter__()

    assert not [t for t in threading.enumerate() if t.name == "loudly-feed"]


@pytest.mark.integration
def test_history_is_read_from_a_bounded_number_of_records_before_the_end(
    kafka_broker: KafkaBroker,
) -> None:
    kafka_broker.create_topic("dashboard-tail")
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    write(producer, "dashboard-tail", *(score("m", place) for place in range(50)))

    with TailFollower(
        kafka_broker.bootstrap_servers, "dashboard-tail", Score, n_last=8
    ) as follower:
        began = follower.has_caught_up()
        seen: list[Score] = []
        while not follower.has_caught_up():
            seen += follower.poll()
        write(producer, "dashboard-tail", score("m", 50))
        new = next(follower.follow(exit_when_idle_s=60))
    producer.close()

    assert not began
    assert [each.score_id for each in seen] == [f"m/main/{place}" for place in range(42, 50)]
    assert new.score_id == "m/main/50"
