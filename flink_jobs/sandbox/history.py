"""A recorded history as a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Source
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.sources import open_source
from flink_jobs.kafka.event_sender import EventSender
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.replay.on_flink.counts import HistoryCounts
from flink_jobs.replay.on_flink.files_on_topic import FilesOnTopic
from flink_jobs.sandbox.pace import Pace

# While nothing is due, alerts of what was sent are looked for this often.
_STEP_S = 0.2
_EVENTS_PER_STEP = 500
_DEFAULT_S = 120.0
_HEARTBEAT_S = 1.0


class Misplaced(NamedTuple):
    """Rows that could not be sent: how many for each reason, and the first with their places."""

    n_by_reason: dict[str, int]
    first: list[tuple[str, DeadLetter]]


@dataclass(frozen=True)
class History:
    """A history that was read once, so that it is known how long it takes.

    Attributes
    ----------
    source : Source
    counts : HistoryCounts
    """

    source: Source
    counts: HistoryCounts

    @property
    def span_ms(self) -> int:
        """Event time from the first event to the last."""
        return max(0, self.counts.last_ms - self.counts.first_ms)

    def default_speed(self) -> float:
        """Give the speed at which it takes two minutes, and real time for what is shorter."""
        return max(1.0, self.span_ms / 1000 / _DEFAULT_S)

    def shift_ms(self, speed: float, now_ms: int) -> int:
        """Say by how much its events are to be moved in time, so that it ends now.

        Now is when its last event is sent. None lies ahead of the clock on its way: those would be
        refused.
        """
        takes_ms = self.span_ms / speed if speed else 0.0
        ends = now_ms + takes_ms - self.counts.last_ms
        return int(min(ends, now_ms - self.counts.first_ms))


def read_history(
    name: str, config: DriftJobConfig, tell: Callable[[int, int, int], None]
) -> History:
    """Open a history and count its events.

    Parameters
    ----------
    name : str
        A file or folder.
    config : DriftJobConfig
    tell : callable
        Told the number of events so far, and how much of how much has been read.

    Raises
    ------
    SourceError
        When there is none, it cannot be read, or none of its rows has a model and a time.
    """
    source = open_source(name, config)
    counts = HistoryCounts(int(time.time() * 1000) + config.input.max_future_ms)
    for batch in source.batches(counts.names, counts.horizon_ms):
        counts.add(batch)
        tell(counts.n_events, batch.done, source.total)
    if counts.first_ms > counts.last_ms:
        raise SourceError(
            f"{source.name} holds no event that has a model and a time: "
            f"run loudly validate --sample {source.name}, which says what is missing"
        )
    return History(source, counts)


class Feeder:
    """Sends a history at a pace.

    Parameters
    ----------
    history : History
    config : DriftJobConfig
        The user's, which says how the history is read.
    sender : EventSender
    speed : float
        How many seconds of event time pass in a second; 0 sends as fast as the broker takes it.
    shift_ms : int
        Added to each event time.

    Attributes
    ----------
    reached_ms : int
        The event time of the last heartbeat.
    """

    def __init__(
        self,
        history: History,
        config: DriftJobConfig,
        sender: EventSender,
        *,
        speed: float,
        shift_ms: int = 0,
    ) -> None:
        self.reached_ms = 0
        self._files = FilesOnTopic(history.source, config, history.counts.names)
        self._history = history
        self._sender = sender
        self._speed = speed
        self._shift_ms = shift_ms

    def feed(self) -> Iterator[int]:
        """Send all events; yields the number so far, several times a second."""
        history, counts = self._history, self._history.counts
        pace = Pace(counts.first_ms, self._speed)
        n_sent, reached_ms = 0, counts.first_ms
        for batch in history.source.batches(counts.names, counts.horizon_ms):
            for key, value, time_ms in self._files.records(batch):
                # What lies beyond the clock is refused, and must not hold up what comes after it.
                if time_ms <= counts.horizon_ms:
                    reached_ms = max(reached_ms, time_ms)
                while (wait_s := pace.wait_s(reached_ms)) > 0:
                    time.sleep(min(wait_s, _STEP_S))
                    yield n_sent
                self._sender.send(key, value, time_ms + self._shift_ms)
                n_sent += 1
                if n_sent % _EVENTS_PER_STEP == 0:
                    yield n_sent
        self._sender.flush()
        yield n_sent

    def move_time_to(self, until_ms: int) -> Iterator[int]:
        """Move event time on to ``until_ms``, never beyond the clock; yields what was reached.

        So it may take as long as there is to ``until_ms``.
        """
        next_s = 0.0
        while self.reached_ms < until_ms:
            if time.monotonic() >= next_s:
                self.reached_ms = min(until_ms, int(time.time() * 1000))
                self._sender.send_heartbeats(self.reached_ms)
                next_s = time.monotonic() + _HEARTBEAT_S
            yield self.reached_ms

    def placed(self, letter: DeadLetter) -> tuple[str, DeadLetter] | None:
        """Say where an event of the history lies that the job refused; None of another event."""
        if letter.offset >= self._files.n_records:
            return None
        [found] = self._files.letters([letter])
        return self._history.source.place(found.partition, found.offset), found

    def misplaced(self) -> Misplaced:
        """Say which rows have no place on a topic, since they have no time."""
        log, source = self._files.misplaced, self._history.source
        first = [(source.place(each.partition, each.offset), each) for each in log.first()]
        return Misplaced(dict(log.n_by_reason), first)
