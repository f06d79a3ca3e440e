"""What has to be installed before Loudly can start Kafka and Flink."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from flink_jobs.cluster.errors import MissingPrerequisiteError

PYTHON_VERSION = (3, 11)
JAVA_VERSION = 17


def missing_prerequisites() -> list[str]:
    """One line for each thing that is missing or has the wrong version; empty when all is well."""
    found = (_python_problem(), _java_problem(), _maven_problem())
    return [problem for problem in found if problem is not None]


def find_java() -> Path:
    """The Java 17 program: from ``JAVA_HOME``, or else from ``PATH``.

    Raises
    ------
    MissingPrerequisiteError
        When there is none or it has another version.
    """
    problem = _java_problem()
    if problem is not None:
        raise MissingPrerequisiteError(problem)
    program = _java_program()
    assert program is not None  # noqa: S101 - _java_problem has reported this case
    return Path(program)


def _python_problem() -> str | None:
    if sys.version_info[:2] == PYTHON_VERSION:
        return None
    found = ".".join(str(part) for part in sys.version_info[:3])
    return f"Python 3.11 is needed, this is {found}: install Python 3.11."


def _java_problem() -> str | None:
    program = _java_program()
    if program is None:
        return "Java 17 is needed and was not found: install a JDK 17 or set JAVA_HOME to one."
    version = _java_major(program)
    if version == JAVA_VERSION:
        return None
    found = "could not be run" if version is None else f"is version {version}"
    return f"Java 17 is needed, {program} {found}: install a JDK 17 or set JAVA_HOME to one."


def _maven_problem() -> str | None:
    if shutil.which("mvn") is not None:
        return None
    return "Maven is needed and was not found: install Maven 3.6 or later (the command mvn)."


def _java_program() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")


def _java_major(program: str) -> int | None:
    try:
        ran = subprocess.run(
            [program, "-version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', ran.stderr)
    return int(match.group(1)) if match else None
