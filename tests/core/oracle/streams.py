"""Random streams of named, typed events, and the panes that they come in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from flink_jobs.intake.event_columns import EventColumns
from flink_jobs.intake.panes import Pane

PLANS = ("free", "family", "team")
COLUMNS = {
    "features": {
        "age": {"type": "number", "may_be_missing": True},
        "score": {"type": "number", "may_be_missing": True},
        "plan": {"type": "category", "may_be_missing": True},
    }
}


class Event(NamedTuple):
    """One event; None is missing."""

    time_ms: int
    event_id: str
    age: float | None
    score: float | None
    plan: str | None


class Burst(NamedTuple):
    """A pane: the empty ones before it, its events, and how they differ from usual ones."""

    n_empty: int
    n_events: int
    is_moved: bool


bursts = st.lists(
    st.builds(Burst, st.sampled_from([0, 0, 0, 0, 1, 3, 9]), st.integers(1, 30), st.booleans()),
    min_size=4,
    max_size=18,
)


def make_events(
    stream: Sequence[Burst], *, width_ms: int, seed: int, n_values: int = 0, misses: bool = True
) -> list[Event]:
    """The events of a stream, in order; with ``n_values`` numbers are whole and tied."""
    rng = np.random.default_rng(seed)
    events: list[Event] = []
    index = 0
    for burst in stream:
        index += burst.n_empty
        times_ms = np.sort(rng.integers(0, width_ms, burst.n_events)) + index * width_ms
        made = [
            Event(
                int(time_ms),
                f"event-{rng.integers(10**9)}-{len(events) + n}",
                _number(rng, n_values, burst.is_moved, misses),
                _number(rng, n_values, False, misses),
                _plan(rng, burst.is_moved and n_values == 0, misses),
            )
            for n, time_ms in enumerate(times_ms.tolist())
        ]
        events += sorted(made)
        index += 1
    return events


def _number(rng: np.random.Generator, n_values: int, is_moved: bool, misses: bool) -> float | None:
    if misses and rng.random() < 0.1:
        return None
    if n_values:
        return float(rng.integers(1 if is_moved else 0, n_values))
    # Half of them are tied.
    x = rng.normal(1.0 if is_moved else 0.0)
    return float(np.round(x, 1) if rng.random() < 0.5 else x)


def _plan(rng: np.random.Generator, is_moved: bool, misses: bool) -> str | None:
    if misses and rng.random() < 0.1:
        return None
    if is_moved and rng.random() < 0.3:
        return f"new-{rng.integers(3)}"
    return str(PLANS[rng.integers(len(PLANS))])


def make_panes(events: Sequence[Event], *, width_ms: int) -> list[Pane]:
    """The panes that hold the events, in which a category is the code of the pane's own text."""
    panes, offset = [], 0
    for number, group in groupby(events, key=lambda event: event.time_ms // width_ms):
        held = list(group)
        texts = list(dict.fromkeys(event.plan for event in held if event.plan is not None))
        rows = [
            (
                np.nan if event.age is None else event.age,
                np.nan if event.score is None else event.score,
                np.nan if event.plan is None else float(texts.index(event.plan)),
            )
            for event in held
        ]
        columns = EventColumns(
            event_ids=[event.event_id for event in held],
            partitions=np.zeros(len(held), dtype=np.int32),
            offsets=np.arange(offset, offset + len(held), dtype=np.int64),
            rows=np.zeros(len(held), dtype=np.int32),
            times_ms=np.array([event.time_ms for event in held], dtype=np.int64),
            x=np.array(rows, dtype=np.float64),
            texts={2: texts},
        )
        panes.append(Pane("model", number * width_ms, (number + 1) * width_ms, columns, []))
        offset += len(held)
    return panes
