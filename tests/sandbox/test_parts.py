"""What was started is stopped, whoever presses Ctrl-C how often."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from flink_jobs.sandbox.parts import several_parts


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """A shell starts what it puts into the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_ctrl_c_does_not_cut_the_clean_up_short() -> None:
    stopped = []

    def stop(part: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        stopped.append(part)

    with pytest.raises(KeyboardInterrupt):
        run_until_ctrl_c(stop)

    assert stopped == ["cluster", "broker"]


def run_until_ctrl_c(stop: Callable[[str], None]) -> None:
    with several_parts() as stack:
        stack.callback(stop, "broker")
        stack.callback(stop, "cluster")
        os.kill(os.getpid(), signal.SIGINT)


def test_afterwards_ctrl_c_is_heard_again() -> None:
    with several_parts():
        pass

    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
