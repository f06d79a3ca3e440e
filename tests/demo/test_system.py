"""`loudly demo` as a user runs it: own processes, and what they leave behind."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flink_jobs.cluster.processes import free_ports
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.alerts import Alert, AlertKind
from tests.demo.conftest import Run
from tests.marked_command import MarkedCommand

pytestmark = pytest.mark.system


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[MarkedCommand]:
    run = MarkedCommand("demo", tmp_path)
    yield run
    run.end()


def alerts_of(demo: MarkedCommand) -> list[Alert]:
    lines = (demo.output / "alerts.jsonl").read_bytes()
    alerts = msgspec.json.Decoder(Alert).decode_lines(lines)
    return sorted(alerts, key=lambda alert: (alert.model, alert.window.end_ms))


def expected_alerts(run: Run) -> list[tuple[str, str, AlertKind, float | None]]:
    """What the monitor alone makes of the same streams."""
    alerts = sorted(run.reported.alerts, key=lambda alert: (alert.model, alert.window.end_ms))
    return [(a.alert_id, a.model, a.kind, a.statistic) for a in alerts]


def test_the_demo_finds_what_is_to_be_found_and_leaves_nothing_running(
    demo: MarkedCommand, offline_run: Run
) -> None:
    status, text = demo.run("--quick")

    assert status == 0, text
    assert "All 3 drifts were found, and the model without drift stayed silent" in text
    assert "▲ STARTED    shifted-image" in text
    found = [(a.alert_id, a.model, a.kind, a.statistic) for a in alerts_of(demo)]
    assert found == expected_alerts(offline_run)
    for name in ("drift.html", "job.toml", "scores.jsonl", "logs/kafka.log"):
        assert (demo.output / name).stat().st_size > 0
    assert "▲ STARTED    lost-class" in (demo.output / "timeline.txt").read_text()
    assert demo.processes_left() == []
    assert demo.files_left() == []


def test_existing_parts_are_used_and_left_running(
    demo: MarkedCommand, offline_run: Run, kafka_broker: KafkaBroker, flink_cluster: FlinkCluster
) -> None:
    before = {job["jid"] for job in flink_cluster.rest.jobs()}

    status, text = demo.run(
        *["--quick", "--topic-prefix", f"{uuid.uuid4().hex}-"],
        *["--bootstrap-servers", kafka_broker.bootstrap_servers],
        *["--jobmanager", flink_cluster.jobmanager],
    )

    assert status == 0, text
    found = [(a.alert_id, a.model, a.kind, a.statistic) for a in alerts_of(demo)]
    assert found == expected_alerts(offline_run)
    states = [job["state"] for job in flink_cluster.rest.jobs() if job["jid"] not in before]
    assert states == ["CANCELED"]
    assert demo.processes_left() == []
    assert demo.files_left() == []


def test_an_interrupted_demo_stops_everything_it_started(demo: MarkedCommand) -> None:
    """While its cluster starts; tests/sandbox interrupts one that runs, and sends SIGTERM."""
    process = demo.start("--quick")
    assert process.stdout is not None
    assert any("✔ Kafka broker" in line for line in process.stdout)
    assert len(demo.processes_left()) > 1

    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=120)

    assert process.returncode == 130, text
    assert "Traceback" not in text
    assert demo.processes_left() == []
    assert demo.files_left() == []


def test_without_java_the_demo_ends_before_it_makes_anything(
    demo: MarkedCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(demo.scratch))

    status, text = demo.run("--quick")

    assert (status, text.count("\n")) == (1, 1), text
    assert text.startswith("Error: Java 17 is needed and was not found: install Java 17")
    assert not demo.output.exists()


def test_a_cluster_that_does_not_answer_ends_the_demo_with_one_message(demo: MarkedCommand) -> None:
    (port,) = free_ports(1)

    status, text = demo.run("--quick", "--jobmanager", f"127.0.0.1:{port}")

    assert status == 1
    assert f"Error: no Flink cluster answers at 127.0.0.1:{port}" in text.splitlines()[-1]
    assert "Traceback" not in text
    assert demo.processes_left() == []
    assert demo.files_left() == []
