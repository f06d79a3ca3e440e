"""Reads the topic of status records: the last record of each model."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.tail import TailFollower
from flink_jobs.kafka.topics import require_topics
from flink_jobs.records.status import ModelStatus

EVERYTHING = 2**62
"""A number of records that no partition holds."""
_POLL_S = 0.25
_ADVICE = (
    "check the name, or set kafka.status_topic in the job's file and start the job with "
    "--create-topics"
)


class Statuses(NamedTuple):
    """The contents of a topic of status records.

    Attributes
    ----------
    last : dict of str to ModelStatus
        By model.
    n_records, n_undecodable : int
        Records read, and how many of them are not status records.
    """

    last: dict[str, ModelStatus]
    n_records: int
    n_undecodable: int


def read_statuses(
    bootstrap_servers: str,
    topic: str,
    properties: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> Statuses:
    """Read a topic as far as it reaches now.

    Parameters
    ----------
    bootstrap_servers, topic : str
    properties : mapping of str to str, optional
        Settings of the client; see :mod:`flink_jobs.kafka.properties`.
    timeout_s : float, default 60
        For all of it.

    Raises
    ------
    FollowError
        When the brokers do not answer, the topic does not exist, or the time is over first.
    ConfigError
        When a property is wrong.
    """
    require_topics(bootstrap_servers, properties or {}, reads=[topic], advice=_ADVICE)
    found = _Last()
    deadline_s = time.monotonic() + timeout_s
    follower = TailFollower(
        bootstrap_servers,
        topic,
        ModelStatus,
        n_last=EVERYTHING,
        properties=properties,
        on_tombstone=lambda model: found.remove(model, follower.counts.delivered),
    )
    with follower:
        while not follower.has_caught_up():
            found.take(follower.poll(_POLL_S))
            if time.monotonic() > deadline_s:
                raise FollowError(
                    f"the topic {topic!r} on {bootstrap_servers} could not be read to its end "
                    f"within {timeout_s:g} s: give --timeout-s more"
                )
    return Statuses(found.last, follower.counts.received, follower.counts.undecodable)


class _Last:
    """The last status of each model, of records that come in batches with tombstones among them."""

    def __init__(self) -> None:
        self.last: dict[str, ModelStatus] = {}
        self._n_taken = 0
        self._removed: deque[tuple[int, str]] = deque()

    def remove(self, model: str, n_before: int) -> None:
        """Note a tombstone that comes after so many records."""
        self._removed.append((n_before, model))

    def take(self, batch: Sequence[ModelStatus]) -> None:
        """Take records, and what tombstones between them remove."""
        for status in batch:
            self._remove_until(self._n_taken)
            self.last[status.model] = status
            self._n_taken += 1
        self._remove_until(self._n_taken)

    def _remove_until(self, n_taken: int) -> None:
        while self._removed and self._removed[0][0] <= n_taken:
            self.last.pop(self._removed.popleft()[1], None)
