"""The events behind incidents, as the monitor kept them: the newest of each detector."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Self

import msgspec
from kafka.errors import KafkaError

from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.tail import TailFollower
from flink_jobs.records.alerts import Alert
from flink_jobs.records.evidence import Evidence

_LOOK_EVERY_S = 60.0
_decoder = msgspec.msgpack.Decoder(Evidence)


class Kept(NamedTuple):
    """A record as bytes, with what tells whether it has to be read."""

    alert_id: str
    incident_id: str
    closed_ms: int
    packed: bytes

    def read(self) -> Evidence:
        """Decode the record; one of 0.9 MB takes milliseconds."""
        return _decoder.decode(self.packed)


class KeptEvidence:
    """The newest evidence of each detector of each view of a model.

    A page shows the last incident of a detector alone. Records lie here as bytes, so that their
    number bounds memory: as objects they take more.

    Parameters
    ----------
    topic : str, optional
        Named where there is nothing to show; None where no topic is read.
    most_bytes : int, default 64,000,000
        Beyond these what came longest ago is forgotten.

    Attributes
    ----------
    problem : str
        Why the topic cannot be read; empty when all is well.
    n_bytes : int

    Examples
    --------
    >>> from flink_jobs.records.schemas import read_example
    >>> record = msgspec.json.decode(read_example("evidence"), type=Evidence)
    >>> kept = KeptEvidence("drift-evidence")
    >>> kept.take(record)
    >>> 1_000 < kept.n_bytes < 2_000
    True
    """

    def __init__(self, topic: str | None = None, *, most_bytes: int = 64_000_000) -> None:
        self.problem = ""
        self.n_bytes = 0
        self._topic = topic
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str, str], Kept] = OrderedDict()

    def take(self, record: Evidence) -> None:
        """Keep a record in the place of an older one; partitions are read in any order."""
        key, closed_ms = (record.model, record.view, record.detector), record.window.closed_ms
        known = self._kept.get(key)
        if known is not None and known.closed_ms > closed_ms:
            return
        self._drop(key)
        packed = msgspec.msgpack.encode(record)
        self._kept[key] = Kept(record.alert_id, record.incident_id, closed_ms, packed)
        self.n_bytes += len(packed)
        while self.n_bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def of(self, alert: Alert) -> Kept | None:
        """Return what was tested in the incident of an alert; None where it is not at hand."""
        known = self._kept.get((alert.model, alert.view, alert.detector))
        is_same = known is not None and known.incident_id == alert.incident_id
        return known if is_same else None

    def why_not(self) -> str:
        """Say why an incident has no evidence."""
        if self._topic is None:
            return "give --evidence-topic to see the events that were tested"
        if self.problem:
            return f"the events that were tested cannot be read ({self.problem})"
        return "the events that were tested are not, or no longer, at hand"

    def _drop(self, key: tuple[str, str, str]) -> None:
        known = self._kept.pop(key, None)
        self.n_bytes -= 0 if known is None else len(known.packed)


class EvidenceFollower:
    """Follows the topic of evidence while there is one; the page goes on without it.

    Parameters
    ----------
    make : callable
        Makes a follower of the topic.
    require : callable
        Raises :class:`FollowError` where the topic is gone: a client waits for it in silence.
    kept : KeptEvidence
        Told why the topic cannot be read.
    """

    def __init__(
        self, make: Callable[[], TailFollower], require: Callable[[], None], kept: KeptEvidence
    ) -> None:
        self._make = make
        self._require = require
        self._kept = kept
        self._follower: TailFollower | None = None
        self._looked_s = 0.0

    def __enter__(self) -> Self:
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        if self._follower is not None:
            self._follower.__exit__()
            self._follower = None

    def poll(self, timeout_s: float) -> list[Evidence]:
        """Return what is new, once a minute after a look whether the topic is still there."""
        if time.monotonic() - self._looked_s > _LOOK_EVERY_S:
            self._look()
        if self._follower is None:
            return []
        try:
            return self._follower.poll(timeout_s)
        except FollowError as error:
            self._give_up(error)
            return []

    def has_caught_up(self) -> bool:
        """Say whether all records that were there on entering have been read."""
        return self._follower is None or self._follower.has_caught_up()

    def _look(self) -> None:
        self._looked_s = time.monotonic()
        try:
            if self._follower is None:
                self._follower = self._make().__enter__()
            else:
                self._require()
            self._kept.problem = ""
        except (FollowError, KafkaError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.__exit__()
        self._kept.problem = str(error)
