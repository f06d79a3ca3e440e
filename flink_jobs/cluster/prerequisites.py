"""Java, without which neither Kafka nor Flink starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from flink_jobs.cluster.errors import MissingPrerequisiteError

JAVA_VERSION = 17


def find_java() -> Path:
    """Return the Java 17 program: from ``JAVA_HOME``, or else from ``PATH``.

    Raises
    ------
    MissingPrerequisiteError
        When there is none or it has another version.
    """
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")
    if program is None:
        raise MissingPrerequisiteError(
            "Java 17 is needed and was not found: install Java 17 or set JAVA_HOME to one."
        )
    version = _java_major(program)
    if version != JAVA_VERSION:
        found = "could not be run" if version is None else f"is version {version}"
        raise MissingPrerequisiteError(
            f"Java 17 is needed, {program} {found}: install Java 17 or set JAVA_HOME to one."
        )
    return Path(program)


def _java_major(program: str) -> int | None:
    try:
        ran = subprocess.run(
            [program, "-version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', ran.stderr)
    return int(match.group(1)) if match else None
