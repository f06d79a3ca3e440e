"""Shards of models: the panes of many models as one value.

Which models belong to a shard is decided by a hash of their names, on the JVM. No result depends on
it; it decides what crosses between the JVM and Python together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.intake.panes import PanePacker

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[tuple[str, memoryview]])


class ShardRecords(NamedTuple):
    """Records of one pane and of any models, as columns of one length.

    ``record_parts`` has of each record what :func:`flink_jobs.config.locations.record_parts` lists,
    and is None where it lists nothing.
    """

    models: Sequence[str]
    payloads: Sequence[bytes]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    record_parts: Sequence[Sequence[str | None]] | None = None


def pack_shard(packer: PanePacker, records: ShardRecords) -> bytes:
    """Pack the records of each model; models are in the order of their names."""
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, model in enumerate(records.models):
        rows_of[model].append(row)
    panes = [(model, _pack(packer, records, model, rows_of[model])) for model in sorted(rows_of)]
    return _encoder.encode(panes)


def _pack(packer: PanePacker, records: ShardRecords, model: str, rows: list[int]) -> bytes:
    payloads = records.payloads
    columns = records.partitions, records.offsets, records.times_ms
    if len(rows) == len(payloads):
        return packer.pack(model, payloads, *columns, records.record_parts)
    partitions, offsets, times_ms = columns
    own = [payloads[row] for row in rows]
    parts = records.record_parts
    own_parts = None if parts is None else [parts[row] for row in rows]
    return packer.pack(model, own, partitions[rows], offsets[rows], times_ms[rows], own_parts)


def unpack_shard(data: bytes) -> list[tuple[str, memoryview]]:
    """Give the models of a shard, each with its packed pane, without copying one.

    Raises
    ------
    msgspec.DecodeError
        When the bytes are not what :func:`pack_shard` makes.
    """
    return _decoder.decode(data)
