"""From the floats of a pane back to events, for rows that are to go onto a topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flink_jobs.config.columns import Column, Role
from flink_jobs.intake.formats.base import PART_OF, WHOLE
from flink_jobs.intake.formats.json import (
    ROLE_KEYS,
    SCHEMA_VERSION,
    InferenceEvent,
    is_plain_vector,
)
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import Texts

# What stands for a column that an event must have though nothing reads it.
_UNREAD: dict[str, Any] = {"number": 0.0, "category": "", "boolean": False}


class EventWriter:
    """Makes events of which the job reads the same floats and texts again.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout) -> None:
        self._slots: dict[Column, list[int]] = {column: [] for column in layout.read}
        for place, slot in enumerate(layout.slots):
            self._slots[slot.column].append(place)
        self._roles: dict[Role, list[Column]] = {}
        for column in layout.columns:
            self._roles.setdefault(column.role, []).append(column)

    def event(
        self, event_id: str, x: Sequence[float], texts: Texts, parts: int = WHOLE
    ) -> InferenceEvent:
        """The event of a row; NaN becomes null, as a missing value is.

        Parameters
        ----------
        event_id : str
        x : sequence of float
        texts : mapping of int to sequence of str
            By the slot of each category: the text of each code.
        parts : int
            Those that the event has, as bits; the others are left out.
        """
        fields: dict[str, Any] = {}
        for role, columns in self._roles.items():
            if role in PART_OF and not parts & PART_OF[role]:
                continue
            values = [self._value(column, x, texts) for column in columns]
            key = ROLE_KEYS.get(role, role)
            if role == "label" or is_plain_vector(key, columns):
                fields[key] = values[0]
            else:
                fields[key] = {
                    column.name: value for column, value in zip(columns, values, strict=True)
                }
        return InferenceEvent(schema_version=SCHEMA_VERSION, event_id=event_id, **fields)

    def _value(self, column: Column, x: Sequence[float], texts: Texts) -> Any:
        slots = self._slots.get(column)
        if slots is None:
            is_vector = column.type == "vector"
            return [0.0] * column.size if is_vector else _UNREAD[column.type]
        if column.type == "vector":
            return [x[slot] for slot in slots]
        value = x[slots[0]]
        if value != value:
            return None
        if not column.is_category:
            return value
        text = texts[slots[0]][int(value)]
        return text == "true" if column.type == "boolean" else text
