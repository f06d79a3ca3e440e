"""Other libraries, each in a process and an environment of its own, which answers with JSON."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from scripts.bench.environments import ALIBI, RIVER, python_of
from scripts.bench.harness import ROOT

_PEERS = {peer.name: peer for peer in (ALIBI, RIVER)}
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


class PeerFailedError(Exception):
    """A peer's process ended without an answer."""


def ask(peer: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request to the worker of a peer, and wait for what it answers.

    The worker starts with the first request of this process.

    Raises
    ------
    PeerFailedError
        If it ends without an answer.
    PeerUnavailableError
        If its environment cannot be made.
    """
    process, log = _started(peer)
    to_worker, from_worker = process.stdin, process.stdout
    assert to_worker is not None  # both are pipes
    assert from_worker is not None
    try:
        to_worker.write(json.dumps(request) + "\n")
        to_worker.flush()
        line = from_worker.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        raise PeerFailedError(f"{peer}: {log.read_text().strip()[-2_000:]}")
    answer: dict[str, Any] = json.loads(line)
    return answer


def environment_of(peer: str) -> Path:
    """Give the interpreter of a peer; its environment is made where it is missing.

    Raises
    ------
    PeerUnavailableError
        If it cannot be made.
    """
    return python_of(_PEERS[peer])


@lru_cache
def _started(peer: str) -> tuple[subprocess.Popen[str], Path]:
    handle, name = tempfile.mkstemp(prefix=f"loudly-{peer}-", suffix=".log")
    with os.fdopen(handle, "w") as errors:
        process = subprocess.Popen(
            [environment_of(peer), "-m", f"scripts.run_times.workers.{peer}"],
            cwd=ROOT,
            env={**os.environ, **_ONE_THREAD, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    atexit.register(_end, process, Path(name))
    return process, Path(name)


def _end(process: subprocess.Popen[str], log: Path) -> None:
    process.kill()
    process.communicate()
    log.unlink(missing_ok=True)
