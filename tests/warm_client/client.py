"""The side of the tests."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from flink_jobs.cluster.errors import SubmissionError
from flink_jobs.cluster.flink_home import FlinkHome
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.submission import useful_part
from tests.warm_client import process


class WarmClient:
    """Submits jobs to any cluster, from one process that starts with the first job.

    It has the Kafka connector among its libraries, and builds graphs by the code of the checkout;
    workers run the artefact, as ever.
    """

    def __init__(self) -> None:
        self._ends = contextlib.ExitStack()
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def submit_job(
        self,
        jobmanager: str,
        module: str,
        artefact: Path,
        args: Sequence[str] = (),
        *,
        jars: Sequence[Path] = (),
        ship_jar: Path | None = None,
        python_files: Sequence[Path] = (),
        savepoint: str | None = None,
        python: str = sys.executable,
    ) -> str:
        """Do what :func:`flink_jobs.cluster.submission.submit_job` does."""
        assert ship_jar is None, "what is sent along is for tests of the submission itself"
        host, _, port = jobmanager.rpartition(":")
        settings = {
            "rest.address": host,
            "rest.port": port,
            "python.files": ",".join(str(file.resolve()) for file in [artefact, *python_files]),
            "python.executable": python,
        }
        if savepoint is not None:
            settings["execution.state-recovery.path"] = savepoint
        answer = self._ask({"module": module, "arguments": list(args), "settings": settings})
        if "error" in answer:
            raise SubmissionError(f"could not submit {module}:\n{useful_part(answer['error'])}")
        return answer["job_id"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()
        self._process = None

    def _ask(self, request: dict[str, object]) -> dict[str, str]:
        with self._lock:
            running = self._running()
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write(json.dumps(request) + "\n")
            running.stdin.flush()
            line = running.stdout.readline()
        assert line, f"the client has ended with status {running.wait()}"
        answer: dict[str, str] = json.loads(line)
        return answer

    def _running(self) -> subprocess.Popen[str]:
        """Start the process at the first job: many a test process submits none."""
        if self._process is None:
            scratch = self._ends.enter_context(
                tempfile.TemporaryDirectory(prefix="loudly-warm-", ignore_cleanup_errors=True)
            )
            home = FlinkHome(Path(scratch), {}, find_jars("flink"))
            # Without a home PyFlink takes the libraries of its wheel alone, which has no connector.
            wheel = str(Path(home.script("flink")).parents[1])
            # It ends at the end of its input, and its JVM at the end of its own: none outlives us.
            self._process = self._ends.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", process.__name__, str(home.logs / "output.txt")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=Path(__file__).parents[2],
                    env=home.environment() | {"FLINK_HOME": wheel},
                )
            )
        return self._process
