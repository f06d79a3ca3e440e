"""Submission of the drift job to a cluster: the installed code goes along as an artefact."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

from flink_jobs.cluster.artefact import build_artefact
from flink_jobs.cluster.errors import FlinkRestError
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.rest import ENDED, FlinkRest
from flink_jobs.cluster.submission import DRIFT_JOB, submit_job, useful_part
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.kafka.ranges import RangeJob, encode_range_job
from flink_jobs.kafka.topics import COMPACTED, create_missing_topics, require_topics

_ADDRESS = re.compile(r"[^\s/@]+:[0-9]{1,5}")
_POLL_S = 0.5


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
    """Submit a drift job whose configuration is not a file and return its id.

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


def topics_of(config: DriftJobConfig) -> tuple[list[str], list[str]]:
    """List the topics that the job reads, and those that it writes."""
    kafka = config.kafka
    reads = [kafka.inference_topic]
    writes = [kafka.alerts_topic, kafka.scores_topic, kafka.dead_letters_topic]
    if config.input.heartbeat_every_ms:
        writes.append(kafka.inference_topic)
    if kafka.control_topic is not None:
        reads.append(kafka.control_topic)
        writes.append(kafka.audit_topic)
    if kafka.evidence_topic is not None:
        writes.append(kafka.evidence_topic)
    if kafka.status_topic is not None:
        writes.append(kafka.status_topic)
    return reads, writes


def settings_of_topics(config: DriftJobConfig) -> dict[str, dict[str, str]]:
    """Return the settings of the job's topics that have some of their own, by name."""
    kafka = config.kafka
    topics = (kafka.status_topic, kafka.evidence_topic)
    return {topic: COMPACTED for topic in topics if topic is not None}


def require_job_topics(config: DriftJobConfig) -> None:
    """Check that all topics of a job exist and that it may use them.

    A job without one of them is restarted for ever, or writes into the void.

    Raises
    ------
    FollowError
        When a topic is missing or may not be used, or the brokers do not answer; says what to do.
    ConfigError
        When a Kafka property is wrong.
    """
    kafka = config.kafka
    reads, writes = topics_of(config)
    advice = (
        "give --create-topics to make them, with the broker's default number of partitions, or "
        "make each by: kafka-topics.sh --bootstrap-server "
        f"{kafka.bootstrap_servers} --create --config retention.ms=-1 --topic NAME"
    )
    for topic in settings_of_topics(config):
        advice += f", {topic} with --config cleanup.policy=compact"
    require_topics(
        kafka.bootstrap_servers, kafka.properties, reads=reads, writes=writes, advice=advice
    )


def create_job_topics(config: DriftJobConfig) -> list[str]:
    """Make those topics of a job that are missing; their names. Errors as above."""
    reads, writes = topics_of(config)
    kafka = config.kafka
    return create_missing_topics(
        kafka.bootstrap_servers,
        kafka.properties,
        [*reads, *writes],
        settings_of_topics(config),
    )


def wait_until_it_runs(jobmanager: str, job_id: str, *, timeout_s: float = 120.0) -> None:
    """Wait until all tasks of a new job run; a job that fails before is cancelled.

    Flink says that a job is running while it restarts it again and again.

    Parameters
    ----------
    jobmanager : str
    job_id : str
    timeout_s : float, default 120
        After it the job is left as it is.

    Raises
    ------
    FlinkRestError
        When a task fails or the time is over; says why.
    """
    rest = FlinkRest(f"http://{jobmanager}")
    deadline_s = time.monotonic() + timeout_s
    while True:
        job, failures = rest.job(job_id), rest.exceptions(job_id)
        if failures:
            if job["state"] not in ENDED:
                rest.cancel(job_id)
            reason = useful_part(failures[0]) or failures[0].partition("\n")[0]
            raise FlinkRestError(f"job {job_id} failed as it started, and was cancelled:\n{reason}")
        states = sorted({str(vertex["status"]) for vertex in job["vertices"]})
        # A job over a topic that ends may have ended already.
        if job["state"] == "FINISHED" or set(states) <= {"RUNNING", "FINISHED"}:
            return
        if time.monotonic() > deadline_s:
            raise FlinkRestError(
                f"job {job_id} does not run after {timeout_s:g} s: the job is {job['state']}, its "
                f"tasks are {', '.join(states)}. It was left there: check that the cluster has a "
                "free slot for each of job.parallelism, or give a longer --wait-s"
            )
        time.sleep(_POLL_S)


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
    flink_jobs.cluster.errors.FlinkRestError: 'localhost' is not the address of a JobManager: \
host:port
    """
    if not _ADDRESS.fullmatch(jobmanager):
        raise FlinkRestError(f"{jobmanager!r} is not the address of a JobManager: host:port")
    try:
        FlinkRest(f"http://{jobmanager}").overview()
    except FlinkRestError as error:
        raise FlinkRestError(
            f"no Flink cluster answers at {jobmanager} ({error}): start one, or choose another "
            "--jobmanager"
        ) from error
