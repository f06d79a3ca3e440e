"""The tables that nannyml ships for its tutorials, taken from its wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from scripts.bench.environments import ENVIRONMENTS

_REQUIREMENT = "nannyml==0.13.1"
_TIMEOUT_S = 300


def nannyml_tables() -> Path:
    """The folder with the tables; the wheel alone is installed, without what it depends on.

    Raises
    ------
    OSError
        When it cannot be installed.
    """
    home = ENVIRONMENTS / "nannyml-data"
    stamp = home / ".installed"
    if not stamp.exists() or stamp.read_text() != _REQUIREMENT:
        shutil.rmtree(home, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
        options = ["--quiet", "--no-deps", "--target", str(home), _REQUIREMENT]
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise OSError(done.stderr.strip()[-2_000:])
        stamp.write_text(_REQUIREMENT)
    return home / "nannyml" / "datasets" / "data"
