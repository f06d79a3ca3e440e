"""A real schema registry, Apicurio's, as a child process on the loopback interface."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flink_jobs.cluster.errors import MissingPrerequisiteError
from flink_jobs.cluster.prerequisites import find_java
from flink_jobs.cluster.processes import (
    LOOPBACK,
    ManagedProcess,
    accepts_connections,
    with_free_ports,
)

FOLDER = Path(__file__).parents[3] / "build" / "registry"
_START_TIMEOUT_S = 120.0


class Apicurio:
    """A running registry; its memory is gone when it ends.

    Attributes
    ----------
    url : str
        Of its interface that is compatible with Confluent's.
    process : ManagedProcess
    """

    def __init__(self, port: int, process: ManagedProcess) -> None:
        self.url = f"http://{LOOPBACK}:{port}/apis/ccompat/v7"
        self.process = process

    def register(self, subject: str, text: str, kind: str = "AVRO", references: Any = ()) -> int:
        """Register a schema, as a serialiser does; returns its number."""
        body = {"schema": text, "schemaType": kind, "references": list(references)}
        request = urllib.request.Request(
            f"{self.url}/subjects/{quote(subject, safe='')}/versions",
            json.dumps(body).encode(),
            {"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            number: int = json.load(response)["id"]
            return number


@contextmanager
def apicurio() -> Iterator[Apicurio]:
    """Start a registry, and stop it.

    Raises
    ------
    MissingPrerequisiteError
        When it has not been fetched.
    """
    jar = next(iter(sorted(FOLDER.glob("*-runner.jar"))), None)
    if jar is None:
        raise MissingPrerequisiteError(
            f"no registry in {FOLDER}: run `make build/registry/.checked`"
        )
    with tempfile.TemporaryDirectory(prefix="loudly-registry-") as folder:

        def start(port: int) -> Apicurio:
            command = [str(find_java()), "-Xmx384m", f"-Dquarkus.http.host={LOOPBACK}",
                       f"-Dquarkus.http.port={port}", "-jar", str(jar)]  # fmt: skip
            process = ManagedProcess(
                "the schema registry", command, log=Path(folder, "log"), cwd=Path(folder)
            )
            try:
                process.wait_until(lambda: accepts_connections(port), timeout_s=_START_TIMEOUT_S)
            except BaseException:
                process.stop()
                raise
            return Apicurio(port, process)

        registry = with_free_ports(1, start)
        try:
            yield registry
        finally:
            registry.process.stop()
