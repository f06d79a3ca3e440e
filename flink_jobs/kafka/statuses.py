"""Reads the topic of status records: the last record of each model."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
    last: dict[str, ModelStatus] = {}
    deadline_s = time.monotonic() + timeout_s
    follower = TailFollower(
        bootstrap_servers,
        topic,
        ModelStatus,
        n_last=EVERYTHING,
        properties=properties,
        on_tombstone=lambda model: last.pop(model, None),
    )
    with follower:
        while not follower.has_caught_up():
            for status in follower.poll(_POLL_S):
                last[status.model] = status
            if time.monotonic() > deadline_s:
                raise FollowError(
                    f"the topic {topic!r} on {bootstrap_servers} could not be read to its end "
                    f"within {timeout_s:g} s: give --timeout-s more"
                )
    return Statuses(last, follower.counts.received, follower.counts.undecodable)
