"""The lines of docs/deploy.md give a cluster on which `loudly run` runs a job."""

from __future__ import annotations

import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flink_jobs.cli import app
from flink_jobs.cluster.errors import FlinkRestError
from flink_jobs.cluster.processes import free_ports
from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.kafka.event_sender import EventSender
from flink_jobs.kafka.job_output import JobOutput
from flink_jobs.records.alerts import Score
from tests.builders import payload

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
START_MS = 1_767_225_600_000
JOB = """
version = 1
job = {{name = "{prefix}"}}
input = {{n_features = 3}}
panes = {{width_ms = 1_000}}
window = {{kind = "time", size_ms = 10_000, slide_ms = 10_000}}
reference = {{kind = "first_events", n_events = 100}}
detector = {{reducer = {{kind = "none"}}}}
[kafka]
bootstrap_servers = "{broker}"
inference_topic = "{prefix}-events"
alerts_topic = "{prefix}-alerts"
scores_topic = "{prefix}-scores"
dead_letters_topic = "{prefix}-letters"
"""


@pytest.fixture
def jobmanager(tmp_path: Path) -> Iterator[str]:
    """The cluster of the page, on ports of its own."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    rest_port, rpc_port = free_ports(2)
    page = (ROOT / "docs" / "deploy.md").read_text()
    found = re.search(r"<!-- begin standalone -->\n```sh\n(.*?)```", page, re.DOTALL)
    assert found is not None
    ports = f"start -D rest.port={rest_port} -D jobmanager.rpc.port={rpc_port}"
    lines = found[1].replace("start", ports)
    stops = '\n"$flink/bin/taskmanager.sh" stop\n"$flink/bin/jobmanager.sh" stop\n'
    try:
        in_bash(lines, tmp_path)
        wait_for_a_slot(FlinkRest(f"http://127.0.0.1:{rest_port}"))
        yield f"127.0.0.1:{rest_port}"
    finally:
        in_bash(lines.partition('"$flink/bin/jobmanager.sh"')[0] + stops, tmp_path)


def in_bash(lines: str, folder: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("FLINK")}
    subprocess.run(["bash", "-c", lines], cwd=folder, env=environment, check=True, timeout=120)


def wait_for_a_slot(rest: FlinkRest) -> None:
    for _ in range(600):
        try:
            if rest.overview()["slots-available"]:
                return
        except FlinkRestError:
            pass
        time.sleep(0.2)
    raise AssertionError("the cluster has no slot after two minutes")


def test_the_cluster_of_the_page_runs_a_job_with_the_connector_sent_along(
    jobmanager: str, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    broker, prefix = kafka_broker.bootstrap_servers, uuid.uuid4().hex
    job = tmp_path / "job.toml"
    job.write_text(JOB.format(broker=broker, prefix=prefix))

    ran = CliRunner().invoke(
        app,
        [
            *["run", "--config", str(job), "--jobmanager", jobmanager],
            *["--with-connector-jar", "--create-topics"],
        ],
        env={"COLUMNS": "200"},
    )

    assert ran.exit_code == 0, ran.output
    with EventSender(broker, f"{prefix}-events") as sender:
        for i in range(400):
            features = [(i * step % 7) / 7 for step in (1, 2, 3)]
            sender.send(b"model", payload(f"e{i}", features), START_MS + i * 100)
        sender.send_heartbeats(START_MS + 60_000)
    assert first_score(broker, prefix).model == "model"


def first_score(broker: str, prefix: str) -> Score:
    topics = {name: f"{prefix}-{name}" for name in ("alerts", "scores")}
    with JobOutput(broker, **topics, dead_letters=f"{prefix}-letters") as output:
        for _ in range(240):
            if scores := output.poll(0.5).scores:
                return scores[0]
    raise AssertionError("no score after two minutes")
