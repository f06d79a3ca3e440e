"""A process in a peer's environment that answers one request at a time, both as lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.bench.harness import ROOT

_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


class PeerFailedError(Exception):
    """A peer's process ended without an answer."""


class PeerProcess:
    """Starts a module in a peer's environment, on one thread, and asks it.

    Parameters
    ----------
    name : str
        Of the peer, for messages.
    python : Path
        The interpreter of its environment.
    arguments : str or Path
        The module and what it takes.
    log : Path
        Takes what it writes besides answers.
    """

    def __init__(self, name: str, python: Path, *arguments: str | Path, log: Path) -> None:
        self._name = name
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [python, "-m", *arguments],
                cwd=ROOT,
                env={**os.environ, **_ONE_THREAD, "PYTHONWARNINGS": "ignore"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request, and wait for its answer.

        Raises
        ------
        PeerFailedError
            If the process ends without one.
        """
        to_peer, from_peer = self._process.stdin, self._process.stdout
        assert to_peer is not None  # both are pipes
        assert from_peer is not None
        try:
            to_peer.write(json.dumps(request) + "\n")
            to_peer.flush()
            line = from_peer.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise PeerFailedError(f"{self._name}: {self._log.read_text().strip()[-2_000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._process.communicate()
