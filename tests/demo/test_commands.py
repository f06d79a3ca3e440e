"""The commands together, as compose.yaml runs them: a job, a producer and somebody who reads."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flink_jobs.cli import app
from flink_jobs.demo.job_file import Topics, write_job_file
from flink_jobs.demo.topics import create_topics
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from tests.demo.conftest import Run

pytestmark = pytest.mark.system


def loudly(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def test_run_produce_and_alerts_work_together(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, offline_run: Run, tmp_path: Path
) -> None:
    kafka = kafka_broker.bootstrap_servers
    prefix = f"{uuid.uuid4().hex}-"
    topics = Topics().with_prefix(prefix)
    create_topics(kafka, topics)
    write_job_file(tmp_path / "job.toml", kafka, topics)

    ran = loudly(
        "run", "--config", str(tmp_path / "job.toml"), "--jobmanager", flink_cluster.jobmanager
    )
    job = re.search(r"Job ([0-9a-f]{32}) runs", ran.stdout)
    assert job is not None, ran.output
    try:
        produced = loudly(
            *["demo", "--produce-only", "--quick"],
            *["--bootstrap-servers", kafka, "--topic-prefix", prefix],
        )
        followed = loudly(
            *["alerts", "--bootstrap-servers", kafka, "--topic", topics.alerts],
            *["--from-beginning", "--json", "--exit-when-idle", "20"],
        )
    finally:
        flink_cluster.rest.cancel(job[1])

    assert produced.exit_code == 0, produced.output
    assert f"All events are on the topic {topics.inference}" in produced.stdout
    found = {json.loads(line)["alert_id"] for line in followed.stdout.splitlines()}
    assert found == {alert.alert_id for alert in offline_run.reported.alerts}
