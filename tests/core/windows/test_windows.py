"""Which events land in which windows, against the definition spelled out over all panes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from flink_jobs.core.state.segments import Segment, join_x, make_segment
from flink_jobs.core.state.state import Watch
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.tables.windows import CountWindow, SessionWindow, TimeWindow, WindowTable
from flink_jobs.core.windows.windows import ClosedWindow, Windows, make_windows
from flink_jobs.intake.event_columns import EventColumns
from tests.core.windows.window_oracle import (
    Expected,
    expected_count_windows,
    expected_pane_windows,
)

WIDTH_MS = 1_000

pane_sizes = st.lists(st.integers(0, 6) | st.just(0), min_size=1, max_size=30)
few_events = st.integers(0, 14)


@st.composite
def time_tables(draw: st.DrawFn) -> TimeWindow:
    n_slide, n_more = draw(st.integers(1, 6)), draw(st.integers(0, 5))
    return TimeWindow(
        size_ms=(n_slide + n_more) * WIDTH_MS,
        slide_ms=n_slide * WIDTH_MS,
        early_events=draw(few_events),
        max_events=draw(few_events),
    )


@st.composite
def session_tables(draw: st.DrawFn) -> SessionWindow:
    return SessionWindow(
        gap_ms=draw(st.integers(1, 4)) * WIDTH_MS,
        max_size_ms=draw(st.integers(1, 12)) * WIDTH_MS,
        early_events=draw(few_events),
        max_events=draw(few_events),
    )


@st.composite
def count_tables(draw: st.DrawFn) -> CountWindow:
    size = draw(st.integers(2, 12))
    return CountWindow(size=size, slide=draw(st.integers(1, size)))


def make_segments(sizes: Sequence[int], most: int = 6) -> list[Segment]:
    """One pane after the other, sampled down to ``most`` events; a size of 0 leaves one out.

    Each row of numbers says which pane and which row it is.
    """
    segments, position = [], 0
    for index, size in enumerate(sizes):
        start_ms, n = index * WIDTH_MS, min(size, most)
        if not size:
            continue
        rows = np.arange(n)
        events = EventColumns(
            event_ids=[f"event-{position + row}" for row in rows],
            partitions=np.zeros(n, dtype=np.int32),
            offsets=position + rows,
            rows=np.zeros(n, dtype=np.int32),
            times_ms=start_ms + rows * WIDTH_MS // n,
            x=np.column_stack([np.full(n, start_ms), rows]).astype(np.float64),
        )
        segments.append(make_segment(start_ms, position, size, events))
        position += size
    return segments


class Run:
    """Hands panes to windows as the monitor does, with state that is stored between calls."""

    def __init__(
        self, table: WindowTable, from_ms: int = 0, *, remember_last: bool = False
    ) -> None:
        self.windows: Windows = make_windows(table, remember_last, width_ms=WIDTH_MS)
        self.watch = Watch(name="main")
        self.windows.begin(self.watch, from_ms)
        self.segments: list[Segment] = []
        self.n_monitored = 0
        self.closed: list[ClosedWindow] = []

    def pane(self, segment: Segment) -> list[ClosedWindow]:
        self.time(segment.start_ms)
        self.append(segment)
        return self.time(segment.start_ms + WIDTH_MS)

    def append(self, segment: Segment) -> None:
        self.segments.append(segment)
        self.n_monitored += segment.n_seen

    def time(self, until_ms: int) -> list[ClosedWindow]:
        new = list(self.windows.close(self.watch, self.segments, self.n_monitored, until_ms))
        self.segments = self.windows.still_needed(self.watch, self.segments)
        self.watch = msgspec.msgpack.decode(msgspec.msgpack.encode(self.watch), type=Watch)
        self.closed += new
        return new


def run_all(
    table: WindowTable,
    segments: Sequence[Segment],
    until_ms: int,
    *,
    from_ms: int = 0,
    more_times_ms: Sequence[int] = (),
) -> list[ClosedWindow]:
    """Panes in order, with calls by timers in between."""
    run = Run(table, from_ms)
    timers_ms = sorted(more_times_ms)
    for segment in segments:
        # A pane comes when event time passes its end, so the timers before that came first.
        while timers_ms and timers_ms[0] < segment.start_ms + WIDTH_MS:
            run.time(timers_ms.pop(0))
        run.pane(segment)
    for timer_ms in timers_ms:
        run.time(min(timer_ms, until_ms))
    run.time(until_ms)
    return run.closed


def told(windows: Sequence[ClosedWindow]) -> list[Expected]:
    """Return what windows say, and what they hold."""
    return [
        Expected(
            w.closed_ms,
            w.closed_early,
            w.start_ms,
            w.end_ms,
            w.first_event,
            w.n_events,
            [(int(start_ms), int(row)) for start_ms, row in w.z],
        )
        for w in windows
    ]


timers = st.lists(st.integers(0, 50 * WIDTH_MS), max_size=20)


@given(
    time_tables() | session_tables(),
    pane_sizes,
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(0, 50),
    timers,
)
def test_windows_of_panes_are_those_of_the_definition_whenever_they_are_asked(
    table: TimeWindow | SessionWindow,
    sizes: list[int],
    most: int,
    from_pane: int,
    n_quiet: int,
    times_ms: list[int],
) -> None:
    segments = make_segments([0] * from_pane + sizes, most)
    from_ms = from_pane * WIDTH_MS
    until_ms = (from_pane + len(sizes) + n_quiet) * WIDTH_MS
    expected = expected_pane_windows(
        table, segments, width_ms=WIDTH_MS, from_ms=from_ms, until_ms=until_ms
    )

    closed = run_all(table, segments, until_ms, from_ms=from_ms, more_times_ms=times_ms)

    assert told(closed) == expected


@given(time_tables() | session_tables(), pane_sizes, timers)
def test_a_window_waits_for_its_time_though_later_panes_are_there(
    table: TimeWindow | SessionWindow, sizes: list[int], times_ms: list[int]
) -> None:
    run = Run(table)
    panes = make_segments(sizes)
    for pane in panes:
        run.append(pane)

    for until_ms in sorted(times_ms):
        run.time(until_ms)

        expected = expected_pane_windows(
            table, panes, width_ms=WIDTH_MS, from_ms=0, until_ms=until_ms
        )
        assert told(run.closed) == expected


@given(time_tables() | session_tables(), pane_sizes, st.integers(0, 40))
def test_panes_before_the_beginning_are_in_no_window(
    table: TimeWindow | SessionWindow, sizes: list[int], from_pane: int
) -> None:
    segments = make_segments(sizes)
    from_ms, until_ms = from_pane * WIDTH_MS, 100 * WIDTH_MS
    run = Run(table, from_ms)
    for segment in segments:
        run.append(segment)
    expected = expected_pane_windows(
        table, segments, width_ms=WIDTH_MS, from_ms=from_ms, until_ms=until_ms
    )

    assert told(run.time(until_ms)) == expected


@given(count_tables(), pane_sizes, timers)
def test_count_windows_are_those_of_the_definition_whenever_they_are_asked(
    table: CountWindow, sizes: list[int], times_ms: list[int]
) -> None:
    segments = make_segments(sizes)

    closed = run_all(table, segments, len(sizes) * WIDTH_MS, more_times_ms=times_ms)

    assert told(closed) == expected_count_windows(table, segments, width_ms=WIDTH_MS)


@given(time_tables() | session_tables() | count_tables(), pane_sizes)
def test_a_window_counts_what_it_holds(table: WindowTable, sizes: list[int]) -> None:
    for window in run_all(table, make_segments(sizes), 100 * WIDTH_MS):
        columns = window.columns()
        assert len(columns) == len(window.z) == window.n_tested
        assert np.array_equal(columns.x, window.z)


@given(time_tables() | session_tables(), pane_sizes, st.data())
def test_the_next_close_is_when_silence_closes_the_next_window(
    table: TimeWindow | SessionWindow, sizes: list[int], data: st.DataObject
) -> None:
    table = msgspec.structs.replace(table, early_events=0)
    segments = make_segments(sizes)
    n_panes = data.draw(st.integers(0, len(segments)))
    run = Run(table)
    for segment in segments[:n_panes]:
        run.pane(segment)

    close_ms = run.windows.next_close_ms(run.watch, run.segments)

    if close_ms is None:
        assert run.time(10**9) == []
    else:
        assert run.time(close_ms - 1) == []
        assert run.time(close_ms)


def test_count_windows_wait_for_no_time() -> None:
    run = Run(CountWindow(size=4, slide=4))
    run.pane(make_segments([3])[0])

    assert run.windows.next_close_ms(run.watch, run.segments) is None


@given(time_tables() | session_tables() | count_tables(), pane_sizes)
def test_the_events_of_the_last_window_are_kept_where_commands_may_ask_for_them(
    table: WindowTable, sizes: list[int]
) -> None:
    run = Run(table, remember_last=True)
    for segment in make_segments(sizes):
        run.pane(segment)
        if not run.closed:
            assert run.watch.last_window is None
            continue
        last, noted = run.closed[-1], run.watch.last_window
        assert noted is not None
        positions = range(noted.first_event, noted.end_event)
        kept = [s for s in run.segments if s.first_event in positions]
        assert np.array_equal(join_x(kept)[slice(*noted.rows)], last.z)


@given(time_tables() | session_tables() | count_tables(), pane_sizes)
def test_keeping_the_last_window_changes_no_window(table: WindowTable, sizes: list[int]) -> None:
    segments, until_ms = make_segments(sizes), 100 * WIDTH_MS
    run = Run(table, remember_last=True)
    for segment in segments:
        run.pane(segment)
    run.time(until_ms)

    assert told(run.closed) == told(run_all(table, segments, until_ms))


def test_nothing_remembers_the_last_window_unless_asked_to() -> None:
    run = Run(CountWindow(size=4, slide=4))

    run.pane(make_segments([4])[0])

    assert len(run.closed) == 1
    assert run.watch.last_window is None
    assert run.segments == []


def test_a_new_beginning_forgets_the_last_window_and_early_tests() -> None:
    run = Run(
        TimeWindow(size_ms=3_000, slide_ms=3_000, min_events=2, early_events=2), remember_last=True
    )
    run.pane(make_segments([4])[0])
    assert run.watch.early_until == 0

    run.windows.begin(run.watch, 9_000)

    assert run.watch == Watch(name="main", closed_until=11_999)


@pytest.mark.parametrize(
    ("table", "starts"),
    [
        (TimeWindow(size_ms=3_000, slide_ms=1_000), [0, 1_000, 2_000]),
        (SessionWindow(gap_ms=3_000, max_size_ms=9_000), [2_000]),
    ],
)
def test_a_silence_of_years_closes_no_empty_window(table: WindowTable, starts: list[int]) -> None:
    run = Run(table)
    run.pane(make_segments([0, 0, 4])[0])
    ten_years_ms = 10 * 365 * 24 * 3_600_000

    run.time(ten_years_ms)

    assert [w.start_ms for w in run.closed] == starts
    assert run.segments == []


def test_panes_kept_from_before_a_silence_of_years_are_not_searched_window_by_window() -> None:
    run = Run(TimeWindow(size_ms=3_000, slide_ms=1_000), remember_last=True)
    run.pane(make_segments([4])[0])
    late = make_segments([4])[0]
    # A million years: passing over each empty window would take a week.
    late.start_ms, late.first_event = 10**6 * 365 * 24 * 3_600_000, 4

    run.pane(late)
    run.time(late.start_ms + 3_000)

    before = [0]
    after = [late.start_ms - 2_000, late.start_ms - 1_000, late.start_ms]
    assert [w.start_ms for w in run.closed] == before + after


def test_an_early_tested_window_is_tested_again_only_if_more_came() -> None:
    table = TimeWindow(size_ms=3_000, slide_ms=3_000, early_events=4)
    segments = make_segments([2, 2, 1, 6])

    closed = run_all(table, segments, 6_000)

    assert [(w.start_ms, w.n_events, w.closed_early) for w in closed] == [
        (0, 4, True),
        (0, 5, False),
        (3_000, 6, True),
    ]


@pytest.mark.parametrize(
    ("gap_ms", "sizes", "spans"),
    [
        (1_000, [1, 1, 0, 1], [(0, 2_000), (3_000, 4_000)]),
        (1_000, [1, 1, 1, 1, 1, 1], [(0, 4_000), (4_000, 6_000)]),
        (2_000, [1, 0, 1, 0, 0, 1], [(0, 4_000), (5_000, 6_000)]),
    ],
    ids=["with a gap", "at its greatest size", "at its greatest size, within a gap"],
)
def test_a_session_ends(gap_ms: int, sizes: list[int], spans: list[tuple[int, int]]) -> None:
    table = SessionWindow(gap_ms=gap_ms, max_size_ms=4_000)

    closed = run_all(table, make_segments(sizes), 8_000)

    assert [(w.start_ms, w.end_ms) for w in closed] == spans


@pytest.mark.parametrize(("size", "slide", "kept"), [(4, 4, 0), (4, 1, 1)])
def test_segments_are_dropped_as_soon_as_no_window_needs_them(
    size: int, slide: int, kept: int
) -> None:
    run = Run(CountWindow(size=size, slide=slide))

    closed = run.pane(make_segments([4])[0])

    assert len(closed) == 1
    assert len(run.segments) == kept
