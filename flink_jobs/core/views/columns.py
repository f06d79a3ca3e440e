"""The columns of one view among those of a pane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flink_jobs.intake.event_columns import EventColumns


def columns_at(events: EventColumns, places: Sequence[int]) -> EventColumns:
    """Return events with the floats at some places, in that order."""
    if len(places) == events.x.shape[1] and all(p == n for n, p in enumerate(places)):
        return events
    texts = {new: events.texts[old] for new, old in enumerate(places) if old in events.texts}
    return replace(events, x=events.x[:, list(places)], texts=texts)
