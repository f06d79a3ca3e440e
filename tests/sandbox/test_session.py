"""A session with a history, without a broker: what is said when, and how event time goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flink_jobs.kafka.job_output import Written
from flink_jobs.records.dead_letters import DeadLetter, Reason
from flink_jobs.sandbox import session as session_module
from flink_jobs.sandbox.session import Session
from tests.sandbox.test_history import CONFIG, START_MS, Clock, Sent, clock, history_of
from tests.sandbox.test_screen import Printed, printed

__all__ = ["clock", "printed"]


class Parts:
    """A broker, a job that is always up to date, and its output, in one."""

    def __init__(self, clock: Clock) -> None:
        self.sent = Sent()
        self.letters: list[DeadLetter] = []
        self.ctrl_c_at_s = float("inf")
        self._clock = clock

    def __enter__(self) -> Sent:
        return self.sent

    def __exit__(self, *_: object) -> None:
        pass

    def poll(self, timeout_s: float) -> Written:
        self._clock.sleep(timeout_s)
        if self._clock.now_s > self.ctrl_c_at_s:
            raise KeyboardInterrupt
        letters, self.letters = self.letters, []
        return Written([], [], letters)

    def trouble(self) -> str:
        return ""

    def event_time_ms(self) -> int:
        return self.sent.records[-1][2] - CONFIG.input.max_out_of_orderness_ms


@pytest.fixture
def parts(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Parts:
    parts = Parts(clock)
    monkeypatch.setattr(session_module, "time", clock)
    monkeypatch.setattr(session_module, "EventSender", lambda *_, **__: parts)
    return parts


def session_of(parts: Any, printed: Printed) -> Session:
    return Session(CONFIG, parts, parts, printed.screen)


def test_with_exit_at_end_it_is_over_when_the_last_windows_have_closed(
    tmp_path: Path, parts: Parts, printed: Printed
) -> None:
    with printed.screen:
        session_of(parts, printed).feed(history_of(tmp_path), CONFIG, speed=0, exit_at_end=True)

    *_, last_event, heartbeat = parts.sent.records
    assert last_event[2] == START_MS + 120_000
    assert heartbeat[2] > last_event[2] + CONFIG.window.size_ms  # type: ignore[union-attr]
    assert "The history is over, and the job has seen all of it" in printed.text
    assert "as time goes on" not in printed.text
    # The row without a time.
    assert printed.screen.dead_letters.total() == 1


def test_dead_letters_of_the_job_are_told_by_file_and_row(
    tmp_path: Path, parts: Parts, printed: Printed
) -> None:
    parts.letters = [
        DeadLetter(
            reason=Reason.LATE,
            detail="too late",
            model="churn",
            partition=0,
            offset=0,
            event_time_ms=START_MS,
        )
    ]

    with printed.screen:
        session_of(parts, printed).feed(history_of(tmp_path), CONFIG, speed=0, exit_at_end=True)

    assert "history.csv:1 late: too late" in printed.text


def test_of_a_history_that_ends_now_the_last_windows_close_as_time_goes_on(
    tmp_path: Path, parts: Parts, printed: Printed, clock: Clock
) -> None:
    history = history_of(tmp_path)
    shift_ms = history.shift_ms(0, int(clock.time() * 1000))
    parts.ctrl_c_at_s = 60.0

    with printed.screen, pytest.raises(KeyboardInterrupt):
        session_of(parts, printed).feed(history, CONFIG, speed=0, shift_ms=shift_ms)

    beats = [time_ms for key, _, time_ms in parts.sent.records if key and key.startswith(b"__")]
    events = [time_ms for key, _, time_ms in parts.sent.records if key == b"churn"]
    assert "The last windows close as time goes on." in printed.text
    assert beats == sorted(beats)
    assert beats[-1] > events[-1] + CONFIG.window.size_ms  # type: ignore[union-attr]
    assert beats[-1] <= clock.time() * 1000
