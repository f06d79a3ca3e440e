"""A real standalone Flink cluster as child processes on the loopback interface."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from flink_jobs.cluster.artefact import build_artefact
from flink_jobs.cluster.errors import EmbeddedError, FlinkRestError
from flink_jobs.cluster.flink_home import FlinkHome
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.processes import LOOPBACK, ManagedProcess, with_free_ports
from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.cluster.submission import submit_job

_START_TIMEOUT_S = 90.0

_SETTINGS = {
    "jobmanager.rpc.address": LOOPBACK,
    "jobmanager.bind-host": LOOPBACK,
    "jobmanager.memory.process.size": "1024m",
    "rest.address": LOOPBACK,
    "rest.bind-address": LOOPBACK,
    "taskmanager.host": LOOPBACK,
    "taskmanager.bind-host": LOOPBACK,
    "taskmanager.memory.process.size": "2600m",
    # A lost TaskManager is noticed after 10 s instead of 50 s.
    "heartbeat.interval": "2000",
    "heartbeat.timeout": "10000",
    # A fixed number of attempts is used up in seconds while there is no TaskManager.
    "restart-strategy.type": "exponential-delay",
    "restart-strategy.exponential-delay.initial-backoff": "1 s",
    "restart-strategy.exponential-delay.max-backoff": "10 s",
    "parallelism.default": "1",
}


class FlinkCluster:
    """A JobManager and TaskManagers, each its own process, from the installed wheel.

    Entering the context starts the JobManager and one TaskManager and waits until its slots are
    there; leaving it stops all processes and removes their files. Everything listens on 127.0.0.1
    alone, on free ports. The Kafka connector is in the library folder, and Flink's metric reporters
    are among the plugins. None runs without settings: that for Prometheus would listen on all
    interfaces, see ``docs/metrics.md``.

    Parameters
    ----------
    n_slots : int, default 2
        Slots of each TaskManager.
    settings : mapping of str to str, optional
        Flink settings that come on top of, or replace, those of this class.
    submit_by : callable, optional
        What submits jobs instead of :func:`flink_jobs.cluster.submission.submit_job`, with its
        parameters. Tests that submit many jobs have a client that stays.

    Raises
    ------
    MissingPrerequisiteError
        When apache-flink, Java 17 or the jars are missing.
    ProcessFailedError
        When a process does not start.

    Examples
    --------
    Starts processes, hence not run as a doctest; ``tests/embedded`` does the same::

        with FlinkCluster() as cluster:
            job_id = cluster.submit("flink_jobs.flink.job", ["--config", "/etc/job.toml"])
            cluster.rest.wait_running(job_id)
    """

    def __init__(
        self,
        *,
        n_slots: int = 2,
        settings: Mapping[str, str] | None = None,
        submit_by: Callable[..., str] = submit_job,
    ) -> None:
        self._n_slots = n_slots
        self._submit_by = submit_by
        self._own_settings = dict(settings or {})
        self._jars = find_jars("flink")
        self._directory: Path | None = None
        self._flink: FlinkHome | None = None
        self._rest_port = 0
        self._job_manager: ManagedProcess | None = None
        self._task_managers: list[ManagedProcess] = []
        self._n_started = 0

    @property
    def jobmanager(self) -> str:
        """Host and port of the REST interface, as Flink's client wants it."""
        return f"{LOOPBACK}:{self._rest_port}"

    @property
    def rest_url(self) -> str:
        """Address of the REST interface and of the web page."""
        return f"http://{self.jobmanager}"

    @property
    def rest(self) -> FlinkRest:
        """A client for the REST interface."""
        return FlinkRest(self.rest_url)

    @property
    def directory(self) -> Path:
        """Holds checkpoints, savepoints, logs and temporary files while the cluster runs."""
        if self._directory is None:
            raise EmbeddedError("the Flink cluster has not been started")
        return self._directory

    @property
    def logs(self) -> Path:
        """Folder of the processes' log files; Python workers write to the TaskManagers'."""
        return self._home().logs

    @property
    def pids(self) -> list[int]:
        """Process ids of the running JobManager and TaskManagers."""
        processes = [*filter(None, [self._job_manager]), *self._task_managers]
        return [process.pid for process in processes]

    def submit(
        self,
        module: str,
        args: Sequence[str] = (),
        *,
        python_files: Sequence[Path] = (),
        savepoint: str | None = None,
    ) -> str:
        """Ship the installed code, start a job and return its id.

        Parameters and errors are those of :func:`flink_jobs.cluster.submission.submit_job`.
        """
        return self._submit_by(
            self.jobmanager,
            module,
            build_artefact(self.directory / "artefacts"),
            args,
            jars=self._jars,
            python_files=python_files,
            savepoint=savepoint,
        )

    def start_task_manager(self) -> int:
        """Start one more TaskManager, wait until it is registered and return its process id."""
        # By name, not by count: a killed TaskManager is counted until its heartbeat times out.
        self._n_started += 1
        name = f"taskmanager-{self._n_started}"
        process = self._launch_task_manager(name)
        self._task_managers.append(process)
        process.wait_until(lambda: name in self._registered(), timeout_s=_START_TIMEOUT_S)
        return process.pid

    def kill_task_manager(self) -> int:
        """End the TaskManager started last, with its Python workers, by SIGKILL.

        Returns
        -------
        int
            The process id that it had.

        Raises
        ------
        EmbeddedError
            When none runs.
        """
        if not self._task_managers:
            raise EmbeddedError("no TaskManager runs")
        process = self._task_managers.pop()
        process.kill()
        return process.pid

    def kill_job_manager(self) -> int:
        """End the JobManager by SIGKILL and return the process id that it had."""
        if self._job_manager is None:
            raise EmbeddedError("no JobManager runs")
        process, self._job_manager = self._job_manager, None
        process.kill()
        return process.pid

    def start_job_manager(self) -> int:
        """Start the JobManager again on the same ports; it does not remember its jobs."""
        return self._launch_job_manager().pid

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="loudly-flink-"))
        try:
            self._flink = FlinkHome(self._directory, {}, self._jars)
            with_free_ports(2, self._configure_and_launch)
            self.start_task_manager()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clean_up()

    def _configure_and_launch(self, rest_port: int, rpc_port: int) -> None:
        self._rest_port = rest_port
        self._home().write_settings(
            {
                **_SETTINGS,
                "rest.port": str(rest_port),
                "jobmanager.rpc.port": str(rpc_port),
                "taskmanager.numberOfTaskSlots": str(self._n_slots),
                "execution.checkpointing.dir": (self.directory / "checkpoints").as_uri(),
                "execution.checkpointing.savepoint-dir": (self.directory / "savepoints").as_uri(),
                "io.tmp.dirs": str(self._scratch("shared")),
                "python.executable": sys.executable,
                "python.client.executable": sys.executable,
                **self._own_settings,
            }
        )
        self._launch_job_manager()

    def _launch_job_manager(self) -> ManagedProcess:
        process = self._launch("jobmanager.sh", "jobmanager")
        self._job_manager = process
        try:
            process.wait_until(self._answers, timeout_s=_START_TIMEOUT_S)
        except BaseException:
            self.kill_job_manager()
            raise
        return process

    def _launch_task_manager(self, name: str) -> ManagedProcess:
        # A folder of its own: a killed TaskManager leaves its temporary files behind.
        scratch = self._scratch(name)
        options = ["-D", f"taskmanager.resource-id={name}", "-D", f"io.tmp.dirs={scratch}"]
        return self._launch("taskmanager.sh", name, *options)

    def _launch(self, script: str, name: str, *options: str) -> ManagedProcess:
        home = self._home()
        return ManagedProcess(
            f"Flink's {name}",
            [home.script(script), "start-foreground", *options],
            log=home.logs / f"{name}.log",
            cwd=home.work,
            env=home.environment(),
        )

    def _scratch(self, name: str) -> Path:
        scratch = self.directory / "tmp" / name
        scratch.mkdir(parents=True, exist_ok=True)
        return scratch

    def _answers(self) -> bool:
        try:
            self.rest.overview()
        except FlinkRestError:
            return False
        return True

    def _registered(self) -> list[str]:
        return [str(each["id"]) for each in self.rest.task_managers()]

    def _home(self) -> FlinkHome:
        if self._flink is None:
            raise EmbeddedError("the Flink cluster has not been started")
        return self._flink

    def _clean_up(self) -> None:
        for process in [*self._task_managers, *filter(None, [self._job_manager])]:
            process.stop()
        self._task_managers.clear()
        self._job_manager = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._directory = self._flink = None
