"""Follows a topic of our records; duplicates and garbage do not get through."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypeVar

import msgspec
from kafka import KafkaConsumer

from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.properties import client_settings
from flink_jobs.kafka.recent_ids import RecentIds
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.control import Audit
from flink_jobs.records.dead_letters import DeadLetter

Record = TypeVar("Record", Alert, Score, DeadLetter, Audit)
Start = Literal["beginning", "end"]
Isolation = Literal["read_uncommitted", "read_committed"]

# The sinks flush at every checkpoint, so a replay after a failure repeats at most the records of
# one checkpoint interval: 100,000 ids (about 20 MB) cover 10 s at 10,000 records a second.
DEFAULT_CAPACITY = 100_000
_POLL_S = 0.25


@dataclass(frozen=True)
class Undecodable:
    """A record on the topic that is none of ours."""

    topic: str
    partition: int
    offset: int
    detail: str

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}: {self.detail}"


@dataclass
class FollowCounts:
    """What came in; ``received == delivered + duplicates + undecodable``."""

    received: int = 0
    delivered: int = 0
    duplicates: int = 0
    undecodable: int = 0


def identity(record: Alert | Score | DeadLetter | Audit) -> Hashable:
    """What two copies of one record have in common."""
    match record:
        case Alert():
            return record.alert_id
        case Score():
            return record.score_id
        case DeadLetter():
            return (record.partition, record.offset)
        case Audit():
            return record.audit_id


class RecordFollower(Generic[Record]):
    """Follows a topic and hands out each record once.

    Parameters
    ----------
    bootstrap_servers : str
        Host and port of one or more brokers, separated by commas.
    topic : str
        The topic, which must exist.
    record_type : type
        ``Alert``, ``Score``, ``DeadLetter`` or ``Audit``.
    start : {"beginning", "end"}, default "beginning"
        Where to start reading; a group that has committed goes on where it left off.
    isolation : {"read_uncommitted", "read_committed"}, default "read_committed"
        With ``read_committed`` only what a finished transaction wrote is seen. For a job that
        delivers at least once, both see the same.
    group_id : str, optional
        Commit positions for this group. Without it nothing is committed.
    properties : mapping of str to str, optional
        More settings of the client; see :mod:`flink_jobs.kafka.properties`.
    capacity : int, default 100_000
        How many identifiers are remembered to recognise duplicates.
    on_undecodable : callable, optional
        Told of each record that could not be decoded, which is then skipped.

    Attributes
    ----------
    counts : FollowCounts

    Raises
    ------
    FollowError
        On entering, when the brokers do not answer or the topic does not exist.
    ConfigError
        When a property is unknown or a secret cannot be resolved.

    Examples
    --------
    Needs a broker, hence not run as a doctest; ``tests/kafka`` does the same::

        with RecordFollower("127.0.0.1:9092", "drift-alerts", Alert) as alerts:
            for alert in alerts.follow():
                print(alert.model, alert.kind)
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        record_type: type[Record],
        *,
        start: Start = "beginning",
        isolation: Isolation = "read_committed",
        group_id: str | None = None,
        properties: Mapping[str, str] | None = None,
        capacity: int = DEFAULT_CAPACITY,
        on_undecodable: Callable[[Undecodable], None] | None = None,
    ) -> None:
        self.counts = FollowCounts()
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(record_type)
        self._recent = RecentIds(capacity)
        self._on_undecodable = on_undecodable or _ignore
        self._settings = {
            "group_id": group_id,
            "enable_auto_commit": group_id is not None,
            "auto_offset_reset": "earliest" if start == "beginning" else "latest",
            "isolation_level": isolation,
        } | client_settings(properties or {})
        self._consumer: KafkaConsumer | None = None

    def __enter__(self) -> Self:
        consumer = connect(KafkaConsumer, self._bootstrap_servers, self._settings)
        try:
            if not consumer.partitions_for_topic(self._topic):
                raise FollowError(
                    f"there is no topic {self._topic!r} on {self._bootstrap_servers}: start the "
                    "job first, or choose another topic"
                )
            consumer.subscribe([self._topic])
            # The first poll fixes the position, so that what is written from now on is not missed.
            while not consumer.assignment():
                consumer.poll(timeout_ms=0)
            for partition in consumer.assignment():
                consumer.position(partition)
        except BaseException:
            consumer.close()
            raise
        self._consumer = consumer
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def poll(self, timeout_s: float = _POLL_S) -> list[Record]:
        """The records that are new within ``timeout_s`` seconds; an empty list when none came."""
        if self._consumer is None:
            raise FollowError("the follower is used outside of its 'with' block")
        batches = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        messages = [message for batch in batches.values() for message in batch]
        return [record for message in messages if (record := self._take(message)) is not None]

    def follow(self, *, exit_when_idle_s: float | None = None) -> Iterator[Record]:
        """Yield records as they come.

        Parameters
        ----------
        exit_when_idle_s : float, optional
            Stop after this many seconds without a new record; never by default.
        """
        last_s = time.monotonic()
        while exit_when_idle_s is None or time.monotonic() - last_s < exit_when_idle_s:
            for record in self.poll():
                last_s = time.monotonic()
                yield record

    def _take(self, message: Any) -> Record | None:
        self.counts.received += 1
        try:
            record = self._decoder.decode(message.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self.counts.undecodable += 1
            self._on_undecodable(
                Undecodable(message.topic, message.partition, message.offset, str(error))
            )
            return None
        if not self._recent.add(identity(record)):
            self.counts.duplicates += 1
            return None
        self.counts.delivered += 1
        return record


def _ignore(_: Undecodable) -> None:
    """Counting is enough for callers that did not ask."""
