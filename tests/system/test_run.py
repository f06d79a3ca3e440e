"""`loudly run` against topics that are missing, and a login, on a real cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from flink_jobs.cli import app
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.intake.formats.json import InferenceEvent, encode_event
from flink_jobs.kafka.following import RecordFollower
from flink_jobs.records.alerts import Score
from tests.kafka.guarded import Guarded, guarded_broker, login

pytestmark = pytest.mark.system

START_MS = 1_767_225_600_000
JOB = """
version = 1
[kafka]
bootstrap_servers = "{address}"
inference_topic = "drift-{name}-events"
alerts_topic = "drift-{name}-alerts"
scores_topic = "drift-{name}-scores"
dead_letters_topic = "drift-{name}-dead-letters"
control_topic = "drift-{name}-control"
audit_topic = "drift-{name}-audit"
[input]
n_features = 2
[panes]
width_ms = 10_000
[window]
kind = "time"
size_ms = 60_000
slide_ms = 60_000
[reference]
kind = "first_events"
n_events = 300
[detector]
reducer = {{kind = "none"}}
"""
TOPICS = ("events", "alerts", "scores", "dead-letters", "control", "audit")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with guarded_broker() as guarded:
        yield guarded


def job_file(folder: Path, address: str, name: str, more: str = "") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(JOB.format(address=address, name=name) + more)
    return path


def run(cluster: FlinkCluster, path: Path, *options: str) -> Result:
    arguments = ["run", "--config", str(path), "--jobmanager", cluster.jobmanager, *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})


def states(cluster: FlinkCluster) -> set[tuple[str, str]]:
    return {(job["jid"], job["state"]) for job in cluster.rest.jobs()}


def test_a_job_whose_topics_are_missing_is_refused_and_runs_once_they_are_made(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    path = job_file(tmp_path, kafka_broker.bootstrap_servers, "made")
    kafka_broker.create_topic("drift-made-events")
    before = states(flink_cluster)

    refused = run(flink_cluster, path)

    assert refused.exit_code == 1
    for topic in TOPICS[1:]:
        assert f"'drift-made-{topic}'" in refused.stderr
    assert "'drift-made-events'" not in refused.stderr.partition("(there is")[0]
    assert "--create-topics" in refused.stderr
    assert (
        f"kafka-topics.sh --bootstrap-server {kafka_broker.bootstrap_servers} --create"
        in refused.stderr
    )
    assert states(flink_cluster) == before

    accepted = run(flink_cluster, path, "--create-topics")

    assert accepted.exit_code == 0, accepted.output
    (job_id,) = re.findall(r"Job ([0-9a-f]{32}) runs", accepted.stdout)
    assert flink_cluster.rest.status(job_id) == "RUNNING"
    assert flink_cluster.rest.exceptions(job_id) == []
    flink_cluster.rest.cancel(job_id)


@pytest.mark.usefixtures("warmly_launched")
def test_a_job_that_fails_as_it_starts_is_told_and_cancelled(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    path = job_file(tmp_path, kafka_broker.bootstrap_servers, "none")

    result = run(flink_cluster, path, "--skip-topic-check")

    assert result.exit_code == 1
    assert "✔" not in result.stdout
    (job_id,) = re.findall(r"job ([0-9a-f]{32}) failed as it started", result.stderr)
    assert "drift-none-" in result.stderr or "UnknownTopicOrPartition" in result.stderr
    assert flink_cluster.rest.status(job_id) in ("CANCELED", "FAILED")


@pytest.mark.usefixtures("warmly_launched")
def test_a_job_logs_in_by_its_properties_and_reads_no_aborted_transaction(
    guarded: Guarded, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    properties = "\n[kafka.properties]\n" + "".join(
        f"{msgspec.json.encode(key).decode()} = {msgspec.json.encode(value).decode()}\n"
        for key, value in login("PLAIN").items()
    )
    path = job_file(tmp_path, guarded.address, "login", properties)
    path.write_text(path.read_text().replace("[input]", "bounded = true\n[input]", 1))
    for topic in TOPICS:
        guarded.broker.create_topic(f"drift-login-{topic}")
    # The topic ends with an aborted transaction: no record of it is left at the end of the range.
    write_transactions(guarded.broker, "drift-login-events", [("yes", 700), ("no", 400)])

    result = run(flink_cluster, path)

    assert result.exit_code == 0, result.output
    (job_id,) = re.findall(r"Job ([0-9a-f]{32}) runs", result.stdout)
    flink_cluster.rest.wait_for(job_id, "FINISHED", timeout_s=120)
    with RecordFollower(
        guarded.address, "drift-login-scores", Score, properties=login("SCRAM-SHA-256")
    ) as follower:
        scores = list(follower.follow(exit_when_idle_s=0.1))
    # 300 of 700 are the reference, which ends with a window.
    assert sum(score.window.n_events for score in scores) == 400
    assert "hunter2" not in result.output


def write_transactions(broker: KafkaBroker, topic: str, parts: list[tuple[str, int]]) -> None:
    producer = KafkaProducer(
        bootstrap_servers=broker.bootstrap_servers, transactional_id=topic, acks="all"
    )
    producer.init_transactions()
    number = 0
    for outcome, n_events in parts:
        producer.begin_transaction()
        for _ in range(n_events):
            number += 1
            event = InferenceEvent(
                schema_version=1, event_id=f"e{number}", features=[float(number % 7), 0.0]
            )
            producer.send(
                topic,
                key=b"fraud",
                value=encode_event(event),
                timestamp_ms=START_MS + (number - 1) * 1_000,
            )
        producer.flush()
        (producer.commit_transaction if outcome == "yes" else producer.abort_transaction)()
    producer.close()
