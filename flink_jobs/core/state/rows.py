"""Raw events one by one, as they lie in state."""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.texts import in_order_of_appearance


class _Identities(Struct, array_like=True):
    """The names and places of events, which only alerts and merges look at."""

    event_ids: list[str]
    partitions: bytes
    offsets: bytes
    rows: bytes


class StoredRows(Struct, array_like=True):
    """Raw events of one view.

    Nothing is compressed: at level 1 zlib took 0.5 µs an event, as much as all else that happens
    to it between its pane and its test.

    Attributes
    ----------
    n_columns : int
    x, times_ms : bytes
        float64 of shape (n, n_columns), and int64 of shape (n,).
    keys : bytes
        uint64 of shape (n,): the hashes by which a sample chooses; empty where it has none.
    identities : bytes
    texts : dict of int to list of str
        By place of a category: what its codes stand for.
    """

    n_columns: int
    x: bytes
    times_ms: bytes
    keys: bytes
    identities: bytes
    texts: dict[int, list[str]]

    def __len__(self) -> int:
        return len(self.times_ms) // 8

    @property
    def key_array(self) -> NDArray[np.uint64]:
        """The hashes by which a sample chooses, shape (n,)."""
        return np.frombuffer(self.keys, dtype=np.uint64)

    def events(self) -> EventColumns:
        """Read the events."""
        who = _decoder.decode(self.identities)
        return EventColumns(
            event_ids=who.event_ids,
            partitions=np.frombuffer(who.partitions, dtype=np.int32),
            offsets=np.frombuffer(who.offsets, dtype=np.int64),
            rows=np.frombuffer(who.rows, dtype=np.int32),
            times_ms=np.frombuffer(self.times_ms, dtype=np.int64),
            x=np.frombuffer(self.x, dtype=np.float64).reshape(-1, self.n_columns),
            texts=self.texts,
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Identities)


def store_rows(events: EventColumns, keys: NDArray[np.uint64] | None = None) -> StoredRows:
    """Pack events for the state, with no more texts of a category than events.

    A sample of a pane in which every event has a text of its own would else keep all of them, and
    a slice those of all its panes.
    """
    x, texts = events.x, events.texts
    if any(len(own) > len(events) for own in texts.values()):
        x, texts = in_order_of_appearance(x, texts)
    who = _Identities(
        event_ids=events.event_ids,
        partitions=events.partitions.astype(np.int32, copy=False).tobytes(),
        offsets=events.offsets.astype(np.int64, copy=False).tobytes(),
        rows=events.rows.astype(np.int32, copy=False).tobytes(),
    )
    return StoredRows(
        n_columns=x.shape[1],
        x=np.ascontiguousarray(x, dtype=np.float64).tobytes(),
        times_ms=events.times_ms.astype(np.int64, copy=False).tobytes(),
        keys=b"" if keys is None else keys.tobytes(),
        identities=_encoder.encode(who),
        texts={slot: list(own) for slot, own in texts.items()},
    )
