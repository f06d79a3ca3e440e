"""All scores of a stream by the definition of references and windows: slow, and without state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.references import FirstEvents, FirstTime, Seasonal, Trailing
from flink_jobs.config.tables.windows import CountWindow
from tests.core.oracle.streams import Event
from tests.core.oracle.tests_by_definition import BY_KIND, Column, Result
from tests.core.windows.window_oracle import (
    PaneSize,
    expected_count_windows,
    expected_pane_windows,
)

EPOCH = datetime(1970, 1, 1)


class Key(NamedTuple):
    """What tells a window from all others."""

    view: str
    detector: str
    start_ms: int
    end_ms: int
    first_event: int
    n_events: int
    closed_early: bool


class Expected(NamedTuple):
    """The score of a window."""

    status: str
    n_tested: int
    n_reference: int
    result: Result = Result()


class Watched(NamedTuple):
    """What a view is compared with, and what is left to be watched."""

    reference: list[Event] | None
    rest: list[Event]
    from_ms: int


def expected_scores(
    config: DriftJobConfig, events: Sequence[Event], until_ms: int
) -> dict[Key, Expected]:
    """The scores of all views and detectors."""
    found: dict[Key, Expected] = {}
    for view in config.views:
        watched = _watched(config, events)
        if watched is None:
            continue
        tables = [("main", config.window, view.test)]
        tables += [
            (each.name, each.window, each.test)
            for each in view.detectors
            if each.window is not None
        ]
        for name, window, test in tables:
            for key, held in _windows(config, window, watched, until_ms):
                shown = key._replace(view=view.name, detector=name)
                found[shown] = _score(config, watched, events, view, window, test, shown, held)
    return found


def cells_wanted(reference: Any, start_ms: int) -> list[int]:
    """The names of the cells that make the reference of a window: the starts, by local time."""
    cell = cell_of(reference, start_ms)
    if isinstance(reference, Trailing):
        end = cell - reference.gap_ms
        return list(range(end - reference.size_ms, end, reference.step_ms))
    return [cell - n * reference.period_ms for n in range(1, reference.n_periods + 1)]


def cell_of(reference: Any, at_ms: int) -> int:
    """The cell of a moment."""
    if isinstance(reference, Trailing):
        return at_ms // reference.step_ms * reference.step_ms
    return int(local_ms(at_ms, reference.timezone) // reference.slot_ms * reference.slot_ms)


# Every window asks for every event, 150 for 1,500: the clock took most of the oracle's time.
@cache
def local_ms(at_ms: int, timezone: str) -> int:
    """What the clocks of a time zone show at a moment, counted from 1970."""
    moment = datetime.fromtimestamp(at_ms / 1_000, ZoneInfo(timezone))
    return (moment.replace(tzinfo=None) - EPOCH) // timedelta(milliseconds=1)


def _watched(config: DriftJobConfig, events: Sequence[Event]) -> Watched | None:
    reference, width_ms = config.reference, config.panes.width_ms
    if isinstance(reference, FirstEvents):
        return _after_first_events(reference, events, width_ms)
    if isinstance(reference, FirstTime):
        return _after_first_time(reference, events, width_ms)
    assert isinstance(reference, Trailing | Seasonal)
    first_ms = events[0].time_ms // width_ms * width_ms
    before = cell_of(reference, first_ms)
    for start_ms in sorted({event.time_ms // width_ms * width_ms for event in events}):
        cell, wanted = cell_of(reference, start_ms), cells_wanted(reference, start_ms)
        held = [
            e for e in events if e.time_ms < start_ms and cell_of(reference, e.time_ms) in wanted
        ]
        is_covered = min(wanted) >= cell_of(reference, first_ms)
        if cell != before and is_covered and len(held) >= reference.min_events:
            return Watched(None, [e for e in events if e.time_ms >= start_ms], start_ms)
        before = cell
    return None


def _after_first_events(
    reference: FirstEvents, events: Sequence[Event], width_ms: int
) -> Watched | None:
    n = reference.n_events
    if len(events) < n:
        return None
    pane_ms = events[n - 1].time_ms // width_ms * width_ms
    rest = list(events[n:])
    is_shared = bool(rest) and rest[0].time_ms < pane_ms + width_ms
    return Watched(list(events[:n]), rest, pane_ms if is_shared else pane_ms + width_ms)


def _after_first_time(
    reference: FirstTime, events: Sequence[Event], width_ms: int
) -> Watched | None:
    end_ms = events[0].time_ms // width_ms * width_ms + reference.duration_ms
    for number in sorted({event.time_ms // width_ms for event in events}):
        taken = [event for event in events if event.time_ms < (number + 1) * width_ms]
        if len(taken) >= reference.min_events:
            end_ms = max(end_ms, (number + 1) * width_ms)
            break
    else:
        return None
    taken = [event for event in events if event.time_ms < end_ms]
    return Watched(taken, list(events[len(taken) :]), end_ms)


def _windows(
    config: DriftJobConfig, window: Any, watched: Watched, until_ms: int
) -> list[tuple[Key, range]]:
    width_ms, rest = config.panes.width_ms, watched.rest
    panes, first = [], 0
    for number, group in groupby(rest, key=lambda event: event.time_ms // width_ms):
        n_events = len(list(group))
        panes.append(PaneSize(number * width_ms, first, n_events))
        first += n_events
    if isinstance(window, CountWindow):
        return [
            (
                Key("", "", rest[e.tested[0]].time_ms, rest[e.tested[-1]].time_ms, e.first_event,
                    e.n_events, False),
                e.tested,
            )
            for e in expected_count_windows(window, panes, width_ms=width_ms)
        ]  # fmt: skip
    found = expected_pane_windows(
        window, panes, width_ms=width_ms, from_ms=watched.from_ms, until_ms=until_ms
    )
    return [
        (Key("", "", e.start_ms, e.end_ms, e.first_event, e.n_events, e.closed_early), e.tested)
        for e in found
    ]


def _score(
    config: DriftJobConfig, watched: Watched, events: Sequence[Event], view: Any, window: Any,
    test: Any, key: Key, held: range,
) -> Expected:  # fmt: skip
    before, least = watched.reference, 1
    reference: Any = config.reference
    if before is None:
        wanted = cells_wanted(reference, key.start_ms)
        before = [event for event in events if cell_of(reference, event.time_ms) in wanted]
        least = reference.min_events
    after = watched.rest[held.start : held.stop]
    if not isinstance(window, CountWindow) and len(after) < window.min_events:
        return Expected("too_few_events", len(after), len(before))
    if len(before) < least:
        return Expected("no_reference", len(after), len(before))
    kind = test.__struct_config__.tag
    result = BY_KIND[kind](columns(before, view.columns), columns(after, view.columns))
    return Expected("tested", len(after), len(before), result)


def columns(events: Sequence[Event], names: Sequence[str]) -> list[Column]:
    """The values of some columns."""
    return [[getattr(event, name) for event in events] for name in names]
