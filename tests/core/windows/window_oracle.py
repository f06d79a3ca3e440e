"""Windows by their definition: slow, over all panes at once, and without any state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flink_jobs.config.tables.windows import CountWindow, SessionWindow, TimeWindow


class PaneSize(NamedTuple):
    """A pane: its start, the position of its first event, and how many it holds."""

    start_ms: int
    first_event: int
    n_events: int

    def time_ms(self, row: int) -> int:
        """The event time of an event: events are spread evenly over a second."""
        return self.start_ms + row * 1_000 // self.n_events


class Expected(NamedTuple):
    """A window, when it is due, and the positions of the events that are tested."""

    due_ms: int
    closed_early: bool
    start_ms: int
    end_ms: int
    first_event: int
    n_events: int
    tested: range


class _Whole(NamedTuple):
    start_ms: int
    end_ms: int
    close_ms: int
    held: list[PaneSize]


def expected_count_windows(
    window: CountWindow, panes: Sequence[PaneSize], *, width_ms: int
) -> list[Expected]:
    """Every window that is full, due when the pane with its last event is over."""
    events = [(pane, row) for pane in panes for row in range(pane.n_events)]
    return [
        Expected(
            due_ms=events[first + window.size - 1][0].start_ms + width_ms,
            closed_early=False,
            start_ms=_time_ms(events[first]),
            end_ms=_time_ms(events[first + window.size - 1]),
            first_event=first,
            n_events=window.size,
            tested=range(first, first + window.size),
        )
        for first in range(0, len(events) - window.size + 1, window.slide)
    ]


def expected_pane_windows(
    window: TimeWindow | SessionWindow,
    panes: Sequence[PaneSize],
    *,
    width_ms: int,
    from_ms: int,
    until_ms: int,
) -> list[Expected]:
    """Every window due by ``until_ms``, in the order of what is due; early tests come last."""
    if isinstance(window, TimeWindow):
        wholes = _time_windows(window, panes, from_ms)
    else:
        wholes = _sessions(window, panes, width_ms, from_ms)
    found = [due for whole in wholes for due in _due(window, whole, width_ms)]
    return sorted(
        (due for due in found if due.due_ms <= until_ms),
        key=lambda due: (due.due_ms, due.closed_early, due.start_ms),
    )


def _time_windows(window: TimeWindow, panes: Sequence[PaneSize], from_ms: int) -> list[_Whole]:
    first = -(-from_ms // window.slide_ms) * window.slide_ms
    wholes = []
    for start_ms in range(first, max((p.start_ms for p in panes), default=-1) + 1, window.slide_ms):
        end_ms = start_ms + window.size_ms
        if held := [p for p in panes if start_ms <= p.start_ms < end_ms]:
            wholes.append(_Whole(start_ms, end_ms, end_ms, held))
    return wholes


def _sessions(
    window: SessionWindow, panes: Sequence[PaneSize], width_ms: int, from_ms: int
) -> list[_Whole]:
    sessions: list[list[PaneSize]] = []
    for pane in panes:
        if pane.start_ms < from_ms:
            continue
        if (
            sessions
            and pane.start_ms - (sessions[-1][-1].start_ms + width_ms) < window.gap_ms
            and pane.start_ms - sessions[-1][0].start_ms < window.max_size_ms
        ):
            sessions[-1].append(pane)
        else:
            sessions.append([pane])
    wholes = []
    for held in sessions:
        start_ms, last_end_ms = held[0].start_ms, held[-1].start_ms + width_ms
        full_ms = start_ms + window.max_size_ms
        close_ms = min(last_end_ms + window.gap_ms, full_ms)
        wholes.append(
            _Whole(start_ms, full_ms if close_ms == full_ms else last_end_ms, close_ms, held)
        )
    return wholes


def _due(window: TimeWindow | SessionWindow, whole: _Whole, width_ms: int) -> list[Expected]:
    """The early test of a window if it has one, and the last test unless nothing is new to it."""
    found = []
    for n_panes in range(1, len(whole.held) + 1):
        held = whole.held[:n_panes]
        now_ms = held[-1].start_ms + width_ms
        n_events = sum(p.n_events for p in held)
        if 0 < window.early_events <= n_events and now_ms < whole.close_ms:
            end_ms = whole.end_ms if isinstance(window, TimeWindow) else now_ms
            found.append(_expected(window, now_ms, whole.start_ms, end_ms, held, is_early=True))
            break
    if not found or len(whole.held) > n_panes:
        found.append(
            _expected(
                window, whole.close_ms, whole.start_ms, whole.end_ms, whole.held, is_early=False
            )
        )
    return found


def _expected(
    window: TimeWindow | SessionWindow,
    due_ms: int,
    start_ms: int,
    end_ms: int,
    held: Sequence[PaneSize],
    *,
    is_early: bool,
) -> Expected:
    kept = list(held)
    while window.max_events and len(kept) > 1:
        if sum(p.n_events for p in kept) <= window.max_events:
            break
        kept = kept[1:]
    return Expected(
        due_ms=due_ms,
        closed_early=is_early,
        start_ms=start_ms,
        end_ms=end_ms,
        first_event=held[0].first_event,
        n_events=sum(p.n_events for p in held),
        tested=range(kept[0].first_event, kept[-1].first_event + kept[-1].n_events),
    )


def _time_ms(event: tuple[PaneSize, int]) -> int:
    pane, row = event
    return pane.time_ms(row)
