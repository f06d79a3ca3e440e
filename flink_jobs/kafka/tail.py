"""Follows a topic from a bounded number of records before its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from flink_jobs.kafka.following import RecordFollower, Undecodable


class TailFollower(RecordFollower[Any]):
    """A follower that starts a few records before the end.

    A topic of scores may hold a year: read from its beginning, the page would stay empty for hours;
    from its end, until the next window closes.

    Parameters
    ----------
    bootstrap_servers, topic, record_type, properties, on_undecodable, on_tombstone
        As for :class:`~flink_jobs.kafka.following.RecordFollower`.
    n_last : int
        How many records before the end of each partition to start.

    Raises
    ------
    FollowError
        On entering, when the brokers do not answer or the topic does not exist.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        record_type: type[Any],
        *,
        n_last: int,
        properties: Mapping[str, str] | None = None,
        on_undecodable: Callable[[Undecodable], None] | None = None,
        on_tombstone: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(
            bootstrap_servers,
            topic,
            record_type,
            start="end",
            properties=properties,
            on_undecodable=on_undecodable,
            on_tombstone=on_tombstone,
        )
        self._n_last = n_last
        self._ends: dict[object, int] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        consumer: Any = self._consumer
        try:
            partitions = list(consumer.assignment())
            self._ends = consumer.end_offsets(partitions)
            begins = consumer.beginning_offsets(partitions)
            for partition in partitions:
                start = max(begins[partition], self._ends[partition] - self._n_last)
                consumer.seek(partition, start)
        except BaseException:
            self.__exit__()
            raise
        return self

    def has_caught_up(self) -> bool:
        """Say whether all records that were there on entering have been read."""
        consumer = self._consumer
        self._ends = {
            partition: end
            for partition, end in self._ends.items()
            if consumer is not None and consumer.position(partition) < end
        }
        return not self._ends
