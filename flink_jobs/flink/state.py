"""The monitor's state as Flink keyed state: three raw byte values per model."""

from __future__ import annotations

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import ValueState, ValueStateDescriptor

REFERENCE_STATE = "reference-block"
RECENT_STATE = "recent-block"
HISTORY_STATE = "history-block"


class FlinkMonitorState:
    """The state of the model that is the current key."""

    def __init__(self, context: RuntimeContext) -> None:
        self._reference = _bytes_value(context, REFERENCE_STATE)
        self._recent = _bytes_value(context, RECENT_STATE)
        self._history = _bytes_value(context, HISTORY_STATE)

    def read_reference(self) -> bytes | None:
        """The reference block."""
        return _read(self._reference)

    def write_reference(self, block: bytes) -> None:
        """Replace the reference block."""
        self._reference.update(block)

    def read_recent(self) -> bytes | None:
        """The recent block."""
        return _read(self._recent)

    def write_recent(self, block: bytes) -> None:
        """Replace the recent block."""
        self._recent.update(block)

    def read_history(self) -> bytes | None:
        """The history block."""
        return _read(self._history)

    def write_history(self, block: bytes) -> None:
        """Replace the history block."""
        self._history.update(block)

    def n_bytes(self) -> int:
        """Size of all values together."""
        values = (each.value() for each in (self._reference, self._recent, self._history))
        return sum(len(value) for value in values if value is not None)


def _bytes_value(context: RuntimeContext, name: str) -> ValueState:
    # Raw bytes: without a type PyFlink would pickle the value.
    return context.get_state(ValueStateDescriptor(name, Types.PRIMITIVE_ARRAY(Types.BYTE())))


def _read(state: ValueState) -> bytes | None:
    value = state.value()
    return None if value is None else bytes(value)
