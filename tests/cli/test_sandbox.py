"""`loudly sandbox` says what is wrong before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flink_jobs.cli import app

JOB = """
version = 1
kafka = {bootstrap_servers = "127.0.0.1:9092"}
panes = {width_ms = 1_000}
window = {kind = "time", size_ms = 20_000, slide_ms = 20_000}
reference = {kind = "first_events", n_events = 40}
columns = {features = {age = "number"}}
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "job.toml"
    path.write_text(JOB)
    return path


def sandbox(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(
        app, ["sandbox", *map(str, arguments)], env={"COLUMNS": "200"}, catch_exceptions=False
    )
    return result.exit_code, result.output


def test_a_wrong_configuration_is_told_by_its_key(job: Path) -> None:
    job.write_text(JOB.replace("size_ms = 20_000", "size_ms = 20_001"))

    status, output = sandbox("--config", job)

    assert status == 1
    assert "window.size_ms" in output


def test_without_java_nothing_is_made(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(job.parent))

    status, output = sandbox("--config", job, "--output", "made")

    assert status == 1
    assert output.startswith("Error: Java 17 is needed and was not found: install Java 17")
    assert not Path("made").exists()


def test_a_port_that_is_named_and_taken_is_refused(job: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        status, output = sandbox("--config", job, "--port", port, "--output", "made")

    assert status == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in output
    assert not Path("made").exists()


def test_a_history_that_is_not_there_is_told_before_a_broker_starts(job: Path) -> None:
    status, output = sandbox("--config", job, "--input", "nothing.csv")

    assert status == 1
    assert "nothing.csv" in output
    assert "Kafka broker" not in output


def test_a_history_without_a_time_is_told_before_a_broker_starts(job: Path) -> None:
    Path("history.csv").write_text("model,time_ms,age\nchurn,,5\n")

    status, output = sandbox("--config", job, "--input", "history.csv")

    assert status == 1
    assert "holds no event that has a model and a time" in output
    assert "Kafka broker" not in output


def test_there_is_no_end_to_exit_at_without_a_history(job: Path) -> None:
    status, output = sandbox("--config", job, "--exit-at-end")

    assert status == 2
    assert "--exit-at-end needs --input" in output


def test_a_folder_that_cannot_be_made_is_told(job: Path) -> None:
    Path("file").touch()

    status, output = sandbox("--config", job, "--output", "file/folder")

    assert status == 1
    assert "choose --output" in output
