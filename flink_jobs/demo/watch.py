"""Watches a running job from outside: its three topics, and its state through REST."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from typing import Self

from flink_jobs.cluster.rest import FlinkRest
from flink_jobs.demo.errors import DemoError
from flink_jobs.demo.job_file import VIEWS, Topics
from flink_jobs.demo.outcome import Reported
from flink_jobs.demo.timing import END_MS
from flink_jobs.kafka.job_output import JobOutput, Written
from flink_jobs.records.alerts import Alert

_CHECK_JOB_S = 2.0


class Watch:
    """Gathers what the job writes.

    Parameters
    ----------
    bootstrap_servers : str
    topics : Topics
    on_alert : callable
        Told of each alert as it comes.
    """

    def __init__(
        self, bootstrap_servers: str, topics: Topics, on_alert: Callable[[Alert], None]
    ) -> None:
        self._on_alert = on_alert
        self._output = JobOutput(
            bootstrap_servers,
            alerts=topics.alerts,
            scores=topics.scores,
            dead_letters=topics.dead_letters,
        )
        self._seen = Written([], [], [])

    @property
    def reported(self) -> Reported:
        """Everything so far."""
        return Reported(*self._seen)

    def __enter__(self) -> Self:
        self._output.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._output.__exit__()

    def look(self, timeout_s: float = 0.0) -> None:
        """Take what has come, waiting for at most about ``timeout_s`` seconds."""
        new = self._output.poll(timeout_s)
        for alert in new.alerts:
            self._on_alert(alert)
        self._seen.alerts.extend(new.alerts)
        self._seen.scores.extend(new.scores)
        self._seen.dead_letters.extend(new.dead_letters)

    def unfinished(self, models: list[str]) -> list[str]:
        """The models whose last window has not been reported yet by every view."""
        finished = {(s.model, s.view) for s in self._seen.scores if s.window.end_ms == END_MS}
        return [model for model in models if not finished.issuperset(product([model], VIEWS))]


def wait_until_finished(
    watch: Watch, models: list[str], rest: FlinkRest, job_id: str, *, timeout_s: float
) -> None:
    """Wait until the last window of every model has been reported.

    Raises
    ------
    DemoError
        When the time is over first or the job has ended; says what the job complains about.
    """
    deadline = time.monotonic() + timeout_s
    next_check = 0.0
    while missing := watch.unfinished(models):
        watch.look(0.2)
        if time.monotonic() > deadline:
            raise DemoError(
                f"no result of the last window of {', '.join(missing)} after {timeout_s:g} s"
                + _complaint(rest, job_id)
            )
        if time.monotonic() > next_check:
            _refuse_failed(rest, job_id)
            next_check = time.monotonic() + _CHECK_JOB_S
    # The last scores are written after the last alerts of the same pane, but to another topic.
    watch.look(0.5)


def _refuse_failed(rest: FlinkRest, job_id: str) -> None:
    status = rest.status(job_id)
    if status in ("FAILED", "CANCELED", "FINISHED"):
        raise DemoError(f"the job has ended as {status}" + _complaint(rest, job_id))


def _complaint(rest: FlinkRest, job_id: str) -> str:
    exceptions = rest.exceptions(job_id)
    return f"; its last exception:\n{exceptions[0]}" if exceptions else ""
