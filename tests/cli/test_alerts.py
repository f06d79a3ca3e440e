"""`loudly alerts` on a real topic."""

from __future__ import annotations

import itertools
import json

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from flink_jobs.cli import app
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.alerts import AlertKind, encode_record
from tests.records.examples import make_alert

pytestmark = pytest.mark.integration
_names = itertools.count()


@pytest.fixture
def topic(kafka_broker: KafkaBroker) -> str:
    """A topic with two alerts, one of them twice, and one record that is no alert."""
    name = f"cli-alerts-{next(_names)}"
    kafka_broker.create_topic(name)
    started = encode_record(make_alert(alert_id="1"))[1]
    recovered = encode_record(make_alert(alert_id="2", kind=AlertKind.RECOVERED))[1]
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    for value in (started, b"garbage", started, recovered):
        producer.send(name, value=value).get(timeout=30)
    producer.close()
    return name


def alerts(broker: KafkaBroker, topic: str, *options: str) -> Result:
    address = ["--bootstrap-servers", broker.bootstrap_servers, "--topic", topic]
    arguments = ["alerts", *address, "--exit-when-idle", "2", *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def test_the_timeline_shows_each_alert_once(kafka_broker: KafkaBroker, topic: str) -> None:
    result = alerts(kafka_broker, topic, "--from-beginning")

    assert result.exit_code == 0
    assert result.stdout.count("▲ STARTED") == 1
    assert result.stdout.count("▼ RECOVERED") == 1
    assert f"skipped {topic}[0]@1" in result.stderr
    assert "Waiting for new alerts" not in result.stderr
    assert "2 alerts, 1 duplicates dropped, 1 undecodable records skipped" in result.stderr


def test_json_lines_hold_nothing_but_alerts(kafka_broker: KafkaBroker, topic: str) -> None:
    result = alerts(kafka_broker, topic, "--from-beginning", "--json")

    assert [json.loads(line)["alert_id"] for line in result.stdout.splitlines()] == ["1", "2"]


def test_alerts_of_the_past_are_left_out_by_default(kafka_broker: KafkaBroker, topic: str) -> None:
    result = alerts(kafka_broker, topic)

    assert result.stdout == ""
    assert "0 alerts" in result.stderr


def test_a_topic_that_does_not_exist_ends_with_advice(kafka_broker: KafkaBroker) -> None:
    result = alerts(kafka_broker, "no-such-topic")

    assert result.exit_code == 1
    assert "there is no topic 'no-such-topic'" in result.stderr
    assert "check the name" in result.stderr


def test_a_topic_of_which_no_record_is_an_alert_is_exit_status_1(kafka_broker: KafkaBroker) -> None:
    name = f"cli-alerts-{next(_names)}"
    kafka_broker.create_topic(name)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
    producer.send(name, value=b'{"schema_version": 1}').get(timeout=30)
    producer.close()

    result = alerts(kafka_broker, name, "--from-beginning")

    assert result.exit_code == 1
    assert f"is {name} the job's kafka.alerts_topic?" in result.stderr
