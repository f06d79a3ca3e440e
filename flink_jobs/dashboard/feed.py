"""One thread that follows the topics and tells the state."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from kafka.errors import KafkaError

from flink_jobs.dashboard.evidence import EvidenceFollower
from flink_jobs.dashboard.state import LiveState
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.reachable import require_reachable
from flink_jobs.kafka.statuses import EVERYTHING
from flink_jobs.kafka.tail import TailFollower
from flink_jobs.kafka.topics import require_topics
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.control import Audit
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.status import ModelStatus

Follower = TailFollower | EvidenceFollower

_POLL_S = 0.1
_RETRY_S = 2.0
_STOP_S = 10.0
# A client of Kafka tries again for ever and says nothing; a quiet topic looks the same.
_CHECK_AFTER_S = 10.0
_GIVEN_UP = (KafkaError, FollowError, OSError)


@dataclass(frozen=True, kw_only=True)
class Topics:
    """The topics that are followed.

    Attributes
    ----------
    bootstrap_servers : str
    alerts, scores : str
    audit : str or None
        None for a job that takes no commands.
    status : str or None
        None for a job that writes no status records. All of it is read: it is compacted.
    evidence : str or None
        None where the page shows no events. A page goes on without the topic.
    n_scores, n_alerts, n_evidence : int
        Records before the end of each partition to start from.
    properties : mapping of str to str
        Settings of the clients.
    """

    bootstrap_servers: str
    alerts: str = "drift-alerts"
    scores: str = "drift-scores"
    audit: str | None = None
    status: str | None = None
    evidence: str | None = None
    n_scores: int = 20_000
    n_alerts: int = 20_000
    # Of up to 0.9 MB each: of many more, most would be forgotten again.
    n_evidence: int = 200
    properties: Mapping[str, str] = field(default_factory=dict)


class Feed:
    """Follows scores, alerts, answers, status records and evidence until the context is left.

    Parameters
    ----------
    topics : Topics
    state : LiveState
        Told of every record.

    Attributes
    ----------
    is_history_read : bool
        Whether what lay on the topics at the start has been read.
    problem : str
        Why nothing comes, for people; empty when all is well.

    Raises
    ------
    FollowError
        On entering, when the brokers do not answer or a topic does not exist.
    """

    def __init__(self, topics: Topics, state: LiveState) -> None:
        self.is_history_read = False
        self.problem = ""
        self._topics = topics
        self._state = state
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loudly-feed", daemon=True)
        self._followers: Sequence[Follower] = ()
        self._stack = ExitStack()
        self._heard_s = self._checked_s = time.monotonic()

    def __enter__(self) -> Self:
        self._open()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(_STOP_S)

    def _open(self) -> None:
        topics = self._topics
        wanted: list[tuple[str | None, type[Any], int]] = [
            (topics.alerts, Alert, topics.n_alerts),
            (topics.audit, Audit, topics.n_alerts),
            (topics.status, ModelStatus, EVERYTHING),
            (topics.scores, Score, topics.n_scores),
        ]
        with ExitStack() as stack:
            followers: list[Follower] = [
                stack.enter_context(self._follower(topic, record_type, n_last))
                for topic, record_type, n_last in wanted
                if topic is not None
            ]
            if (topic := topics.evidence) is not None:
                make = partial(self._follower, topic, Evidence, topics.n_evidence)
                servers, properties = topics.bootstrap_servers, topics.properties
                require = partial(require_topics, servers, properties, reads=[topic])
                kept = EvidenceFollower(make, require, self._state.evidence)
                followers.append(stack.enter_context(kept))
            self._followers, self._stack = followers, stack.pop_all()

    def _follower(self, topic: str, record_type: type[Any], n_last: int) -> TailFollower:
        return TailFollower(
            self._topics.bootstrap_servers,
            topic,
            record_type,
            n_last=n_last,
            properties=self._topics.properties,
            on_undecodable=lambda _: self._state.skip(),
        )

    def _run(self) -> None:
        """Follow until stopped; what a client of Kafka gives up on is tried again."""
        while not self._stopped.is_set():
            try:
                self._follow()
            except _GIVEN_UP as error:
                self.problem = _words(error)
            self._stack.close()
            while not (self._stopped.wait(_RETRY_S) or self._is_open_again()):
                pass

    def _is_open_again(self) -> bool:
        try:
            self._open()
        except _GIVEN_UP as error:
            self.problem = _words(error)
            return False
        return True

    def _follow(self) -> None:
        busy: set[Follower] = set()
        while not self._stopped.is_set():
            busy = self._poll(busy)

    def _poll(self, busy: set[Follower]) -> set[Follower]:
        """Take what is new; which followers had something.

        Those that had nothing last time are not waited for while others had: two quiet topics, each
        waited for, held scores up to 500 records in 0.2 s.
        """
        came: set[Follower] = set()
        n_records = 0
        for follower in self._followers:
            is_awaited = not came and (not busy or follower in busy)
            records = follower.poll(_POLL_S if is_awaited else 0)
            self._state.take(records)
            n_records += len(records)
            if records:
                came.add(follower)
        self._look_after(n_records)
        return came

    def _look_after(self, n_records: int) -> None:
        now_s = time.monotonic()
        if not self.is_history_read:
            self.is_history_read = all(each.has_caught_up() for each in self._followers)
        if n_records:
            self._heard_s, self.problem = now_s, ""
        elif min(now_s - self._heard_s, now_s - self._checked_s) > _CHECK_AFTER_S:
            self._checked_s = now_s
            self.problem = self._unreachable()

    def _unreachable(self) -> str:
        try:
            require_reachable(self._topics.bootstrap_servers)
        except FollowError as error:
            return str(error)
        return ""


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error)
