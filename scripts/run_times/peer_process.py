"""Other libraries, each in a process and an environment of its own, which answers with JSON."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from scripts.bench.environments import ALIBI, RIVER, python_of
from scripts.bench.peer_process import PeerProcess

_PEERS = {peer.name: peer for peer in (ALIBI, RIVER)}


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
    return _started(peer).ask(request)


def environment_of(peer: str) -> Path:
    """Give the interpreter of a peer; its environment is made where it is missing.

    Raises
    ------
    PeerUnavailableError
        If it cannot be made.
    """
    return python_of(_PEERS[peer])


@lru_cache
def _started(peer: str) -> PeerProcess:
    handle, name = tempfile.mkstemp(prefix=f"loudly-{peer}-", suffix=".log")
    os.close(handle)
    module = f"scripts.run_times.workers.{peer}"
    process = PeerProcess(peer, environment_of(peer), module, log=Path(name))
    atexit.register(_end, process, Path(name))
    return process


def _end(process: PeerProcess, log: Path) -> None:
    process.stop()
    log.unlink(missing_ok=True)
