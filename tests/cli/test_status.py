"""`loudly status` on real topics."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from flink_jobs.cli import app
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.kafka.topics import COMPACTED, admin_client, create_topics
from flink_jobs.records.status import ModelState, ModelStatus, encode_status
from tests.records.examples import make_status

_names = itertools.count()
HOSTILE = "fr\x1b[31mred\x07 [bold]\n"
JOB = """
version = 1
kafka = {bootstrap_servers = "127.0.0.1:9092"}
input = {n_features = 1}
panes = {width_ms = 1_000}
window = {kind = "time", size_ms = 20_000, slide_ms = 20_000}
reference = {kind = "first_events", n_events = 40}
"""


def status_of(model: str, **changes: Any) -> ModelStatus:
    name = f"{model}/{changes.get('number', 0)}"
    return make_status(model=model, status_id=name, **changes)


def write(broker: KafkaBroker, topic: str, *statuses: ModelStatus) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    for status in statuses:
        key, value = encode_status(status)
        producer.send(topic, key=key, value=value)
    producer.flush(30)
    producer.close()


@pytest.fixture
def topic(kafka_broker: KafkaBroker) -> str:
    """A topic as the job's is made."""
    name = f"cli-status-{next(_names)}"
    with admin_client(kafka_broker.bootstrap_servers, {}) as admin:
        create_topics(admin, [name], {name: COMPACTED}, n_partitions=2)
    return name


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["status", *options], env={"COLUMNS": "240"})


def status(broker: KafkaBroker, topic: str, *options: str) -> Result:
    return run("--bootstrap-servers", broker.bootstrap_servers, "--topic", topic, *options)


@pytest.mark.integration
def test_each_model_is_a_row_by_its_last_record_and_the_worst_comes_first(
    kafka_broker: KafkaBroker, topic: str
) -> None:
    quiet = {"state": ModelState.QUIET, "incidents": []}
    write(
        kafka_broker,
        topic,
        status_of("calm", **quiet),
        status_of("fraud", number=0, **quiet),
        status_of("fraud", number=1),
    )

    result = status(kafka_broker, topic)

    rows = [line for line in result.stdout.splitlines() if line.startswith(("fraud", "calm"))]
    assert result.exit_code == 0
    assert [row.split()[:3] for row in rows] == [["fraud", "△", "drift"], ["calm", "✓", "no"]]


@pytest.mark.integration
def test_json_lines_are_the_records_and_the_newest_may_come_first(
    kafka_broker: KafkaBroker, topic: str
) -> None:
    write(kafka_broker, topic, status_of("a", at_ms=1), status_of("b", at_ms=2))

    result = status(kafka_broker, topic, "--json", "--first", "newest")

    assert [json.loads(line)["model"] for line in result.stdout.splitlines()] == ["b", "a"]


@pytest.mark.integration
def test_one_model_is_shown_in_full(kafka_broker: KafkaBroker, topic: str) -> None:
    write(kafka_broker, topic, status_of("fraud"), status_of("churn-us"))

    result = status(kafka_broker, topic, "--model", "fraud")
    nobody = status(kafka_broker, topic, "--model", "nobody")

    assert "2,000 events of 2026-01-01 00:00–00:10 UTC" in result.stdout
    assert "churn-us" not in result.stdout
    assert nobody.exit_code == 3
    assert "holds no status of nobody; it has 2 other models" in nobody.stderr


@pytest.mark.integration
def test_names_from_the_topic_drive_no_terminal(kafka_broker: KafkaBroker, topic: str) -> None:
    write(kafka_broker, topic, status_of(HOSTILE))

    for options in ((), ("--json",), ("--model", HOSTILE)):
        result = status(kafka_broker, topic, *options)
        assert result.exit_code == 0
        assert "\x1b" not in result.stdout
        assert "[bold]" in result.stdout


@pytest.mark.integration
def test_a_tombstone_takes_a_model_away(kafka_broker: KafkaBroker, topic: str) -> None:
    write(kafka_broker, topic, status_of("gone"), status_of("back"), status_of("here"))
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    for name in (b"gone", b"back"):
        producer.send(topic, key=name, value=None)
    producer.close()
    write(kafka_broker, topic, status_of("back", number=1))

    result = status(kafka_broker, topic, "--json")

    models = {json.loads(line)["model"] for line in result.stdout.splitlines()}
    assert models == {"back", "here"}


@pytest.mark.integration
def test_an_empty_topic_is_said_to_be_empty(kafka_broker: KafkaBroker, topic: str) -> None:
    result = status(kafka_broker, topic)

    assert (result.exit_code, result.stdout) == (3, "")
    assert f"The topic {topic} is empty" in result.stderr


@pytest.mark.integration
def test_a_topic_of_something_else_is_no_topic_of_statuses(
    kafka_broker: KafkaBroker, topic: str
) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    producer.send(topic, key=b"m", value=b"{}")
    producer.close()

    result = status(kafka_broker, topic)

    assert result.exit_code == 3
    assert "1 undecodable records skipped" in result.stderr
    assert f"is {topic} the job's kafka.status_topic?" in result.stderr


@pytest.mark.integration
def test_a_topic_that_does_not_exist_ends_with_advice(kafka_broker: KafkaBroker) -> None:
    result = status(kafka_broker, "no-such-topic")

    assert result.exit_code == 1
    assert "there is no topic 'no-such-topic'" in result.stderr
    assert "set kafka.status_topic in the job's file" in result.stderr


@pytest.mark.integration
def test_the_jobs_file_says_where_the_topic_is(
    kafka_broker: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    write(kafka_broker, topic, status_of("fraud"))
    servers = kafka_broker.bootstrap_servers
    table = f'{{bootstrap_servers = "{servers}", status_topic = "{topic}"}}'
    file = tmp_path / "job.toml"
    file.write_text(JOB.replace('{bootstrap_servers = "127.0.0.1:9092"}', table))

    result = run("--config", str(file), "--json")

    assert json.loads(result.stdout)["model"] == "fraud"


def test_a_job_without_status_records_is_told_how_to_have_them(tmp_path: Path) -> None:
    file = tmp_path / "job.toml"
    file.write_text(JOB)

    result = run("--config", str(file))

    assert result.exit_code == 3
    assert "has no kafka.status_topic" in result.stderr
    assert 'status_topic = "drift-status"' in result.stderr


def test_no_broker_is_said_at_once() -> None:
    result = run("--bootstrap-servers", "127.0.0.1:1")

    assert result.exit_code == 1
    assert "no Kafka broker answers at 127.0.0.1:1" in result.stderr
