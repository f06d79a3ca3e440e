"""Histories on a Kafka topic: a range of it, merged in the order of event time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.topics.merge import merged_batches
from flink_jobs.histories.topics.records import RecordReader
from flink_jobs.intake.event_times import EventTimes
from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.properties import client_settings
from flink_jobs.kafka.topics import require_topics
from flink_jobs.times import FOREVER_MS

_POLL_RECORDS = 20_000
# More than those of most topics.
_RECORD_BYTES = 4_096


@dataclass(frozen=True)
class TopicName:
    """The parts of ``kafka://host:port/topic?from=...&to=...``; empty where left out."""

    servers: str
    topic: str
    start: str
    end: str


def parse_topic(name: str) -> TopicName:
    """Take a topic's name apart.

    Raises
    ------
    SourceError
        When it is none.

    Examples
    --------
    >>> parse_topic("kafka://127.0.0.1:9092/events?from=2026-01-01&to=5")
    TopicName(servers='127.0.0.1:9092', topic='events', start='2026-01-01', end='5')
    >>> parse_topic("kafka://events").topic
    'events'
    """
    url = urlsplit(name)
    asked = parse_qs(url.query.replace("+", "%2B"), keep_blank_values=True)
    servers, topic = url.netloc, url.path.strip("/")
    if not topic:
        servers, topic = "", servers
    unknown = sorted(set(asked) - {"from", "to"})
    if not topic or "/" in topic or unknown or any(len(values) > 1 for values in asked.values()):
        raise SourceError(
            f"{name} is not a range of a topic: kafka://host:port/topic?from=...&to=..., where "
            "from and to are offsets (1000), times (2026-01-01T00:00:00Z) or milliseconds "
            "(1767225600000ms)"
        )
    return TopicName(servers, topic, asked.get("from", [""])[0], asked.get("to", [""])[0])


class KafkaRange:
    """A range of a topic, fixed when it is opened.

    Partitions are merged by the event time that each has reached, and the event time of all is that
    of the partition that is furthest behind, as in the job.

    Parameters
    ----------
    name : str
        See :func:`parse_topic`; without an address that of the configuration.
    config : DriftJobConfig
    may_be_empty : bool
        Whether a range without records is one.

    Attributes
    ----------
    starts, ends : dict of int to int
        The offsets of each partition, ``[start, end)``; equal where it holds nothing of the range.

    Raises
    ------
    SourceError
        When the topic is not there, or the range holds nothing any more.
    ConfigError
        When a property of the client is wrong.
    """

    def __init__(self, name: str, config: DriftJobConfig, *, may_be_empty: bool = False) -> None:
        parsed = parse_topic(name)
        self.name = name
        self.topic = parsed.topic
        self.servers = parsed.servers or config.kafka.bootstrap_servers
        self.sources = [self.topic]
        self.warnings: list[str] = []
        # Secrets are looked up where a client is made, not kept.
        self._properties = dict(config.kafka.properties)
        self._config = config
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        try:
            require_topics(self.servers, self._properties, reads=[self.topic])
            with closing(self._consumer()) as consumer:
                self._find_range(consumer, parsed, may_be_empty)
        except (FollowError, KafkaError) as error:
            raise SourceError(str(error)) from error
        self.total = sum(self.ends[p] - self.starts[p] for p in self.ends)

    def place(self, partition: int, offset: int) -> str:
        """Topic, partition and offset."""
        return f"{self.topic}[{partition}]:{offset}"

    @property
    def decoded_bytes(self) -> int:
        """About how much disk all records take at most."""
        return _RECORD_BYTES * self.total

    def batches(
        self, names: Names, horizon_ms: int, exchange: Exchange | None = None
    ) -> Iterator[Batch]:
        """All records of the range, heartbeats included."""
        yield from self._read(names, horizon_ms, RecordReader(self._config), exchange)

    def values(self) -> Iterator[bytes]:
        """The values of the range, each partition's in the order in which they were written."""
        for batch in self._read(Names(), FOREVER_MS, RecordReader(None)):
            for row in range(len(batch)):
                if (value := batch.rows.payload(row)) is not None:
                    yield value

    def _read(
        self,
        names: Names,
        horizon_ms: int,
        reader: RecordReader,
        exchange: Exchange | None = None,
    ) -> Iterator[Batch]:
        starts = {n: start for n, start in self.starts.items() if start < self.ends[n]}
        ends = {number: self.ends[number] for number in starts}
        return merged_batches(self._placed, starts, ends, names, horizon_ms, reader, exchange)

    def _placed(self, numbers: Sequence[int]) -> Any:
        """Make a consumer of some partitions, at the starts of the range."""
        consumer = self._consumer()
        consumer.assign([TopicPartition(self.topic, number) for number in numbers])
        for number in numbers:
            consumer.seek(TopicPartition(self.topic, number), self.starts[number])
        return consumer

    def _consumer(self) -> Any:
        own = {
            "group_id": None,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "max_poll_records": _POLL_RECORDS,
            "max_partition_fetch_bytes": 4 << 20,
        }
        settings = client_settings(KafkaConsumer, self._properties) | own
        try:
            return connect(KafkaConsumer, self.servers, settings)
        except FollowError as error:
            raise SourceError(str(error)) from error

    def _find_range(self, consumer: Any, parsed: TopicName, may_be_empty: bool) -> None:
        numbers = consumer.partitions_for_topic(self.topic)
        partitions = [TopicPartition(self.topic, number) for number in sorted(numbers)]
        first = consumer.beginning_offsets(partitions)
        last = consumer.end_offsets(partitions)
        starts = self._offsets(consumer, parsed.start, first, last, first)
        ends = self._offsets(consumer, parsed.end, last, last, last)
        n_gone = 0
        for each in partitions:
            start, end = starts[each], min(ends[each], last[each])
            n_gone += max(0, min(first[each], end) - start)
            self.ends[each.partition] = max(end, first[each])
            self.starts[each.partition] = min(max(start, first[each]), self.ends[each.partition])
        if n_gone:
            self.warnings.append(
                f"{n_gone:,} offsets at the beginning of the range are gone from the topic, by its "
                "retention: the backtest starts where the topic does"
            )
        if self.starts == self.ends and not may_be_empty:
            there = ", ".join(f"{p.partition}: {first[p]} to {last[p]}" for p in partitions)
            raise SourceError(
                f"{self.name} holds no record; the topic has the offsets {there} (to exclusive)"
            )

    def _offsets(
        self,
        consumer: Any,
        text: str,
        default: Mapping[TopicPartition, int],
        last: Mapping[TopicPartition, int],
        first: Mapping[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        if not text:
            return dict(default)
        if text.isdecimal():
            return dict.fromkeys(default, int(text))
        try:
            time_ms = EventTimes().read(text.removesuffix("ms"))
        except ValueError:
            raise SourceError(
                f"{text!r} is not an offset (1000), a time (2026-01-01T00:00:00Z) or a number of "
                "milliseconds (1767225600000ms)"
            ) from None
        found = consumer.offsets_for_times(dict.fromkeys(default, time_ms))
        return {each: last[each] if at is None else at.offset for each, at in found.items()}
