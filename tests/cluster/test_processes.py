"""Child processes end with their parent, whatever happens to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flink_jobs.cluster.errors import ProcessFailedError
from flink_jobs.cluster.processes import (
    ManagedProcess,
    accepts_connections,
    free_ports,
    run_to_end,
    with_free_ports,
)
from scripts.shared.processes import process_group_members

# Starts a grandchild as Flink's TaskManager starts Python workers.
_FAMILY = ["/bin/sh", "-c", "sleep 600 & echo started; wait"]
_STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.1; done"]
_PARENT = """
import sys, time
from pathlib import Path
from flink_jobs.cluster.processes import ManagedProcess
scratch = Path(sys.argv[1])
child = ManagedProcess(
    "child", ["/bin/sh", "-c", "sleep 600 & sleep 600"], log=scratch / "log", cwd=scratch
)
print(child.pid, flush=True)
time.sleep(600)
"""


def _start(command: list[str], folder: Path) -> ManagedProcess:
    log = folder / "child.log"
    process = ManagedProcess("the child", command, log=log, cwd=folder)
    process.wait_until(lambda: "started" in log.read_text(), timeout_s=30)
    return process


def _wait_until_gone(group: int) -> None:
    deadline = time.monotonic() + 30
    while process_group_members(group):
        assert time.monotonic() < deadline, f"group {group} still has members"
        time.sleep(0.02)


def test_stopping_ends_grandchildren_too(tmp_path: Path) -> None:
    with _start(_FAMILY, tmp_path) as process:
        assert len(process_group_members(process.pid)) == 2
    _wait_until_gone(process.pid)


def test_an_exception_in_the_body_ends_the_group(tmp_path: Path) -> None:
    with pytest.raises(KeyError), _start(_FAMILY, tmp_path) as process:
        raise KeyError
    _wait_until_gone(process.pid)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = _start(_STUBBORN, tmp_path)
    process.stop(grace_s=0.2)
    assert process.exit_status == -signal.SIGKILL


def test_a_parent_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        assert process_group_members(group)
        os.kill(parent.pid, signal.SIGKILL)
    _wait_until_gone(group)


def test_an_early_end_shows_the_log_and_where_it_lies(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    command = ["/bin/sh", "-c", "echo no such port; exit 3"]
    with (
        ManagedProcess("the child", command, log=log, cwd=tmp_path) as process,
        pytest.raises(ProcessFailedError) as caught,
    ):
        process.wait_until(lambda: False, timeout_s=30)
    message = str(caught.value)
    assert message == (
        f"the child ended early with exit status 3. The end of its log {log}:\nno such port"
    )


def test_a_process_that_never_gets_ready_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    with (
        ManagedProcess("the child", ["sleep", "600"], log=log, cwd=tmp_path) as process,
        pytest.raises(ProcessFailedError, match=r"was not ready after 0\.1 s"),
    ):
        process.wait_until(lambda: False, timeout_s=0.1)


def test_run_to_end_returns_the_exit_status(tmp_path: Path) -> None:
    status = run_to_end(
        "it", ["/bin/sh", "-c", "exit 7"], log=tmp_path / "log", cwd=tmp_path, timeout_s=30
    )
    assert status == 7


def test_free_ports_can_be_listened_on() -> None:
    for port in free_ports(5):
        with socket.create_server(("127.0.0.1", port)):
            assert accepts_connections(port)


def test_a_taken_port_leads_to_another_attempt() -> None:
    tried: list[int] = []

    def start(port: int) -> int:
        tried.append(port)
        if len(tried) < 3:
            raise ProcessFailedError("java.net.BindException: Address already in use")
        return port

    assert with_free_ports(1, start) == tried[2]


def test_another_failure_is_not_tried_again() -> None:
    tried: list[int] = []

    def start(port: int) -> None:
        tried.append(port)
        raise ProcessFailedError("out of memory")

    with pytest.raises(ProcessFailedError, match="out of memory"):
        with_free_ports(1, start)
    assert len(tried) == 1
