"""The command line around the commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flink_jobs.cli import app
from flink_jobs.cluster.processes import free_ports
from flink_jobs.version import __version__

HEAVY = ["pyflink", "kafka", "numpy", "scipy", "sklearn", "matplotlib", "plotly"]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "command", ["demo", "init", "run", "sandbox", "validate", "status", "alerts", "version"]
)
def test_help_explains_every_command(command: str) -> None:
    assert command in run("--help")[1]
    assert run(command, "--help")[0] == 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from flink_jobs.cli import app\n"
        "assert CliRunner().invoke(app, ['demo', '--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_version_is_the_version_that_alerts_carry() -> None:
    assert run("version") == (0, f"loudly {__version__}\n")


def test_run_checks_the_configuration_before_anything_else(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.write_text("version = 2")

    status, output = run("run", "--config", str(job), "--jobmanager", "127.0.0.1:1")

    assert status == 1
    assert "version" in output
    assert "Traceback" not in output


def test_run_without_a_cluster_ends_with_one_message() -> None:
    (port,) = free_ports(1)

    status, output = run("run", "--config", "docker/job.toml", "--jobmanager", f"127.0.0.1:{port}")

    assert status == 1
    assert f"no Flink cluster answers at 127.0.0.1:{port}" in output
    assert "Traceback" not in output


def test_produce_only_needs_a_broker() -> None:
    status, output = run("demo", "--produce-only")

    assert status == 1
    assert "--produce-only needs --bootstrap-servers" in output


def test_an_output_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    status, output = run("demo", "--output", str(file / "folder"))

    assert status == 1
    assert "choose --output" in output
    assert "Traceback" not in output


def test_alerts_without_a_broker_end_with_one_message() -> None:
    (port,) = free_ports(1)

    status, output = run("alerts", "--bootstrap-servers", f"127.0.0.1:{port}")

    assert status == 1
    assert f"no Kafka broker answers at 127.0.0.1:{port}" in output
    assert "Traceback" not in output
