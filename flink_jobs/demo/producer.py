"""Sends the streams to Kafka in the order of event time, at a pace that is nice to watch."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flink_jobs.demo.streams import ModelStream, interleave
from flink_jobs.demo.timing import END_MS, OUT_OF_ORDERNESS_MS, PANE_MS, START_MS
from flink_jobs.intake.formats.json import encode_event
from flink_jobs.kafka.event_sender import EventSender
from flink_jobs.sandbox.pace import Pace

HEARTBEAT_MS = END_MS + PANE_MS + OUT_OF_ORDERNESS_MS + 1
"""Late enough to close the last pane, and with it the last window."""
_EVENTS_PER_STEP = 100


def produce(
    streams: list[ModelStream], bootstrap_servers: str, topic: str, *, seconds: float
) -> Iterator[int]:
    """Send all events, then close event time with a heartbeat on every partition.

    The record key is the model, the record timestamp is the event time.

    Parameters
    ----------
    streams : list of ModelStream
    bootstrap_servers, topic : str
    seconds : float
        How long the hour of event time takes; 0 sends as fast as the broker takes it.

    Yields
    ------
    int
        How many events have been handed over so far, every now and then and at the end.

    Raises
    ------
    FollowError
        When the broker does not take the events.
    """
    with EventSender(bootstrap_servers, topic) as sender:
        yield from _send_events(sender, streams, seconds)
        sender.send_heartbeats(HEARTBEAT_MS)


def _send_events(sender: EventSender, streams: list[ModelStream], seconds: float) -> Iterator[int]:
    pace = Pace(START_MS, (END_MS - START_MS) / 1000 / seconds if seconds else 0.0)
    n_sent = 0
    for stream, position in interleave(streams):
        time_ms = int(stream.times_ms[position])
        if n_sent % _EVENTS_PER_STEP == 0:
            yield n_sent
            time.sleep(pace.wait_s(time_ms))
        sender.send(stream.model.encode(), encode_event(stream.event(position)), time_ms)
        n_sent += 1
    sender.flush()
    yield n_sent
