"""The driver's side of a worker: a process that answers one request at a time."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.bench.environments import Peer
from scripts.bench.harness import ROOT

_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


class WorkerFailedError(Exception):
    """A worker ended without an answer."""


class Worker:
    """Starts a peer's worker and talks to it.

    Parameters
    ----------
    peer : Peer
        Names the worker's module.
    python : Path
        The interpreter of its environment.
    data : Path
        The ``.npz`` that it reads.
    log : Path
        Takes what it writes besides answers.
    """

    def __init__(self, peer: Peer, python: Path, data: Path, log: Path) -> None:
        self._name = peer.name
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [python, "-m", f"scripts.bench.detectors.workers.{peer.name}", data],
                cwd=ROOT,
                env={**os.environ, **_ONE_THREAD, "PYTHONWARNINGS": "ignore"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def prepare(self, name: str, case: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Have a case built under ``name``; returns what the worker has to say of it."""
        return self._ask({"do": "prepare", "name": name, "case": case, "parameters": parameters})

    def run(self, name: str) -> dict[str, Any]:
        """One timed call: ``{"seconds": ..., "value": {...}}``."""
        return self._ask({"do": "run", "name": name})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        to_worker, from_worker = self._process.stdin, self._process.stdout
        assert to_worker is not None  # both are pipes
        assert from_worker is not None
        try:
            to_worker.write(json.dumps(request) + "\n")
            to_worker.flush()
            line = from_worker.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerFailedError(f"{self._name}: {self._log.read_text().strip()[-2_000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
