"""The driver's side of a worker: a process that answers one request at a time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.bench.environments import Peer
from scripts.bench.peer_process import PeerProcess


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
        module = f"scripts.bench.detectors.workers.{peer.name}"
        self._process = PeerProcess(peer.name, python, module, data, log=log)

    def prepare(self, name: str, case: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Have a case built under ``name``; returns what the worker has to say of it."""
        request = {"do": "prepare", "name": name, "case": case, "parameters": parameters}
        return self._process.ask(request)

    def run(self, name: str) -> dict[str, Any]:
        """One timed call: ``{"seconds": ..., "value": {...}}``."""
        return self._process.ask({"do": "run", "name": name})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stop()
