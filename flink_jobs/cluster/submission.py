"""Submitting a PyFlink job to a running cluster through Flink's own client."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flink_jobs.cluster.errors import SubmissionError
from flink_jobs.cluster.flink_home import FlinkHome
from flink_jobs.cluster.processes import run_to_end, tail

DRIFT_JOB = "flink_jobs.flink.job"
_JOB_ID = re.compile(r"Job has been submitted with JobID ([0-9a-f]{32})")
_TRACEBACK = "Traceback (most recent call last):"
_CLIENT_GIVES_UP = "org.apache.flink.client.program.ProgramAbortException"
_JAVA_FRAMES = ("\tat ", "\t... ")


def submit_job(
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
    timeout_s: float = 180.0,
) -> str:
    """Submit a job, detached, and return its id.

    Parameters
    ----------
    jobmanager : str
        Host and port of the cluster's REST interface, for example ``127.0.0.1:8081``.
    module : str
        The module that builds the job when run, for example ``flink_jobs.flink.job``.
    artefact : Path
        The code to ship; see :func:`flink_jobs.cluster.artefact.build_artefact`.
    args : sequence of str, optional
        Arguments of the module. Paths must be absolute: the client runs in an empty folder.
    jars : sequence of Path, optional
        Libraries that the cluster has in its library folder, such as the Kafka connector; the
        client needs them to lay out the job.
    ship_jar : Path, optional
        A library that the cluster has not; sent along with the job. Flink's client takes one.
    python_files : sequence of Path, optional
        More modules or archives to ship.
    savepoint : str, optional
        A savepoint or retained checkpoint to start from.
    python : str, optional
        The interpreter of the workers on the cluster; the client runs on this one.
    timeout_s : float, default 180
        For the whole submission.

    Returns
    -------
    str
        The job's id, 32 hexadecimal digits.

    Raises
    ------
    SubmissionError
        When the client fails; carries the last Python traceback, or else the first Java cause.
    ProcessFailedError
        When it takes too long.
    MissingPrerequisiteError
        When apache-flink or Java 17 is missing.

    Examples
    --------
    Needs a cluster, hence not run as a doctest; ``tests/embedded`` does the same::

        artefact = build_artefact(Path("build"))
        submit_job(
            "127.0.0.1:8081",
            "flink_jobs.flink.job",
            artefact,
            ["--config", "/opt/loudly/job.toml"],
        )
    """
    with tempfile.TemporaryDirectory(prefix="loudly-submit-") as scratch:
        directory = Path(scratch)
        home = FlinkHome(directory, {}, jars)
        command = [*home.client(), "run", "--detached", "--jobmanager", jobmanager]
        if savepoint is not None:
            command += ["--fromSavepoint", savepoint]
        shipped = ",".join(str(file.resolve()) for file in [artefact, *python_files])
        command += ["-pyfs", shipped, "-pyclientexec", sys.executable, "-pyexec", python]
        if ship_jar is not None:
            command += ["--jarfile", str(ship_jar.resolve())]
        command += ["-pym", module, *args]
        output = directory / "output.txt"
        run_to_end(
            "Flink's client",
            command,
            log=output,
            cwd=home.work,
            env=home.environment(),
            timeout_s=timeout_s,
        )
        return _job_id(output, module)


def _job_id(output: Path, module: str) -> str:
    text = output.read_text(errors="replace")
    match = _JOB_ID.search(text)
    if match is None:
        raise SubmissionError(f"could not submit {module}:\n{useful_part(text) or tail(output)}")
    return match.group(1)


def useful_part(output: str) -> str:
    """Pick the useful part of the client's output: the Python traceback, or else the Java causes.

    Examples
    --------
    >>> print(useful_part('''Job starts
    ... Traceback (most recent call last):
    ...   File "job.py", line 1, in <module>
    ... ValueError: no topic
    ... org.apache.flink.client.program.ProgramAbortException
    ...     at org.apache.flink.client.python.PythonDriver.main'''))
    Traceback (most recent call last):
      File "job.py", line 1, in <module>
    ValueError: no topic
    """
    if _TRACEBACK in output:
        text = output[output.rindex(_TRACEBACK) :].partition(_CLIENT_GIVES_UP)[0]
        kept = (line for line in text.splitlines() if not line.startswith(_JAVA_FRAMES))
        return "\n".join(kept).strip()
    return "\n".join(line for line in output.splitlines() if line.startswith("Caused by:"))
