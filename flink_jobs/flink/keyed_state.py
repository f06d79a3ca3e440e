"""The monitor's state as Flink keyed state: two raw byte values per model."""

from __future__ import annotations

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import ValueState, ValueStateDescriptor

REFERENCE_STATE = "reference-block"
RECENT_STATE = "recent-block"


class FlinkMonitorState:
    """The state of the model that is the current key."""

    def __init__(self, context: RuntimeContext) -> None:
        self._reference = _bytes_value(context, REFERENCE_STATE)
        self._recent = _bytes_value(context, RECENT_STATE)

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


def _bytes_value(context: RuntimeContext, name: str) -> ValueState:
    # Raw bytes: without a type PyFlink would pickle the value.
    return context.get_state(ValueStateDescriptor(name, Types.PRIMITIVE_ARRAY(Types.BYTE())))


def _read(state: ValueState) -> bytes | None:
    value = state.value()
    return None if value is None else bytes(value)
