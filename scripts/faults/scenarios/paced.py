"""A stream that lasts: the broker hands it out slowly, so that faults come in its midst."""

from __future__ import annotations

from scripts.faults.stage import Stage
from scripts.faults.stream import Stream, whole_windows
from scripts.faults.topics import Run

# If the limit stayed; kills come 4 s to 34 s after the first event, also on a busy machine.
STREAM_S = 40.0
# As Kafka hands them out: keys, batch headers and varying numbers included.
_BYTES_PER_EVENT = 120
_SMALL_FETCHES = {"max.partition.fetch.bytes": "32768"}


def make_stream(topic: str, n_events: int) -> Stream:
    """16 models, 4 of which drift again and again."""
    return Stream(topic=topic, n_events=whole_windows(n_events, 16 * 50 * 2))


def make_run(stage: Stage, stream: Stream, name: str, *, exactly_once: bool, readers: int) -> Run:
    """A run that reads the stream as if it had all of :data:`STREAM_S` seconds."""
    run = Run(
        name=name,
        stream=stream,
        exactly_once=exactly_once,
        properties=_SMALL_FETCHES,
        readers=readers,
    )
    rate = round(stream.n_events * _BYTES_PER_EVENT / STREAM_S / readers)
    for client_id in run.source_client_ids:
        stage.broker.limit_client(client_id, read_bytes_per_s=rate)
    return run


def let_go(stage: Stage, run: Run) -> None:
    """Let a run read the rest of its stream at full speed, once the faults are over."""
    for client_id in run.source_client_ids:
        stage.broker.limit_client(client_id)
