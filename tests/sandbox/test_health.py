"""A job that fails is told of once, and one that has ended ends the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from flink_jobs.cluster.errors import EmbeddedError, FlinkRestError
from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.sandbox import health as health_module
from flink_jobs.sandbox.health import Health
from flink_jobs.sandbox.parts import RunningJob

# As Flink hands on what a Python worker raised, shortened.
FAILURE = """\
java.lang.RuntimeException: Error while waiting for BeamPythonFunctionRunner flush
\tat org.apache.flink.streaming.api.runners.python.beam.BeamPythonFunctionRunner.flush(B.java:8)
Caused by: java.lang.RuntimeException: Error received from SDK harness: Traceback \
(most recent call last):
  File "panes.py", line 58, in get_value
    raise ValueError("no such column")
ValueError: no such column

\tat java.base/java.util.concurrent.CompletableFuture.get(CompletableFuture.java:2095)
"""


class Rest(FlinkRest):
    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:8081")
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

    assert first == (
        "The job failed, and Flink starts it again: ValueError: no such column. "
        "All of it: http://127.0.0.1:8081/#/job/job/exceptions"
    )
    assert second == ""
    assert "no such file" in third


def test_a_failure_without_python_is_told_by_its_first_line(rest: Rest) -> None:
    rest.failures = ["org.apache.kafka.TimeoutException: no broker\n\tat org.x.y\nCaused by: z"]

    assert (
        "starts it again: org.apache.kafka.TimeoutException: no broker. All"
        in health_of(rest).trouble()
    )


def test_a_job_that_has_ended_is_an_error_that_says_why(rest: Rest) -> None:
    rest.state, rest.failures = "FAILED", [FAILURE]

    with pytest.raises(EmbeddedError, match="ended as FAILED: ValueError: no such column"):
        health_of(rest).trouble()


def test_a_cluster_that_is_gone_is_an_error(rest: Rest) -> None:
    rest.is_gone = True

    with pytest.raises(EmbeddedError, match="does not answer any more"):
        health_of(rest).trouble()
