"""The benchmark's topic: JSON events of 32 features and 10 outputs, about 400 bytes each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from kafka import KafkaProducer
from numpy.typing import NDArray
from rich.progress import Progress

from flink_jobs.intake.formats.json import HEARTBEAT_KEY

N_FEATURES, N_OUTPUTS = 32, 10
START_MS = 1_767_225_600_000
N_PARTITIONS = 4
_N_BODIES = 2_000


@dataclass(frozen=True)
class Stream:
    """``n_events`` spread evenly over ``n_models``, ``events_per_pane`` in each pane.

    Attributes
    ----------
    topic : str
    n_events, n_models, events_per_pane, pane_width_ms : int
    has_places : bool
        Whether each event names its model and its time, as it does next to key and timestamp.
    """

    topic: str
    n_events: int
    n_models: int
    events_per_pane: int
    pane_width_ms: int = 10_000
    has_places: bool = False

    @property
    def n_reference(self) -> int:
        """Events in each model's reference."""
        return 2 * self.events_per_pane

    def time_ms(self, index: int) -> int:
        """Event time of the event with this index."""
        return START_MS + index * self.pane_width_ms // self.n_events_per_pane

    @property
    def n_events_per_pane(self) -> int:
        """Events of all models in a pane."""
        return self.events_per_pane * self.n_models

    def n_events_until(self, time_ms: int) -> int:
        """Events before the end of a pane."""
        return (time_ms - START_MS) // self.pane_width_ms * self.n_events_per_pane

    def counts(self) -> dict[tuple[str, int], int]:
        """Events by model and end of a pane in ms."""
        index = np.arange(self.n_events)
        pane = index // self.n_events_per_pane
        places, counts = np.unique(pane * self.n_models + index % self.n_models, return_counts=True)
        return {
            (
                model_name(place % self.n_models),
                START_MS + (place // self.n_models + 1) * self.pane_width_ms,
            ): n
            for place, n in zip(places.tolist(), counts.tolist(), strict=True)
        }

    def records(self, partition: int) -> Iterator[tuple[bytes, bytes, int]]:
        """Key, value and time of the events of a partition: model modulo number of partitions."""
        bodies = _bodies()
        keys = [model_name(index).encode() for index in range(self.n_models)]
        for index in range(partition, self.n_events, N_PARTITIONS):
            key, time_ms = keys[index % self.n_models], self.time_ms(index)
            places = b'"model":"%s","time_ms":%d,' % (key, time_ms) if self.has_places else b""
            event = b'{"schema_version":1,"event_id":"%d",%s%s'
            yield key, event % (index, places, bodies[index % _N_BODIES]), time_ms

    def job_toml(self, bootstrap_servers: str, results: str, *, is_located: bool = False) -> str:
        """Configuration of the drift job: BBSDs and KS on windows of two panes, one pane apart.

        ``results`` is what the names of the result topics begin with; with ``is_located`` model and
        time are read from events.
        """
        places = '[columns]\nmodel = "model"\ntime = "time_ms"\n' if is_located else ""
        return f"""
version = 1
[kafka]
bootstrap_servers = "{bootstrap_servers}"
inference_topic = "{self.topic}"
alerts_topic = "{results}-alerts"
scores_topic = "{results}-scores"
dead_letters_topic = "{results}-dead-letters"
group_id = "{results}"
[input]
n_features = {N_FEATURES}
n_outputs = {N_OUTPUTS}
{places}[panes]
width_ms = {self.pane_width_ms}
[window]
kind = "time"
size_ms = {2 * self.pane_width_ms}
slide_ms = {self.pane_width_ms}
[reference]
kind = "first_events"
n_events = {self.n_reference}
"""


def model_name(number: int) -> str:
    """The key of a model's events.

    Examples
    --------
    >>> model_name(7)
    'model-0007'
    """
    return f"model-{number:04d}"


def produce(stream: Stream, bootstrap_servers: str) -> None:
    """Write the events and, at the end, a heartbeat per partition that closes the last panes.

    One process per partition: kafka-python writes about 7,000 events/s, and a partition that only
    one process writes keeps its events in order.
    """
    n_each = stream.n_events // N_PARTITIONS
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(N_PARTITIONS, mp_context=context) as pool, Progress() as progress:
        task = progress.add_task(f"writing {stream.topic}", total=stream.n_events)
        writers = [
            pool.submit(_write_partition, stream, bootstrap_servers, partition)
            for partition in range(N_PARTITIONS)
        ]
        for writer in as_completed(writers):
            progress.advance(task, n_each)
            writer.result()


def _write_partition(stream: Stream, bootstrap_servers: str, partition: int) -> None:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap_servers, linger_ms=50, batch_size=1_000_000, acks=1
    )
    try:
        for key, value, time_ms in stream.records(partition):
            producer.send(
                stream.topic, key=key, value=value, timestamp_ms=time_ms, partition=partition
            )
        end_ms = stream.time_ms(stream.n_events) + 10 * stream.pane_width_ms
        producer.send(
            stream.topic, key=HEARTBEAT_KEY.encode(), value=b"", timestamp_ms=end_ms,
            partition=partition,
        )  # fmt: skip
        producer.flush()
    finally:
        producer.close()


def _bodies() -> list[bytes]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(_N_BODIES, N_FEATURES)).round(4)
    outputs = rng.dirichlet(np.ones(N_OUTPUTS), size=_N_BODIES).round(6)
    return [
        b'"features":%s,"outputs":%s}' % (_numbers(f), _numbers(o))
        for f, o in zip(features, outputs, strict=True)
    ]


def _numbers(values: NDArray[np.float64]) -> bytes:
    return ("[" + ",".join(f"{value:g}" for value in values.tolist()) + "]").encode()
