"""Child processes that never outlive their parent, each with its log file."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

from flink_jobs.cluster.errors import ProcessFailedError

LOOPBACK = "127.0.0.1"
_POLL_S = 0.05
_PORT_TAKEN = ("Address already in use", "BindException")
_Result = TypeVar("_Result")

# Waits for the end of its standard input, which comes when the parent is gone, however it went.
# PR_SET_PDEATHSIG would do less: it does not reach grandchildren (Flink's Python workers), and it
# fires when the *thread* that started the child ends.
# `kill -s KILL --`, since dash takes no `--` after `kill -KILL`.
_WATCHDOG = 'read -r _; kill -s KILL -- "-$1"'


class ManagedProcess:
    """A child process in its own process group.

    Standard output and error go to ``log``. Stopping reaches the whole group, so that what the
    child started ends with it; when the parent dies without stopping it, even by SIGKILL, a
    watchdog kills the group.

    Parameters
    ----------
    name : str
        Used in error messages.
    command : sequence of str
        Program and arguments.
    log : Path
        Appended to, so that a restarted process keeps its history.
    cwd : Path
        Working directory.
    env : mapping of str to str, optional
        The whole environment; the parent's when omitted.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as scratch:
    ...     log = Path(scratch, "echo.log")
    ...     with ManagedProcess("echo", ["echo", "ready"], log=log, cwd=Path(scratch)) as process:
    ...         process.wait_until(lambda: "ready" in log.read_text(), timeout_s=10)
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watchdog = _start_watchdog(self._process.pid)

    @property
    def pid(self) -> int:
        """The child's process id, which is also its group's id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The child's exit status; ``None`` while it runs."""
        return self._process.poll()

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until ``ready()`` holds.

        Raises
        ------
        ProcessFailedError
            When the process ends or the time is over first; carries the end of the log.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.exit_status is not None:
                # A brief program may have become ready and ended since the last look.
                if ready():
                    return
                raise self._error(f"ended early with exit status {self.exit_status}")
            if time.monotonic() > deadline:
                raise self._error(f"was not ready after {timeout_s:g} s")
            time.sleep(_POLL_S)

    def stop(self, grace_s: float = 10.0) -> None:
        """Ask the group to end with SIGTERM, and make it end after ``grace_s`` seconds."""
        if self.exit_status is None:
            _signal_group(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self.kill()

    def kill(self) -> None:
        """End the whole group at once with SIGKILL."""
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()
        # Last, so that nothing is left unwatched; not later, since the id may then be reused.
        self._watchdog.kill()
        self._watchdog.communicate()

    def pause(self) -> None:
        """Stop the whole group from running with SIGSTOP; its memory and sockets stay."""
        _signal_group(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused group run on with SIGCONT."""
        _signal_group(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _error(self, what: str) -> ProcessFailedError:
        return ProcessFailedError(
            f"{self.name} {what}. The end of its log {self.log}:\n{tail(self.log)}"
        )


def run_to_end(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float,
) -> int:
    """Run a command under the same guarantees and return its exit status.

    Raises
    ------
    ProcessFailedError
        When it takes longer than ``timeout_s`` seconds.
    """
    with ManagedProcess(name, command, log=log, cwd=cwd, env=env) as process:
        process.wait_until(lambda: process.exit_status is not None, timeout_s=timeout_s)
        return process.exit_status or 0


def with_free_ports(n_ports: int, start: Callable[..., _Result], *, attempts: int = 3) -> _Result:
    """Call ``start(*ports)`` with free loopback ports, again when one was taken meanwhile.

    Raises
    ------
    ProcessFailedError
        What ``start`` raised, when it was not about a taken port or in the last attempt.
    """
    for _ in range(attempts - 1):
        try:
            return start(*free_ports(n_ports))
        except ProcessFailedError as error:
            if not any(sign in str(error) for sign in _PORT_TAKEN):
                raise
    return start(*free_ports(n_ports))


def free_ports(n_ports: int) -> list[int]:
    """Distinct loopback TCP ports that nothing listens on now.

    Examples
    --------
    >>> len(set(free_ports(3)))
    3
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n_ports)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def accepts_connections(port: int) -> bool:
    """Say whether something listens on the loopback TCP port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def tail(path: Path, n_lines: int = 30) -> str:
    """The last lines of a text file; empty when there is none."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-n_lines:])


def _start_watchdog(group: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, "sh", str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
