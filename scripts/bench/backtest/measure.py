"""Runs backtests in processes of their own, and reads what they took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.bench.environments import ALIBI, NANNYML, Peer, python_of
from scripts.bench.harness import ROOT
from scripts.shared.processes import resident_bytes

PEERS = (ALIBI, NANNYML)
LABELS = {"alibi": "alibi-detect KSDrift in a loop", "nannyml": "NannyML in a loop"}
_POLL_S = 0.1


@dataclass(frozen=True)
class Run:
    """Time and memory of one run.

    Attributes
    ----------
    n_events, n_windows : int
    wall_s, cpu_s : float
        Without the start of the interpreter and imports; ``cpu_s`` of all processes.
    rss_bytes : int
        The most memory that all processes held together, shared pages counted for each.
    """

    label: str
    n_events: int
    n_windows: int
    wall_s: float
    cpu_s: float
    rss_bytes: int = 0

    @property
    def events_per_s(self) -> float:
        """By the clock."""
        return self.n_events / self.wall_s

    @property
    def cpu_s_per_event(self) -> float:
        """Processor time, which counts all processes."""
        return self.cpu_s / self.n_events


def run_ours(label: str, history: Path, folder: Path, processes: int) -> Run:
    """A backtest through the library, as ``loudly backtest`` runs it.

    Raises
    ------
    RuntimeError
        When it fails.
    """
    arguments = [str(history), str(folder), str(processes)]
    command = [sys.executable, "-m", "scripts.bench.backtest.ours", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watch = _MemoryWatch(process.pid)
    output, errors = process.communicate()
    most = watch.stop()
    if process.returncode:
        raise RuntimeError(errors[-2_000:])
    found = json.loads(output)
    return Run(label, **found, rss_bytes=most)


def run_peer(peer: Peer, history: Path, n_events: int) -> tuple[Run, list[dict[str, Any]]]:
    """A peer's loop over the same history, and what it found.

    Raises
    ------
    PeerUnavailableError
        When it cannot be installed.
    RuntimeError
        When it fails.
    """
    worker = Path(__file__).with_name("peers.py")
    command = [str(python_of(peer)), str(worker), peer.name, str(history)]
    # NannyML would tell its makers of every call, and take its time for it.
    silent = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=silent)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    found = json.loads(done.stdout)
    windows: list[dict[str, Any]] = found["windows"]
    label = LABELS[peer.name]
    return Run(label, n_events, len(windows), found["wall_s"], found["cpu_s"]), windows


class _MemoryWatch:
    """Looks every tenth of a second at what a process and its children hold."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._is_over.set()
        self._thread.join()
        return self._most

    def _look(self) -> None:
        while not self._is_over.is_set():
            self._most = max(self._most, sum(map(resident_bytes, _family(self._pid))))
            time.sleep(_POLL_S)


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]
