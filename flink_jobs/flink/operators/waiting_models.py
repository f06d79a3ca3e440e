"""The models of a shard that wait for a moment of event time: one timer for all of one moment."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from flink_jobs.flink.state import FlinkModelState, ShardEntries

# No model has this name: records without a key never get here.
_NO_MODEL = ""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[str])


class WaitingModels:
    """Who waits for what, as entries of the shard that is the current key.

    Requests are written together, since each would write the names of all that came before it.

    Parameters
    ----------
    entries : ShardEntries
    """

    def __init__(self, entries: ShardEntries) -> None:
        self._state = FlinkModelState(entries, _NO_MODEL)
        self._asked: defaultdict[int, list[str]] = defaultdict(list)

    def ask(self, model: str, wake_ms: int) -> None:
        """Note that a model has to be looked at when event time reaches a moment."""
        self._asked[wake_ms].append(model)

    def register(self, timer_service: Any) -> None:
        """Write what was asked for, and register Flink's timers."""
        for wake_ms, models in self._asked.items():
            waiting = self._read(wake_ms)
            if not waiting:
                timer_service.register_event_time_timer(wake_ms)
            names = dict.fromkeys(waiting + models)
            self._state.put(_name(wake_ms), _encoder.encode(list(names)))
        self._asked.clear()

    def take(self, wake_ms: int) -> list[str]:
        """Give the models that waited for a moment, which has come."""
        waiting = self._read(wake_ms)
        self._state.delete(_name(wake_ms))
        return waiting

    def _read(self, wake_ms: int) -> list[str]:
        data = self._state.get(_name(wake_ms))
        return [] if data is None else _decoder.decode(data)


def _name(wake_ms: int) -> str:
    return f"wake/{wake_ms}"
