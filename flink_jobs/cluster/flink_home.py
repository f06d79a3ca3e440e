"""The folders and settings that Flink's own scripts need, kept out of the Python installation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from flink_jobs.cluster.errors import MissingPrerequisiteError
from flink_jobs.cluster.prerequisites import find_java

# Flink and its Arrow and Kryo libraries reach into the JDK; Java 17 needs leave for each package.
_EXPORTS = (
    "java.rmi/sun.rmi.registry",
    "jdk.compiler/com.sun.tools.javac.api",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.compiler/com.sun.tools.javac.parser",
    "jdk.compiler/com.sun.tools.javac.tree",
    "jdk.compiler/com.sun.tools.javac.util",
    "java.security.jgss/sun.security.krb5",
)
_OPENS = (
    "java.base/java.lang",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/java.lang.reflect",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
)
_JAVA_OPTIONS = (
    *(f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTS),
    *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENS),
)

# Flink says at level INFO, several times a second while it reads a backlog, which partitions wait.
_LOG_CONFIG = """\
rootLogger.level = INFO
rootLogger.appenderRef.output.ref = Output
logger.waiting.name = org.apache.flink.streaming.api.operators.AbstractStreamOperator
logger.waiting.level = WARN
appender.output.name = Output
appender.output.type = Console
appender.output.layout.type = PatternLayout
appender.output.layout.pattern = %d{ISO8601} %-5p %c{1} %x - %m%n
"""
# The client's log goes to a file, which leaves its output to the answer and to errors.
_CLIENT_LOG_CONFIG = """\
rootLogger.level = INFO
rootLogger.appenderRef.output.ref = Output
appender.output.name = Output
appender.output.type = File
appender.output.fileName = ${sys:log.file}
appender.output.layout.type = PatternLayout
appender.output.layout.pattern = %d{ISO8601} %-5p %c{1} %x - %m%n
"""
# The client lives for seconds: with the quick compiler alone it takes 13 s of CPU time, not 24 s.
_SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# These would put modules of the caller before those that a job ships.
_REMOVED_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "FLINK_HOME", "HADOOP_CLASSPATH")


class FlinkHome:
    """A folder with configuration, libraries, logs and an empty working directory for Flink.

    Parameters
    ----------
    directory : Path
        Empty and owned by the caller, who removes it.
    settings : mapping of str to str
        Flink's configuration; the Java options for Java 17 are added.
    jars : iterable of Path
        Libraries next to Flink's own, for example the Kafka connector.

    Raises
    ------
    MissingPrerequisiteError
        When apache-flink is not installed, or Java 17 is missing.
    """

    def __init__(
        self, directory: Path, settings: Mapping[str, str], jars: Iterable[Path] = ()
    ) -> None:
        self._wheel = _flink_wheel()
        # Flink's scripts look in the same two places, but fail less clearly.
        self._java = find_java()
        self._directory = directory
        for name in ("conf", "lib", "log", "pid", "tmp", "work"):
            (directory / name).mkdir()
        self.write_settings(settings)
        self._write_log_configs()
        self._link_libraries(jars)

    @property
    def work(self) -> Path:
        """An empty folder: what lies in a worker's directory would shadow what a job ships."""
        return self._directory / "work"

    @property
    def logs(self) -> Path:
        """Folder of the log files."""
        return self._directory / "log"

    def script(self, name: str) -> str:
        """The path of one of Flink's scripts, such as ``jobmanager.sh``."""
        return str(self._wheel / "bin" / name)

    def client(self) -> list[str]:
        """The program and first arguments of Flink's client, without the script around it.

        The script ``flink`` starts two JVMs before the client's, 2 s of CPU time, to learn which
        options the client takes.
        """
        conf = self._directory / "conf" / "log4j-cli.properties"
        return [
            str(self._java),
            *_SHORT_LIVED,
            *self._java_options(),
            f"-Dlog.file={self.logs / 'client.log'}",
            f"-Dlog4j.configurationFile={conf.as_uri()}",
            "-classpath",
            ":".join(str(jar) for jar in sorted((self._directory / "lib").iterdir())),
            "org.apache.flink.client.cli.CliFrontend",
        ]

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Replace Flink's configuration."""
        lines = {**settings, "env.java.opts.all": " ".join(self._java_options())}.items()
        text = "".join(f"{key}: {value}\n" for key, value in lines)
        (self._directory / "conf" / "config.yaml").write_text(text)

    def environment(self) -> dict[str, str]:
        """The environment for Flink's scripts."""
        inherited = {k: v for k, v in os.environ.items() if k not in _REMOVED_VARIABLES}
        return inherited | {
            "FLINK_CONF_DIR": str(self._directory / "conf"),
            "FLINK_LIB_DIR": str(self._directory / "lib"),
            # What the client looks for its Python side in.
            "FLINK_OPT_DIR": str(self._wheel / "opt"),
            # Metric reporters lie here; the caller's own Flink may be another version.
            "FLINK_PLUGINS_DIR": str(self._wheel / "plugins"),
            "FLINK_LOG_DIR": str(self.logs),
            "FLINK_PID_DIR": str(self._directory / "pid"),
            "FLINK_IDENT_STRING": "loudly",
            # One thread a worker: several workers with a thread a core each would fight for cores.
            "OMP_NUM_THREADS": "1",
            # A Python worker has 40 threads. With a pool of memory for every few of them, malloc
            # kept 40 MiB more than was in use after 2 million events, and ever more.
            "MALLOC_ARENA_MAX": "1",
        }

    def _java_options(self) -> list[str]:
        # The client and native libraries unpack here; in /tmp their files would outlive us.
        return [*_JAVA_OPTIONS, f"-Djava.io.tmpdir={self._directory / 'tmp'}"]

    def _write_log_configs(self) -> None:
        conf = self._directory / "conf"
        (conf / "log4j-console.properties").write_text(_LOG_CONFIG)
        (conf / "log4j-cli.properties").write_text(_CLIENT_LOG_CONFIG)

    def _link_libraries(self, jars: Iterable[Path]) -> None:
        # With flink-python among the libraries its classes are loaded once; loaded by each job,
        # they filled the metaspace of a TaskManager by the sixth job.
        own = [*self._wheel.glob("lib/*.jar"), *self._wheel.glob("opt/flink-python-*.jar")]
        for jar in [*own, *jars]:
            (self._directory / "lib" / jar.name).symlink_to(jar.resolve())


def _flink_wheel() -> Path:
    # find_spec on a top-level package does not import it.
    spec = find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise MissingPrerequisiteError("apache-flink is not installed: run `make setup`")
    return Path(spec.origin).parent
