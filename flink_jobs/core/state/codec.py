"""Recent blocks as bytes."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from flink_jobs.core.state.state import (
    LiveState,
    MonitorState,
    RecentBlock,
    StateVersionError,
    check_version,
)


class _Header(Struct):
    version: int


_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(_Header)
_decoder = msgspec.msgpack.Decoder(RecentBlock)


def encode_recent(block: RecentBlock) -> bytes:
    """The bytes kept in state."""
    return _encoder.encode(block)


def decode_recent(data: bytes) -> RecentBlock:
    """Read a recent block.

    Raises
    ------
    StateVersionError
        When the bytes have another version, or are not a recent block.
    """
    try:
        check_version(_header_decoder.decode(data).version)
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise StateVersionError(f"not a recent block: {error}") from error


def read_block(state: MonitorState) -> RecentBlock | None:
    """The recent block of a model; None before its first pane. Raises as :func:`decode_recent`."""
    if isinstance(state, LiveState):
        return state.block
    data = state.read_recent()
    return None if data is None else decode_recent(data)


def write_block(state: MonitorState, block: RecentBlock) -> int:
    """Keep the recent block of a model; returns how many bytes were written."""
    if isinstance(state, LiveState):
        state.block = block
        return 0
    data = encode_recent(block)
    state.write_recent(data)
    return len(data)
