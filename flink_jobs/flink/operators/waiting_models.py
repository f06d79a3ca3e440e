"""The models of a shard that wait for a moment of event time: one timer for all of one moment."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from flink_jobs.flink.state import FlinkModelState, ShardEntries

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[str])


class WaitingModels:
    """The models that wait for a moment, as entries of the shard that is the current key.

    Requests are written together, since each would write the names of all that came before it.

    Parameters
    ----------
    entries : ShardEntries
    """

    def __init__(self, entries: ShardEntries) -> None:
        self._entries = entries
        self._asked: defaultdict[int, list[str]] = defaultdict(list)

    def ask(self, model: str, wake_ms: int) -> None:
        """Note that a model has to be looked at when event time reaches a moment."""
        self._asked[wake_ms].append(model)

    def register(self, shard: int, timer_service: Any) -> None:
        """Write what was asked for, and register Flink's timers."""
        state = self._state(shard)
        for wake_ms, models in self._asked.items():
            waiting = _read(state, wake_ms)
            if not waiting:
                timer_service.register_event_time_timer(wake_ms)
            names = dict.fromkeys(waiting + models)
            state.put(_name(wake_ms), _encoder.encode(list(names)))
        self._asked.clear()

    def take(self, shard: int, wake_ms: int) -> list[str]:
        """Give the models that waited for a moment, which has come."""
        state = self._state(shard)
        waiting = _read(state, wake_ms)
        state.delete(_name(wake_ms))
        return waiting

    def _state(self, shard: int) -> FlinkModelState:
        """Stand in for a model: what is kept at hand of entries is one for all shards."""
        return FlinkModelState(self._entries, f"\0{shard}")


def _read(state: FlinkModelState, wake_ms: int) -> list[str]:
    data = state.get(_name(wake_ms))
    return [] if data is None else _decoder.decode(data)


def _name(wake_ms: int) -> str:
    return f"wake/{wake_ms}"
