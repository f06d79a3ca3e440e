"""Starts what a job stands on, or takes what is there already, and stops it again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flink_jobs.cluster.errors import EmbeddedError
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.launch import require_cluster, wait_until_it_runs
from flink_jobs.cluster.prerequisites import find_java
from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker

# Flink hands metrics on every 10 s, which is long for somebody who watches how far a job is.
_CLUSTER_SETTINGS = {"metrics.fetcher.update-interval": "1000"}
# A machine with 2 cores that is busy otherwise took 72 s.
_START_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class RunningJob:
    """A submitted job and the way to ask about it."""

    job_id: str
    rest: FlinkRest


def require_parts(bootstrap_servers: str | None = None) -> None:
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
def several_parts() -> Iterator[contextlib.ExitStack]:
    """Hold parts, and let no further Ctrl-C disturb their end.

    Whoever presses it twice would leave temporary folders behind.
    """
    before = None
    try:
        with contextlib.ExitStack() as stack:
            try:
                yield stack
            finally:
                if threading.current_thread() is threading.main_thread():
                    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


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
    with FlinkCluster(settings=_CLUSTER_SETTINGS) as cluster:
        try:
            yield cluster.jobmanager
        finally:
            for log in cluster.logs.glob("*.log"):
                _keep(log, logs / f"flink-{log.name}")


@contextlib.contextmanager
def running_job(jobmanager: str, submit: Callable[[str], str]) -> Iterator[RunningJob]:
    """A job that ``submit`` sends to a JobManager; cancelled in the end.

    Raises
    ------
    EmbeddedError
        When it is refused or does not run; says why.
    """
    rest = FlinkRest(f"http://{jobmanager}")
    job_id = submit(jobmanager)
    try:
        wait_until_it_runs(jobmanager, job_id, timeout_s=_START_TIMEOUT_S)
        yield RunningJob(job_id, rest)
    finally:
        # A cluster that is gone takes its jobs along, and must not hide what went wrong here.
        with contextlib.suppress(EmbeddedError):
            rest.cancel(job_id, timeout_s=20)


def _keep(log: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        shutil.copyfile(log, copy)
