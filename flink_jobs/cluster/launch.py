"""Submits the drift job to a cluster: the installed code is shipped along as an artefact."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from flink_jobs.cluster.artefact import build_artefact
from flink_jobs.cluster.errors import FlinkRestError
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.cluster.submission import DRIFT_JOB, submit_job
from flink_jobs.kafka.ranges import RangeJob, encode_range_job

_ADDRESS = re.compile(r"[^\s/@]+:[0-9]{1,5}")


def submit_drift_job(
    jobmanager: str,
    job_file: Path,
    *,
    savepoint: str | None = None,
    ship_connector: bool = False,
    python: str = sys.executable,
) -> str:
    """Submit the job that a configuration file describes and return its id.

    Parameters
    ----------
    jobmanager : str
        Host and port of the cluster's REST interface.
    job_file : Path
        The configuration.
    savepoint : str, optional
        A savepoint or retained checkpoint to go on from.
    ship_connector : bool, default False
        Whether Flink's Kafka connector goes along, for a cluster that has none among its libraries.
    python : str, optional
        The interpreter of the workers on the cluster, which must have Loudly's dependencies.

    Raises
    ------
    EmbeddedError
        When something is not installed, or the cluster or the job refuses.
    """
    arguments = ["--config", str(job_file.resolve())]
    return _submit(jobmanager, arguments, savepoint, ship_connector, python)


def submit_range_job(
    jobmanager: str,
    job: RangeJob,
    *,
    ship_connector: bool = False,
    python: str = sys.executable,
) -> str:
    """Submit a drift job over a part of its topic and return its id.

    Parameters and errors are those of :func:`submit_drift_job`.
    """
    with tempfile.TemporaryDirectory(prefix="loudly-range-") as scratch:
        path = Path(scratch, "job.json")
        path.write_bytes(encode_range_job(job))
        return _submit(jobmanager, ["--range-job", str(path)], None, ship_connector, python)


def _submit(
    jobmanager: str, arguments: list[str], savepoint: str | None, ship_connector: bool, python: str
) -> str:
    require_cluster(jobmanager)
    connector = find_jars("flink")
    with tempfile.TemporaryDirectory(prefix="loudly-artefact-") as scratch:
        return submit_job(
            jobmanager,
            DRIFT_JOB,
            build_artefact(Path(scratch)),
            arguments,
            jars=[] if ship_connector else connector,
            ship_jar=connector[0] if ship_connector else None,
            savepoint=savepoint,
            python=python,
        )


def require_cluster(jobmanager: str) -> None:
    """Check that a cluster answers, which takes Flink's client a minute and a page to say.

    Parameters
    ----------
    jobmanager : str
        Host and port of the cluster's REST interface.

    Raises
    ------
    FlinkRestError
        When the address is none, or none answers there.

    Examples
    --------
    >>> require_cluster("localhost")
    Traceback (most recent call last):
        ...
    flink_jobs.cluster.errors.FlinkRestError: 'localhost' is no address of a JobManager: host:port
    """
    if not _ADDRESS.fullmatch(jobmanager):
        raise FlinkRestError(f"{jobmanager!r} is no address of a JobManager: host:port")
    try:
        FlinkRest(f"http://{jobmanager}").overview()
    except FlinkRestError as error:
        raise FlinkRestError(
            f"no Flink cluster answers at {jobmanager} ({error}): start one, or choose another "
            "--jobmanager"
        ) from error
