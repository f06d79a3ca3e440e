"""Starts what the demonstration stands on, or takes what is there already."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flink_jobs.cluster.errors import EmbeddedError
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.launch import require_cluster, submit_drift_job
from flink_jobs.cluster.prerequisites import find_java
from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker


@dataclass(frozen=True)
class RunningJob:
    """A submitted job and the way to ask about it."""

    job_id: str
    rest: FlinkRest


def require_parts(bootstrap_servers: str | None) -> None:
    """Check that what is needed to start a job, and without a given broker also one, is there.

    Raises
    ------
    MissingPrerequisiteError
        When Java 17 or jars are missing; says how to get them.
    """
    find_java()
    find_jars("flink")
    if bootstrap_servers is None:
        find_jars("kafka")


@contextlib.contextmanager
def kafka_at(bootstrap_servers: str | None, logs: Path) -> Iterator[str]:
    """The address of a broker: the given one, or one that lives as long as the context."""
    if bootstrap_servers is not None:
        yield bootstrap_servers
        return
    with KafkaBroker() as broker:
        try:
            yield broker.bootstrap_servers
        finally:
            _keep(broker.log, logs / "kafka.log")


@contextlib.contextmanager
def flink_at(jobmanager: str | None, logs: Path) -> Iterator[str]:
    """The address of a JobManager: the given one, or one that lives as long as the context."""
    if jobmanager is not None:
        require_cluster(jobmanager)
        yield jobmanager
        return
    with FlinkCluster() as cluster:
        try:
            yield cluster.jobmanager
        finally:
            for log in cluster.logs.glob("*.log"):
                _keep(log, logs / f"flink-{log.name}")


@contextlib.contextmanager
def running_job(jobmanager: str, job_file: Path) -> Iterator[RunningJob]:
    """The drift job, shipped as an artefact of the installed code; cancelled in the end."""
    rest = FlinkRest(f"http://{jobmanager}")
    job_id = submit_drift_job(jobmanager, job_file)
    try:
        rest.wait_running(job_id)
        yield RunningJob(job_id, rest)
    finally:
        # A cluster that is gone takes its jobs along, and must not hide what went wrong here.
        with contextlib.suppress(EmbeddedError):
            rest.cancel(job_id, timeout_s=20)


def _keep(log: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        shutil.copyfile(log, copy)
