"""What is missing is said in one line, before anything is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flink_jobs.cluster.errors import MissingPrerequisiteError
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.prerequisites import find_java, missing_prerequisites

_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_prerequisites.sh"
_JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
_JAVA_11 = "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2"
_PYTHON_311 = "case $2 in *version_info*) echo 3.11 ;; esac"
_PYTHON_310 = "case $2 in *version_info*) echo 3.10 ;; esac"
_WITHOUT_VENV = "case $2 in *version_info*) echo 3.11 ;; *) exit 1 ;; esac"
_GOOD = {"python3.11": _PYTHON_311, "java": _JAVA_17, "mvn": "true"}


def _programs(folder: Path, bodies: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, body in bodies.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


def _run_script(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(_SCRIPT)],
        env={"PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_prints_the_python_to_use(tmp_path: Path) -> None:
    programs = _programs(tmp_path / "bin", _GOOD)
    ran = _run_script(programs)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"{programs / 'python3.11'}\n"


def test_the_script_takes_python3_when_it_is_3_11(tmp_path: Path) -> None:
    programs = {"python3": _PYTHON_311, "java": _JAVA_17, "mvn": "true"}
    folder = _programs(tmp_path / "bin", programs)
    assert _run_script(folder).stdout == f"{folder / 'python3'}\n"


def test_the_script_honours_python_and_java_home(tmp_path: Path) -> None:
    python = _programs(tmp_path / "own", {"snake": _PYTHON_311}) / "snake"
    java_home = _programs(tmp_path / "jdk" / "bin", {"java": _JAVA_17}).parent
    path = _programs(tmp_path / "bin", {"java": _JAVA_11, "mvn": "true"})
    ran = _run_script(path, PYTHON=str(python), JAVA_HOME=str(java_home))
    assert ran.stdout == f"{python}\n"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"python3.11": None}, "Python 3.11 was not found"),
        ({"python3.11": None, "python3": _PYTHON_310}, "Python 3.11 was not found"),
        ({"python3.11": _WITHOUT_VENV}, "lacks the modules venv"),
        ({"java": None}, "Java 17 was not found"),
        ({"java": _JAVA_11}, "Java 17 is needed"),
        ({"mvn": None}, "Maven was not found"),
    ],
    ids=["no python", "python 3.10", "no venv", "no java", "java 11", "no maven"],
)
def test_the_script_names_what_is_missing_in_one_line(
    tmp_path: Path, changed: dict[str, str | None], named: str
) -> None:
    programs = {name: body for name, body in {**_GOOD, **changed}.items() if body is not None}
    ran = _run_script(_programs(tmp_path / "bin", programs))
    assert ran.returncode == 1
    assert ran.stdout == ""
    [line] = ran.stderr.splitlines()
    assert named in line
    assert "install" in line


def test_a_complete_machine_has_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(_programs(tmp_path / "bin", _GOOD)))
    assert missing_prerequisites() == []


def test_each_missing_program_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    java, maven = missing_prerequisites()
    assert java.startswith("Java 17 is needed and was not found: install")
    assert maven.startswith("Maven is needed and was not found: install")


def test_java_home_goes_before_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = _programs(tmp_path / "jdk" / "bin", {"java": _JAVA_17}).parent
    monkeypatch.setenv("PATH", str(_programs(tmp_path / "bin", {"java": _JAVA_11})))
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java() == home / "bin" / "java"


def test_the_wrong_java_is_refused_with_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(_programs(tmp_path / "bin", {"java": _JAVA_11})))
    with pytest.raises(MissingPrerequisiteError, match="is version 11: install a JDK 17"):
        find_java()


def test_missing_jars_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOUDLY_JARS", str(tmp_path))
    with pytest.raises(MissingPrerequisiteError, match=f"no jars in {tmp_path}/kafka: run `make"):
        find_jars("kafka")
