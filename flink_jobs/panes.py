"""Panes: all events of one model in one short tumbling interval, packed into one bytes value.

Packing happens once per pane beside the window operator: events are decoded and validated, and the
numbers that the reducer reads become one matrix. Events are sorted by (event time, event id,
partition, offset), so that neither the order in which they arrived nor their partition shows.
What cannot be used rides along as dead letters, so that nothing is lost on the way to the monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors import is_distribution
from flink_jobs.config import DriftJobConfig, n_columns_read, reads_outputs
from flink_jobs.dead_letters import DeadLetter, Reason
from flink_jobs.events import EventDecoder, InferenceEvent, UnusableEventError
from flink_jobs.overrides import config_of_model

PANE_VERSION = 1
_CACHED_LAYOUTS = 10_000
# Beyond it squares and their sums over a million events would overflow.
_LARGEST = 1e140


class PaneVersionError(ValueError):
    """A packed pane of a version that this code does not read."""


@dataclass(frozen=True, eq=False)
class EventColumns:
    """Events as columns, in (event time, event id, partition, offset) order within a pane.

    Attributes
    ----------
    event_ids : list of str
    partitions : ndarray of int32, shape (n,)
    offsets : ndarray of int64, shape (n,)
    times_ms : ndarray of int64, shape (n,)
    x : ndarray of float64, shape (n, n_columns)
        The numbers that the reducer reads, or what it made of them.
    """

    event_ids: list[str]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    x: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.event_ids)

    def take(self, rows: slice | NDArray[np.intp]) -> EventColumns:
        """The chosen rows, in the order given."""
        indices = range(len(self))[rows] if isinstance(rows, slice) else rows
        return EventColumns(
            event_ids=[self.event_ids[i] for i in indices],
            partitions=self.partitions[rows],
            offsets=self.offsets[rows],
            times_ms=self.times_ms[rows],
            x=self.x[rows],
        )

    def with_x(self, x: NDArray[np.float64]) -> EventColumns:
        """The same events with other numbers."""
        return EventColumns(self.event_ids, self.partitions, self.offsets, self.times_ms, x)


def concatenate(parts: Sequence[EventColumns]) -> EventColumns:
    """Join columns of consecutive panes; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return EventColumns(
        event_ids=[event_id for part in parts for event_id in part.event_ids],
        partitions=np.concatenate([part.partitions for part in parts]),
        offsets=np.concatenate([part.offsets for part in parts]),
        times_ms=np.concatenate([part.times_ms for part in parts]),
        x=np.concatenate([part.x for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class Pane:
    """One pane of one model: usable events and dead letters of ``[start_ms, end_ms)``."""

    model: str
    start_ms: int
    end_ms: int
    events: EventColumns
    dead_letters: list[DeadLetter]


class _PackedPane(Struct, array_like=True):
    version: int
    start_ms: int
    n_events: int
    n_columns: int
    event_ids: list[str]
    partitions: bytes
    offsets: bytes
    times_ms: bytes
    x: bytes
    dead_letters: list[DeadLetter]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_PackedPane)


class Layout:
    """What the events of a model must look like, and which of their numbers the reducer reads.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self.decoder = EventDecoder(config.input)
        self.n_columns = n_columns_read(config)
        self.reads_outputs = reads_outputs(config)
        self.allows_missing = config.input.missing_features == "allow" and not self.reads_outputs

    def matrix(self, events: Sequence[InferenceEvent]) -> NDArray[np.float64]:
        """The numbers that the reducer reads, shape (n, n_columns)."""
        values = [e.outputs for e in events] if self.reads_outputs else [e.features for e in events]
        return np.array(values, dtype=np.float64).reshape(len(events), self.n_columns)

    def unusable_rows(
        self, x: NDArray[np.float64], event_ids: Sequence[str]
    ) -> dict[int, UnusableEventError]:
        """Rows that decode but that no reducer can take, by their place in ``x``."""
        unusable: dict[int, UnusableEventError] = {}
        for place in np.flatnonzero((np.abs(x) > _LARGEST).any(axis=1)).tolist():
            detail = f"a number beyond {_LARGEST:g} overflows when it is squared"
            unusable[place] = UnusableEventError(Reason.NOT_FINITE, detail, event_ids[place])
        if not self.reads_outputs:
            return unusable
        # Rows that overflow when they are summed are unusable already.
        with np.errstate(over="ignore"):
            is_usable = is_distribution(x)
        for place in np.flatnonzero(~is_usable).tolist():
            if place in unusable:
                continue
            detail = (
                f"outputs lie in [{x[place].min():.4g}, {x[place].max():.4g}] and sum to "
                f"{x[place].sum():.6g}; expected values in [0, 1] that sum to 1"
            )
            unusable[place] = UnusableEventError(
                Reason.NOT_A_DISTRIBUTION, detail, event_ids[place]
            )
        return unusable


class Layouts:
    """The layouts of all models, each made when it is first asked for.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config
        self._layouts: dict[str, Layout] = {}

    def of(self, model: str) -> Layout:
        """The layout of a model; all share one where nothing overrides it."""
        if not self._config.overrides:
            model = ""
        if model not in self._layouts:
            if len(self._layouts) >= _CACHED_LAYOUTS:
                self._layouts.clear()
            self._layouts[model] = Layout(config_of_model(self._config, model))
        return self._layouts[model]


class PanePacker:
    """Turns the raw records of one pane into packed bytes.

    Parameters
    ----------
    config : DriftJobConfig
        What events must look like and which of their numbers the reducer reads.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._width_ms = config.panes.width_ms
        self._most_payload_bytes = config.input.dead_letter_payload_bytes
        self._layouts = Layouts(config)

    def pack(
        self,
        model: str,
        payloads: Sequence[bytes],
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
        times_ms: NDArray[np.int64],
    ) -> bytes:
        """Decode, validate, sort and pack the records of one pane; each is accounted for."""
        layout = self._layouts.of(model)
        records = RawRecords(model, payloads, partitions, offsets, times_ms)
        events: list[InferenceEvent] = []
        rows: list[int] = []
        dead_letters: list[DeadLetter] = []
        decode = layout.decoder.decode
        for row in np.lexsort((offsets, partitions, times_ms)).tolist():
            try:
                events.append(decode(payloads[row]))
                rows.append(row)
            except UnusableEventError as error:
                dead_letters.append(self._dead_letter(records, row, error))
        x = layout.matrix(events)
        unusable = layout.unusable_rows(x, [event.event_id for event in events])
        dead_letters += [self._dead_letter(records, rows[p], e) for p, e in unusable.items()]
        kept = [place for place in range(len(events)) if place not in unusable]
        ids = [events[place].event_id for place in kept]
        order = order_ties(times_ms[np.asarray(rows, dtype=np.intp)[kept]], ids)
        kept_rows = np.asarray(rows, dtype=np.intp)[kept][order]
        packed = _PackedPane(
            version=PANE_VERSION,
            start_ms=int(times_ms[0] - times_ms[0] % self._width_ms),
            n_events=len(kept_rows),
            n_columns=layout.n_columns,
            event_ids=[ids[place] for place in order.tolist()],
            partitions=partitions[kept_rows].astype(np.int32).tobytes(),
            offsets=offsets[kept_rows].astype(np.int64).tobytes(),
            times_ms=times_ms[kept_rows].astype(np.int64).tobytes(),
            x=x[kept][order].tobytes(),
            dead_letters=dead_letters,
        )
        return _encoder.encode(packed)

    def _dead_letter(self, records: RawRecords, row: int, error: UnusableEventError) -> DeadLetter:
        payload = records.payloads[row]
        return DeadLetter(
            reason=error.reason,
            detail=error.detail,
            model=records.model,
            partition=int(records.partitions[row]),
            offset=int(records.offsets[row]),
            event_time_ms=int(records.times_ms[row]),
            event_id=error.event_id,
            payload=payload[: self._most_payload_bytes],
            payload_bytes=len(payload),
        )


@dataclass(frozen=True, eq=False)
class RawRecords:
    """Kafka records of one model, as columns."""

    model: str
    payloads: Sequence[bytes]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]


def order_ties(times_ms: NDArray[np.int64], event_ids: Sequence[str]) -> NDArray[np.intp]:
    """The order that sorts rows in order of time by event id where times are equal."""
    order = np.arange(len(times_ms), dtype=np.intp)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(times_ms)) + 1, [len(order)]])
    ties = np.flatnonzero(np.diff(edges) > 1)
    for start, end in zip(edges[ties].tolist(), edges[ties + 1].tolist(), strict=True):
        order[start:end] = sorted(range(start, end), key=event_ids.__getitem__)
    return order


def unpack_pane(model: str, width_ms: int, data: bytes) -> Pane:
    """Read a packed pane without copying its numbers.

    Raises
    ------
    PaneVersionError
        When the bytes come from another version of the packer.
    """
    try:
        packed = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise PaneVersionError(f"not a packed pane: {error}") from error
    if packed.version != PANE_VERSION:
        raise PaneVersionError(f"pane version {packed.version}, expected {PANE_VERSION}")
    events = EventColumns(
        event_ids=packed.event_ids,
        partitions=np.frombuffer(packed.partitions, dtype=np.int32),
        offsets=np.frombuffer(packed.offsets, dtype=np.int64),
        times_ms=np.frombuffer(packed.times_ms, dtype=np.int64),
        x=np.frombuffer(packed.x, dtype=np.float64).reshape(packed.n_events, packed.n_columns),
    )
    return Pane(model, packed.start_ms, packed.start_ms + width_ms, events, packed.dead_letters)
