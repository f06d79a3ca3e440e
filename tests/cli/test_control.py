"""`loudly control` as far as it needs no broker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flink_jobs.cli import app
from flink_jobs.cluster.processes import free_ports
from flink_jobs.records.control import KINDS

COMMANDS = [kind.replace("_", "-") for kind in KINDS]


def loudly(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["control", *arguments], env={"COLUMNS": "200"})


def plain(text: str) -> str:
    """Without the frame around a message, which breaks its lines."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", "", text).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_command_and_its_options(command: str) -> None:
    result = loudly(command, "--help")

    assert command in loudly("--help").stdout
    assert result.exit_code == 0
    for option in ("--effective-ms", "--issued-by", "--command-id", "--wait-s", "--property"):
        assert option in plain(result.stdout)


def test_control_stands_beside_the_other_commands() -> None:
    assert "control" in CliRunner().invoke(app, ["--help"]).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["snooze", "fraud"], "give one of --until and --until-ms"),
        (["snooze", "fraud", "--until-ms", "1", "--until", "2026-01-01"], "give one of"),
        (["snooze", "fraud", "--until", "tomorrow"], "'tomorrow' is not a time"),
        (["snooze", "fraud", "--until", "1969-12-31"], "at `$.until_ms`"),
        (["pause", ""], "at `$.model`"),
        (["pause", "fraud", "--effective-ms", "-1"], "at `$.effective_ms`"),
        (["pause", "fraud", "--command-id", "c" * 129], "at `$.command_id`"),
        (["pause", "fraud\udcff"], "text that is not UTF-8"),
        (["acknowledge", "fraud"], "Missing option '--incident'"),
        (["configure", "fraud"], "Missing option '--change'"),
        (["configure", "fraud", "--change", "{"], "neither TOML nor JSON"),
        (["configure", "fraud", "--change", "missing.toml"], "No such file or directory"),
        (["configure", "fraud", "--change", "{" + '"a":{' * 20 + "}" * 21], "nested deeper than"),
    ],
)
def test_what_the_job_would_refuse_is_not_sent(arguments: list[str], said: str) -> None:
    result = loudly(*arguments)

    assert result.exit_code == 2
    assert said in plain(result.stderr)


def test_a_file_that_is_not_toml_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "change.toml").write_text("[policy\n")

    result = loudly("configure", "fraud", "--change", str(tmp_path / "change.toml"))

    assert result.exit_code == 2
    assert "neither TOML nor JSON" in plain(result.stderr)


def test_no_broker_at_the_address_ends_with_one_message() -> None:
    (port,) = free_ports(1)

    result = loudly("pause", "fraud", "--bootstrap-servers", f"127.0.0.1:{port}")

    assert result.exit_code == 1
    assert f"no Kafka broker answers at 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.output


def test_an_unknown_property_of_the_client_is_refused() -> None:
    result = loudly("pause", "fraud", "--property", "security.protocl=SSL")

    assert result.exit_code == 1
    assert "security.protocl" in result.stderr
