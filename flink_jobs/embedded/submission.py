"""Submitting a PyFlink job to a running cluster through Flink's own client."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flink_jobs.embedded.errors import SubmissionError
from flink_jobs.embedded.flink_home import FlinkHome
from flink_jobs.embedded.processes import run_to_end, tail

_JOB_ID = re.compile(r"Job has been submitted with JobID ([0-9a-f]{32})")
_TRACEBACK = "Traceback (most recent call last):"


def submit_job(
    jobmanager: str,
    module: str,
    artefact: Path,
    args: Sequence[str] = (),
    *,
    jars: Sequence[Path] = (),
    ship_jars: bool = False,
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
        The module that builds the job when run, for example ``flink_jobs.flink.drift_job``.
    artefact : Path
        The code to ship; see :func:`flink_jobs.embedded.artefact.build_artefact`.
    args : sequence of str, optional
        Arguments of the module. Paths must be absolute: the client runs in an empty folder.
    jars : sequence of Path, optional
        Libraries that the client needs to lay out the job, such as the Kafka connector.
    ship_jars : bool, default False
        Whether the jars are sent to the cluster as well; not for a cluster that has them in its
        library folder, where two copies of a class would meet.
    python_files : sequence of Path, optional
        More modules or archives to ship.
    savepoint : str, optional
        A savepoint or retained checkpoint to start from.
    python : str, optional
        The interpreter, both of the client here and of the workers on the cluster.
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
    >>> submit_job(  # doctest: +SKIP
    ...     "127.0.0.1:8081",
    ...     "flink_jobs.flink.drift_job",
    ...     build_artefact(Path("build")),
    ...     ["--config", "/opt/loudly/job.toml"],
    ... )
    'd41b9a2c...'
    """
    with tempfile.TemporaryDirectory(prefix="loudly-submit-") as scratch:
        directory = Path(scratch)
        settings = {"python.executable": python, "python.client.executable": python}
        if ship_jars:
            settings["pipeline.jars"] = ";".join(jar.resolve().as_uri() for jar in jars)
        home = FlinkHome(directory, settings, jars)
        command = [home.script("flink"), "run", "--detached", "--jobmanager", jobmanager]
        if savepoint is not None:
            command += ["--fromSavepoint", savepoint]
        shipped = ",".join(str(file.resolve()) for file in [artefact, *python_files])
        command += ["-pyfs", shipped, "-pyclientexec", python, "-pyexec", python]
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
    """What a reader needs of the client's output: the Python traceback, or else the Java causes.

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
        lines = output[output.rindex(_TRACEBACK) :].splitlines()
        ends = (n for n, line in enumerate(lines) if line.startswith("org.apache.flink"))
        return "\n".join(lines[: next(ends, len(lines))]).strip()
    return "\n".join(line for line in output.splitlines() if line.startswith("Caused by:"))
