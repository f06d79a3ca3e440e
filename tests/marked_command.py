"""One run of a command of `loudly`, and all that it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MARK = "LOUDLY_COMMAND_UNDER_TEST"


class MarkedCommand:
    """A command whose processes all carry the same mark in their environment.

    ``output`` is what it is told to write to, ``scratch`` where its temporary files go.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.output = folder / "output"
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self._name = name
        self._mark = uuid.uuid4().hex
        self._process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flink_jobs.cli", self._name]
        self._process = subprocess.Popen(
            [*command, "--output", str(self.output), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell starts what it puts into the background with SIGINT ignored, and that is
            # handed down to here: Ctrl-C would be tested against a process that cannot hear it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env=os.environ | {_MARK: self._mark, "TMPDIR": str(self.scratch), "COLUMNS": "160"},
        )
        return self._process

    def run(self, *options: str) -> tuple[int, str]:
        process = self.start(*options)
        text, _ = process.communicate(timeout=500)
        return process.returncode, text

    def processes_left(self) -> list[str]:
        """Command lines of what still runs of all that the command started."""
        wanted = f"{_MARK}={self._mark}".encode()
        return [p.command for p in _processes() if wanted in p.environment]

    def files_left(self) -> list[str]:
        """Temporary folders that were not removed."""
        return [path.name for path in self.scratch.iterdir() if path.name.startswith("loudly-")]

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.communicate()


class _Process(NamedTuple):
    command: str
    environment: bytes


def _processes() -> Iterator[_Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            yield _Process(command, (folder / "environ").read_bytes())
        except OSError:
            continue  # it has ended meanwhile, or belongs to another user
