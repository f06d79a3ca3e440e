"""Follows all that a running job writes."""

from __future__ import annotations

import contextlib
from typing import NamedTuple, Self

from flink_jobs.kafka.following import RecordFollower
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.dead_letters import DeadLetter


class Written(NamedTuple):
    """Records that a job has written since the last call, in the order in which they came."""

    alerts: list[Alert]
    scores: list[Score]
    dead_letters: list[DeadLetter]


class JobOutput:
    """The alerts, scores and dead letters of a job, from the beginning of their topics.

    Parameters
    ----------
    bootstrap_servers : str
    alerts, scores, dead_letters : str
        Names of topics.

    Raises
    ------
    FollowError
        On entering, when the brokers do not answer or a topic does not exist; from :meth:`poll`,
        when a topic cannot be read.
    """

    def __init__(
        self, bootstrap_servers: str, *, alerts: str, scores: str, dead_letters: str
    ) -> None:
        self._alerts = RecordFollower(bootstrap_servers, alerts, Alert)
        self._scores = RecordFollower(bootstrap_servers, scores, Score)
        self._dead_letters = RecordFollower(bootstrap_servers, dead_letters, DeadLetter)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for follower in (self._alerts, self._scores, self._dead_letters):
                stack.enter_context(follower)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def poll(self, timeout_s: float = 0.0) -> Written:
        """Take what has come, waiting for at most about ``timeout_s`` seconds for an alert."""
        return Written(
            self._alerts.poll(timeout_s), self._scores.poll(0.0), self._dead_letters.poll(0.0)
        )
