"""The inference topics of the fault suite: small JSON events, the same in every run."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from kafka import KafkaProducer
from numpy.typing import NDArray

from flink_jobs.intake.formats.json import HEARTBEAT_KEY

N_FEATURES, N_OUTPUTS = 2, 3
N_PARTITIONS = 4
START_MS = 1_767_225_600_000
MAX_OUT_OF_ORDERNESS_MS = 4_000
_N_BODIES = 2_000
# Less than the smallest fetch: the broker hands a batch out whole however little was asked for, and
# holds back for good what lies beyond the quota of a slow run.
_BATCH_BYTES = 16_384


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One inference topic; every run of a scenario reads it from its beginning.

    Attributes
    ----------
    topic : str
    n_events : int
        Events, duplicates not counted.
    n_models, events_per_pane : int
        Models, and how many events a model has in a pane on average.
    n_drifting, drift_panes : int
        So many models drift again and again: as many panes with drift follow as many without, so
        that alerts lie on both sides of any moment.
    hot_share : float
        The share of the last model in the traffic; 0 gives all models the same.
    duplicate_share : float
        So many events lie on the topic twice, byte for byte.
    disorder_ms : int
        An event may come after others of its partition that are so much younger.
    panes_per_window : int
    n_reference : int, optional
        Events in each model's reference; two windows' worth when omitted, so that windows stay
        whole.
    """

    topic: str
    n_events: int
    n_models: int = 16
    events_per_pane: int = 50
    n_drifting: int = 4
    drift_panes: int = 12
    hot_share: float = 0.0
    duplicate_share: float = 0.0
    disorder_ms: int = 0
    pane_width_ms: int = 10_000
    panes_per_window: int = 2
    n_reference: int = 0

    def __post_init__(self) -> None:
        if not self.n_reference:
            n_reference = 2 * self.panes_per_window * self.events_per_pane
            object.__setattr__(self, "n_reference", n_reference)

    @property
    def end_ms(self) -> int:
        """The time of the heartbeats that close the last panes."""
        return int(self._times_ms(np.array([self.n_events]))[0]) + 10 * self.pane_width_ms

    def records(self, partition: int) -> Iterator[tuple[bytes, bytes, int]]:
        """Key, value and time of a partition's records in the order of their arrival."""
        steady, shifted = _bodies(2.0, 0.0), _bodies(8.0, 2.0)
        keys = [f"model-{model:04d}".encode() for model in range(self.n_models)]
        for index, model, time_ms in self._arrivals(partition):
            body = (shifted if self._drifts(model, time_ms) else steady)[index % _N_BODIES]
            value = b'{"schema_version":1,"event_id":"%d",%s' % (index, body)
            yield keys[model], value, time_ms
        yield HEARTBEAT_KEY.encode(), b"", self.end_ms

    def _arrivals(self, partition: int) -> Iterator[tuple[int, int, int]]:
        """Number, model and time of each event."""
        rng = np.random.default_rng([partition, self.n_events])
        # Each model is on every partition, so that panes are put together from all of them.
        index = np.arange(self.n_events)
        index = index[index // self.n_models % N_PARTITIONS == partition]
        model = index % self.n_models
        if self.hot_share:
            is_hot = rng.random(len(index)) < self.hot_share
            others = rng.integers(0, self.n_models - 1, len(index))
            model = np.where(is_hot, self.n_models - 1, others)
        twice = np.flatnonzero(rng.random(len(index)) < self.duplicate_share)
        index, model = np.append(index, index[twice]), np.append(model, model[twice])
        times_ms = self._times_ms(index)
        arrivals_ms = times_ms + rng.integers(0, self.disorder_ms + 1, len(index))
        order = np.argsort(arrivals_ms, kind="stable")
        columns = (index[order].tolist(), model[order].tolist(), times_ms[order].tolist())
        yield from zip(*columns, strict=True)

    def _times_ms(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        return START_MS + index * self.pane_width_ms // (self.events_per_pane * self.n_models)

    def _drifts(self, model: int, time_ms: int) -> bool:
        if model < self.n_models - self.n_drifting:
            return False
        pane = (time_ms - START_MS) // self.pane_width_ms
        # Neighbours take turns, so that some model drifts at any time.
        return bool((pane // self.drift_panes + model) % 2)


def whole_windows(n_events: int, per_window: int) -> int:
    """At most ``n_events`` events that fill windows to the last one.

    Examples
    --------
    >>> whole_windows(10_000, 1_600)
    9600
    """
    return n_events - n_events % per_window


def write(stream: Stream, bootstrap_servers: str, tell: Callable[[float], None]) -> None:
    """Write a stream to its topic; ``tell`` hears which share is done.

    One process per partition, two at a time: kafka-python writes about 7,000 events/s a process.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        writers = [
            pool.submit(_write_partition, stream, bootstrap_servers, partition)
            for partition in range(N_PARTITIONS)
        ]
        for writer in as_completed(writers):
            writer.result()
            tell(1 / N_PARTITIONS)


def write_heartbeats(
    stream: Stream, bootstrap_servers: str, n_partitions: int = N_PARTITIONS
) -> None:
    """Write one more heartbeat, at the end of time, to each of the first partitions."""
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers)
    try:
        for partition in range(n_partitions):
            producer.send(
                stream.topic,
                key=HEARTBEAT_KEY.encode(),
                value=b"",
                timestamp_ms=stream.end_ms,
                partition=partition,
            )
        producer.flush()
    finally:
        producer.close()


def _write_partition(stream: Stream, bootstrap_servers: str, partition: int) -> None:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap_servers, linger_ms=50, batch_size=_BATCH_BYTES, acks="all"
    )
    try:
        for key, value, time_ms in stream.records(partition):
            producer.send(
                stream.topic, key=key, value=value, timestamp_ms=time_ms, partition=partition
            )
        producer.flush()
    finally:
        producer.close()


def _bodies(first_outputs: float, mean: float) -> list[bytes]:
    """Features around ``mean``, and outputs of a Dirichlet distribution."""
    rng = np.random.default_rng(0)
    features = rng.normal(mean, 1.0, size=(_N_BODIES, N_FEATURES)).round(4)
    outputs = rng.dirichlet((first_outputs, 2.0, 2.0), size=_N_BODIES).round(6)
    return [
        b'"features":%s,"outputs":%s}' % (_numbers(f), _numbers(o))
        for f, o in zip(features, outputs, strict=True)
    ]


def _numbers(values: NDArray[np.float64]) -> bytes:
    return ("[" + ",".join(f"{value:g}" for value in values.tolist()) + "]").encode()
