"""A real Apache Kafka broker as one child process on the loopback interface."""

from __future__ import annotations

import base64
import contextlib
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Self

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from flink_jobs.cluster.errors import EmbeddedError, ProcessFailedError
from flink_jobs.cluster.jars import find_jars
from flink_jobs.cluster.prerequisites import find_java
from flink_jobs.cluster.processes import (
    LOOPBACK,
    ManagedProcess,
    accepts_connections,
    run_to_end,
    with_free_ports,
)

_START_TIMEOUT_S = 60.0
_REQUEST_TIMEOUT_MS = 30_000
# Bytes per second; more than any machine moves.
_NO_LIMIT = 1 << 50

_LOG_CONFIG = """\
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = Console
logger.started.name = kafka.server.KafkaRaftServer
logger.started.level = INFO
appender.console.type = Console
appender.console.name = Console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c)%n
"""

_SERVER_CONFIG = f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{LOOPBACK}:{{controller_port}}
listeners=PLAINTEXT://{LOOPBACK}:{{port}},CONTROLLER://{LOOPBACK}:{{controller_port}}
advertised.listeners=PLAINTEXT://{LOOPBACK}:{{port}}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={{data}}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# The default, one hour, would refuse events from a wrong clock; they belong to the dead letters.
log.message.timestamp.after.max.ms=9223372036854775807
# A broker restarted after SIGKILL waits for the session of its former self to end: with the
# default of 9 s a restart took 14 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# The default of 128 MiB is a quarter of this broker's heap; its compacted topics are tiny.
log.cleaner.dedupe.buffer.size=16777216
# With the default of 11 a limited client may run 10 s ahead of its limit.
quota.window.num=2
"""


class KafkaBroker:
    """Apache Kafka 4.1 as one KRaft process: broker and controller together.

    Entering the context formats a fresh folder, starts the process and waits until it answers;
    leaving it stops the process and removes the folder. It listens on 127.0.0.1 alone, without
    authentication: for tests and demonstrations.

    Parameters
    ----------
    jars : Path, optional
        Folder with the sub-folder ``kafka``; see :func:`flink_jobs.cluster.jars.find_jars`.
    heap_mb : int, default 512
        The largest Java heap, in MiB.

    Raises
    ------
    MissingPrerequisiteError
        When Java 17 or the jars are missing.
    ProcessFailedError
        When the broker does not start.

    Examples
    --------
    Starts processes, hence not run as a doctest; ``tests/embedded`` does the same::

        with KafkaBroker() as broker:
            broker.create_topic("inference", 4)
            print(broker.bootstrap_servers)
    """

    def __init__(self, jars: Path | None = None, *, heap_mb: int = 512) -> None:
        self._jars = find_jars("kafka", jars)
        self._java = str(find_java())
        self._heap_mb = heap_mb
        self._home: Path | None = None
        self._port = 0
        self._process: ManagedProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Host and port for clients; the same after a restart."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        return self._running_process().pid

    @property
    def log(self) -> Path:
        """The broker's log file."""
        return self._started_home() / "broker.log"

    def create_topic(
        self,
        name: str,
        n_partitions: int = 1,
        *,
        retention_ms: int = -1,
        max_message_bytes: int | None = None,
    ) -> None:
        """Create a topic that keeps the producers' timestamps.

        Parameters
        ----------
        name : str
            Name of the topic.
        n_partitions : int, default 1
            Number of partitions.
        retention_ms : int, default -1
            How long records are kept, by their own timestamps; -1 keeps all. Anything else
            deletes a replayed topic within seconds, since its event times lie in the past.
        max_message_bytes : int, optional
            The largest batch; Kafka's default when omitted.

        Raises
        ------
        EmbeddedError
            When the broker refuses, for one because the topic exists.
        """
        settings = {"retention.ms": str(retention_ms), "message.timestamp.type": "CreateTime"}
        if max_message_bytes is not None:
            settings["max.message.bytes"] = str(max_message_bytes)
        topic = NewTopic(name, n_partitions, 1, topic_configs=settings)
        try:
            with contextlib.closing(self._admin()) as admin:
                admin.create_topics([topic], timeout_ms=_REQUEST_TIMEOUT_MS, wait_for_metadata=True)
        except KafkaError as error:
            reason = type(error).__name__
            raise EmbeddedError(f"could not create topic {name!r}: {reason}") from error

    def kill(self) -> None:
        """End the broker at once with SIGKILL; its data stays for :meth:`restart`."""
        self._running_process().kill()
        self._process = None

    def pause(self) -> None:
        """Let the broker hang with SIGSTOP: connections stay open, nothing is answered."""
        self._running_process().pause()

    def resume(self) -> None:
        """Let a paused broker run on with SIGCONT."""
        self._running_process().resume()

    def limit_client(
        self,
        client_id: str,
        *,
        read_bytes_per_s: int | None = None,
        write_bytes_per_s: int | None = None,
    ) -> None:
        """Slow the clients of one id down by Kafka's quotas; without a rate, lift the limits.

        Parameters
        ----------
        client_id : str
            The ``client.id`` of consumers and producers.
        read_bytes_per_s, write_bytes_per_s : int, optional
            Bytes per second for all clients of that id together.

        Raises
        ------
        EmbeddedError
            When Kafka's tool fails.
        """
        wanted = {"consumer_byte_rate": read_bytes_per_s, "producer_byte_rate": write_bytes_per_s}
        # Kafka's tool refuses to delete a quota that is not there.
        rates = ",".join(f"{name}={rate or _NO_LIMIT}" for name, rate in wanted.items())
        log = self._started_home() / "quotas.log"
        # kafka-python has no quotas; Kafka's own tool, a JVM of its own, takes 2 s.
        status = run_to_end(
            "Kafka's configuration tool",
            [
                *self._java_command("kafka.admin.ConfigCommand"),
                *("--bootstrap-server", self.bootstrap_servers, "--alter", "--add-config", rates),
                *("--entity-type", "clients", "--entity-name", client_id),
            ],
            log=log,
            cwd=self._started_home(),
            timeout_s=_START_TIMEOUT_S,
        )
        if status != 0:
            raise EmbeddedError(f"could not limit the client {client_id!r}: {log.read_text()}")

    def restart(self) -> None:
        """Start again on the same data and ports, stopping the broker first if it runs."""
        if self._process is not None:
            self._process.stop()
        self._launch()

    def __enter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp(prefix="loudly-kafka-"))
        try:
            with_free_ports(2, self._format_and_launch)
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clean_up()

    def _format_and_launch(self, port: int, controller_port: int) -> None:
        home = self._started_home()
        self._port = port
        data = home / "data"
        shutil.rmtree(data, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        config = _SERVER_CONFIG.format(port=port, controller_port=controller_port, data=data)
        (home / "server.properties").write_text(config)
        (home / "log4j2.properties").write_text(_LOG_CONFIG)
        self._format()
        self._launch()

    def _format(self) -> None:
        log = self._started_home() / "format.log"
        status = run_to_end(
            "Kafka's storage tool",
            self._command("kafka.tools.StorageTool", "format", "-t", _new_cluster_id(), "-c"),
            log=log,
            cwd=self._started_home(),
            timeout_s=_START_TIMEOUT_S,
        )
        if status != 0:
            raise ProcessFailedError(f"could not format Kafka's storage: {log.read_text()}")

    def _launch(self) -> None:
        self._process = ManagedProcess(
            "the Kafka broker",
            self._command("kafka.Kafka"),
            log=self.log,
            cwd=self._started_home(),
        )
        try:
            self._process.wait_until(self._answers, timeout_s=_START_TIMEOUT_S)
        except BaseException:
            self._process.kill()
            self._process = None
            raise

    def _command(self, main_class: str, *arguments: str) -> list[str]:
        settings = str(self._started_home() / "server.properties")
        return [*self._java_command(main_class), *arguments, settings]

    def _java_command(self, main_class: str) -> list[str]:
        return [
            self._java,
            f"-Xmx{self._heap_mb}m",
            f"-Dlog4j2.configurationFile={self._started_home() / 'log4j2.properties'}",
            "-cp",
            ":".join(str(jar) for jar in self._jars),
            main_class,
        ]

    def _answers(self) -> bool:
        # The listener opens before the broker is registered, hence the question about brokers;
        # asking before the listener is open would fill the log with refused connections.
        if not accepts_connections(self._port):
            return False
        try:
            with contextlib.closing(self._admin()) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False

    def _admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(
            bootstrap_servers=self.bootstrap_servers, request_timeout_ms=_REQUEST_TIMEOUT_MS
        )

    def _running_process(self) -> ManagedProcess:
        if self._process is None:
            raise EmbeddedError("the Kafka broker is not running")
        return self._process

    def _started_home(self) -> Path:
        if self._home is None:
            raise EmbeddedError("the Kafka broker has not been started")
        return self._home

    def _clean_up(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None


def _new_cluster_id() -> str:
    # A leading dash would read as an option.
    return "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
