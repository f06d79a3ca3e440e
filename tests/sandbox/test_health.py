"""A job that fails is told of once, and one that has ended ends the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.cluster.errors import EmbeddedError, FlinkRestError
from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.sandbox import health as health_module
from flink_jobs.sandbox.health import Health
from flink_jobs.sandbox.parts import RunningJob

FAILURE = "Traceback (most recent call last):\n  File x\nValueError: no such column\n"


class Rest(FlinkRest):
    def __init__(self) -> None:
        self.state = "RUNNING"
        self.failures: list[str] = []
        self.is_gone = False

    def status(self, job_id: str) -> str:
        if self.is_gone:
            raise FlinkRestError("connection refused")
        return self.state

    def exceptions(self, job_id: str) -> list[str]:
        return self.failures


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Rest:
    class Clock:
        now_s = 0.0

        def monotonic(self) -> float:
            self.now_s += 1_000
            return self.now_s

    monkeypatch.setattr(health_module, "time", Clock())
    return Rest()


def health_of(rest: Any) -> Health:
    return Health(RunningJob("job", rest))


def test_a_job_that_runs_is_not_spoken_of(rest: Rest) -> None:
    assert health_of(rest).trouble() == ""


def test_each_failure_is_told_once(rest: Rest) -> None:
    health = health_of(rest)
    rest.failures = [FAILURE]

    first, second = health.trouble(), health.trouble()
    rest.failures = [FAILURE.replace("column", "file"), FAILURE]
    third = health.trouble()

    assert first.startswith("The job failed, and Flink starts it again: Traceback")
    assert "ValueError: no such column" in first
    assert second == ""
    assert "no such file" in third


def test_a_job_that_has_ended_is_an_error_that_says_why(rest: Rest) -> None:
    rest.state, rest.failures = "FAILED", [FAILURE]

    with pytest.raises(EmbeddedError, match=r"ended as FAILED: (.|\n)*no such column"):
        health_of(rest).trouble()


def test_a_cluster_that_is_gone_is_an_error(rest: Rest) -> None:
    rest.is_gone = True

    with pytest.raises(EmbeddedError, match="does not answer any more"):
        health_of(rest).trouble()
