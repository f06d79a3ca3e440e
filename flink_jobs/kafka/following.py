"""Follows a topic of our records; duplicates and garbage do not get through."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypeVar

import msgspec
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, IllegalStateError, KafkaError, RetriableError

from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.properties import client_settings
from flink_jobs.kafka.recent_ids import RecentIds
from flink_jobs.kafka.topics import require_topics
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.control import Audit
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.shown import shown
from flink_jobs.records.status import ModelStatus

Record = TypeVar("Record", Alert, Score, DeadLetter, Audit, ModelStatus)
Start = Literal["beginning", "end"]

# The sinks flush at every checkpoint, so a replay after a failure repeats at most the records of
# one checkpoint interval: 100,000 ids (about 20 MB) cover 10 s at 10,000 records a second.
DEFAULT_CAPACITY = 100_000
_POLL_S = 0.25
# The broker waits 45 s for a member that was killed.
_JOIN_S = 120.0


@dataclass(frozen=True)
class Undecodable:
    """A record on the topic that is none of ours."""

    topic: str
    partition: int
    offset: int
    detail: str

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}: {shown(self.detail)}"


@dataclass
class FollowCounts:
    """Counts of the records that came in; ``received == delivered + duplicates + undecodable``."""

    received: int = 0
    delivered: int = 0
    duplicates: int = 0
    undecodable: int = 0


def identity(record: Alert | Score | DeadLetter | Audit | Evidence | ModelStatus) -> Hashable:
    """Return what two copies of one record have in common."""
    match record:
        case Alert() | Evidence():
            return record.alert_id
        case Score():
            return record.score_id
        case DeadLetter():
            return (record.partition, record.offset, record.row)
        case Audit():
            return record.audit_id
        case ModelStatus():
            return record.status_id


class RecordFollower(Generic[Record]):
    """Follows a topic and hands out each record once.

    Parameters
    ----------
    bootstrap_servers : str
        Host and port of one or more brokers, separated by commas.
    topic : str
        The topic, which must exist.
    record_type : type
        ``Alert``, ``Score``, ``DeadLetter``, ``Audit`` or ``ModelStatus``.
    start : {"beginning", "end"}, default "beginning"
        Where to start reading; a group that has committed goes on where it left off.
    group_id : str, optional
        Commit the positions of the records that were used, for this group. Without it nothing is
        committed, and what comes while nobody follows is seen only from the beginning.
    properties : mapping of str to str, optional
        More settings of the client; see :mod:`flink_jobs.kafka.properties`.
    capacity : int, default 100_000
        How many identifiers are remembered to recognise duplicates.
    on_undecodable : callable, optional
        Told of each record that could not be decoded, which is then skipped.
    on_tombstone : callable, optional
        Told of each key whose last record somebody took away, where the topic is compacted. Left
        out, a record without a value is one that cannot be decoded.

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
        group_id: str | None = None,
        properties: Mapping[str, str] | None = None,
        capacity: int = DEFAULT_CAPACITY,
        on_undecodable: Callable[[Undecodable], None] | None = None,
        on_tombstone: Callable[[str], object] | None = None,
    ) -> None:
        self._on_tombstone = on_tombstone
        self.counts = FollowCounts()
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._start = start
        self._group_id = group_id
        self._decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(record_type)
        self._recent = RecentIds(capacity)
        self._on_undecodable = on_undecodable or _ignore
        self._properties = dict(properties or {})
        self._settings = client_settings(KafkaConsumer, self._properties) | {
            "group_id": group_id,
            "enable_auto_commit": False,
            # Also for partitions that are added later; the start is sought on entering.
            "auto_offset_reset": "earliest",
        }
        self._consumer: Any = None
        self._early: list[Any] = []
        self._used: dict[TopicPartition, int] = {}

    def __enter__(self) -> Self:
        require_topics(self._bootstrap_servers, self._properties, reads=[self._topic])
        consumer = connect(KafkaConsumer, self._bootstrap_servers, self._settings)
        try:
            self._join(consumer)
            self._place(consumer)
        except KafkaError as error:
            consumer.close()
            raise self._unreadable(error) from error
        except BaseException:
            consumer.close()
            raise
        self._consumer = consumer
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is None:
            return
        try:
            self._commit()
        finally:
            self._consumer.close()
            self._consumer = None

    def poll(self, timeout_s: float = _POLL_S) -> list[Record]:
        """The records that are new within ``timeout_s`` seconds; an empty list when none came.

        For followers without a group: nothing is committed.
        """
        messages = self._messages(timeout_s)
        return [record for message in messages if (record := self._take(message)) is not None]

    def follow(self, *, exit_when_idle_s: float | None = None) -> Iterator[Record]:
        """Yield records as they come.

        For a group, a record counts as used when the next one is asked for. Positions are committed
        after each batch and on leaving the block: a caller that is killed while it uses a record
        gets that record again.

        Parameters
        ----------
        exit_when_idle_s : float, optional
            Stop after this many seconds without a new record, where none waits at the broker; never
            by default.
        """
        last_s = time.monotonic()
        while (
            exit_when_idle_s is None
            or time.monotonic() - last_s < exit_when_idle_s
            or self._is_behind()
        ):
            for message in self._messages(_POLL_S):
                if (record := self._take(message)) is not None:
                    yield record
                    last_s = time.monotonic()
                self._used[_partition(message)] = message.offset + 1
            self._commit()

    def _messages(self, timeout_s: float) -> list[Any]:
        if self._consumer is None:
            raise FollowError("the follower is used outside of its 'with' block")
        early, self._early = self._early, []
        try:
            return early or _polled(self._consumer, timeout_s)
        except KafkaError as error:
            raise self._unreadable(error) from error

    def _is_behind(self) -> bool:
        """Tell whether records wait: a busy broker may take seconds to hand out the first."""
        if self._early:
            return True
        partitions = self._consumer.assignment()
        try:
            ends = self._consumer.end_offsets(partitions)
            return any((self._consumer.position(each) or 0) < ends[each] for each in partitions)
        except IllegalStateError:
            # The group took one of them away meanwhile.
            return True
        except KafkaError as error:
            raise self._unreadable(error) from error

    def _join(self, consumer: Any) -> None:
        """Wait until the partitions are known; a group may have none to give."""
        joined = _Joined()
        consumer.subscribe([self._topic], listener=joined if self._group_id else None)
        deadline_s = time.monotonic() + _JOIN_S
        while not (consumer.assignment() or joined.is_set()):
            if time.monotonic() > deadline_s:
                raise FollowError(
                    f"{self._bootstrap_servers} gave the group {self._group_id!r} no partitions "
                    f"within {_JOIN_S:.0f} s: check that the group is used for nothing else"
                )
            self._early += _polled(consumer, _POLL_S)

    def _place(self, consumer: Any) -> None:
        """Fix where reading starts, so that what is written from now on is not missed.

        The start of a group is committed at once: if its first follower were killed before it used
        a record, the next one would start at another end of the topic.
        """
        group = self._group_id is not None
        fresh = [p for p in consumer.assignment() if not group or consumer.committed(p) is None]
        if self._start == "end" and fresh:
            consumer.seek_to_end(*fresh)
            self._early = [each for each in self._early if _partition(each) not in fresh]
        starts = {partition: consumer.position(partition) for partition in fresh}
        for message in self._early:
            if (partition := _partition(message)) in starts:
                starts[partition] = min(starts[partition], message.offset)
        if group:
            self._used = starts
            consumer.commit(_positions(starts))

    def _commit(self) -> None:
        """Commit the positions of used records; what cannot be committed now is read again."""
        if self._group_id is None or not self._used:
            return
        try:
            self._consumer.commit(_positions(self._used))
        except RetriableError:
            return
        except CommitFailedError:
            # Another member has the partitions by now, and reads on from the commit before.
            pass
        except KafkaError as error:
            raise self._unreadable(error) from error
        self._used = {}

    def _unreadable(self, error: KafkaError) -> FollowError:
        return FollowError(
            f"the topic {self._topic!r} on {self._bootstrap_servers} cannot be read ({error})"
        )

    def _take(self, message: Any) -> Record | None:
        if message.value is None and self._on_tombstone is not None:
            self._on_tombstone((message.key or b"").decode(errors="replace"))
            return None
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


class _Joined(ConsumerRebalanceListener):  # type: ignore[misc]
    """Set when the group has given this member its partitions, which may be none."""

    def __init__(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def on_partitions_assigned(self, assigned: object) -> None:
        self._is_set = True

    def on_partitions_revoked(self, revoked: object) -> None:
        """Others read on from what was committed."""


def _polled(consumer: Any, timeout_s: float) -> list[Any]:
    batches = consumer.poll(timeout_ms=int(timeout_s * 1000))
    return [message for batch in batches.values() for message in batch]


def _partition(message: Any) -> TopicPartition:
    return TopicPartition(message.topic, message.partition)


def _positions(offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {each: OffsetAndMetadata(offset, "", -1) for each, offset in offsets.items()}


def _ignore(_: Undecodable) -> None:
    """Counting is enough for callers that did not ask."""
