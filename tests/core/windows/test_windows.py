"""Which events land in which windows, against the definition spelled out over all panes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.tables.windows import CountWindow, SessionWindow, TimeWindow, WindowTable
from flink_jobs.core.slices.slices import Slice, Slices
from flink_jobs.core.state.watch import Watch
from flink_jobs.core.windows.windows import ClosedWindow, Windows, make_windows
from tests.core.windows.window_oracle import (
    Expected,
    PaneSize,
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


def make_panes(sizes: Sequence[int]) -> list[PaneSize]:
    """One pane after the other; a size of 0 leaves one out."""
    firsts = accumulate(sizes, initial=0)
    return [
        PaneSize(index * WIDTH_MS, first, size)
        for index, (first, size) in enumerate(zip(firsts, sizes, strict=False))
        if size
    ]


class Run:
    """Hands panes to windows as a watcher does, with state that is stored between calls."""

    def __init__(
        self, table: WindowTable, from_ms: int = 0, *, remember_last: bool = False
    ) -> None:
        self.windows: Windows = make_windows(table, remember_last, width_ms=WIDTH_MS)
        self.watch = Watch(name="main")
        self.windows.begin(self.watch, from_ms)
        self.slices = Slices()
        self.n_monitored = 0
        self.closed: list[ClosedWindow] = []
        # What windows hold when they close: slices that are open grow on.
        self.held: list[range] = []

    def pane(self, pane: PaneSize) -> list[ClosedWindow]:
        self.time(pane.start_ms)
        self.append(pane)
        return self.time(pane.start_ms + WIDTH_MS)

    def append(self, pane: PaneSize) -> None:
        cut = self.windows.cut(self.slices, pane.start_ms, pane.first_event, pane.n_events)
        for rows, start_ms in cut:
            new = Slice(
                start_ms=pane.start_ms if start_ms is None else start_ms,
                end_ms=pane.start_ms + WIDTH_MS,
                first_ms=pane.time_ms(rows.start),
                last_ms=pane.time_ms(rows.stop - 1),
                first_event=pane.first_event + rows.start,
                n_events=rows.stop - rows.start,
            )
            if start_ms is not None:
                self.slices.append(new)
                continue
            last = self.slices[-1]
            assert last.end_event == new.first_event
            longer = last._replace(
                end_ms=new.end_ms, last_ms=new.last_ms, n_events=last.n_events + new.n_events
            )
            self.slices.replace(len(self.slices) - 1, longer)
        self.n_monitored += pane.n_events

    def time(self, until_ms: int) -> list[ClosedWindow]:
        new = []
        for window in self.windows.close(self.watch, self.slices, self.n_monitored, until_ms):
            new.append(window)
            self.held.append(range(window.slices[0].first_event, window.slices[-1].end_event))
        self.slices.drop_first(self.windows.first_needed(self.watch, self.slices))
        self.watch = msgspec.msgpack.decode(msgspec.msgpack.encode(self.watch), type=Watch)
        self.slices = Slices(self.slices.to_bytes())
        self.closed += new
        return new


def run_all(
    table: WindowTable,
    panes: Sequence[PaneSize],
    until_ms: int,
    *,
    from_ms: int = 0,
    more_times_ms: Sequence[int] = (),
) -> Run:
    """Panes in order, with calls by timers in between."""
    run = Run(table, from_ms)
    timers_ms = sorted(more_times_ms)
    for pane in panes:
        # A pane comes when event time passes its end, so the timers before that came first.
        while timers_ms and timers_ms[0] < pane.start_ms + WIDTH_MS:
            run.time(timers_ms.pop(0))
        run.pane(pane)
    for timer_ms in timers_ms:
        run.time(min(timer_ms, until_ms))
    run.time(until_ms)
    return run


def told(run: Run) -> list[Expected]:
    """Return what windows say, and what they hold."""
    return [
        Expected(w.closed_ms, w.closed_early, w.start_ms, w.end_ms, w.first_event, w.n_events, held)
        for w, held in zip(run.closed, run.held, strict=True)
    ]


timers = st.lists(st.integers(0, 50 * WIDTH_MS), max_size=20)


@given(
    time_tables() | session_tables(),
    pane_sizes,
    st.integers(0, 5),
    st.integers(0, 50),
    timers,
)
def test_windows_of_panes_are_those_of_the_definition_whenever_they_are_asked(
    table: TimeWindow | SessionWindow,
    sizes: list[int],
    from_pane: int,
    n_quiet: int,
    times_ms: list[int],
) -> None:
    panes = make_panes([0] * from_pane + sizes)
    from_ms = from_pane * WIDTH_MS
    until_ms = (from_pane + len(sizes) + n_quiet) * WIDTH_MS
    expected = expected_pane_windows(
        table, panes, width_ms=WIDTH_MS, from_ms=from_ms, until_ms=until_ms
    )

    run = run_all(table, panes, until_ms, from_ms=from_ms, more_times_ms=times_ms)

    assert told(run) == expected


@given(time_tables() | session_tables(), pane_sizes, timers)
def test_a_window_waits_for_its_time_though_later_panes_are_there(
    table: TimeWindow | SessionWindow, sizes: list[int], times_ms: list[int]
) -> None:
    # An early test sees the open slice as it is: one call follows on each pane.
    table = msgspec.structs.replace(table, early_events=0)
    run = Run(table)
    panes = make_panes(sizes)
    for pane in panes:
        run.append(pane)

    for until_ms in sorted(times_ms):
        run.time(until_ms)

        expected = expected_pane_windows(
            table, panes, width_ms=WIDTH_MS, from_ms=0, until_ms=until_ms
        )
        assert told(run) == expected


@given(count_tables(), pane_sizes, timers)
def test_count_windows_are_those_of_the_definition_whenever_they_are_asked(
    table: CountWindow, sizes: list[int], times_ms: list[int]
) -> None:
    panes = make_panes(sizes)

    run = run_all(table, panes, len(sizes) * WIDTH_MS, more_times_ms=times_ms)

    assert told(run) == expected_count_windows(table, panes, width_ms=WIDTH_MS)


@given(time_tables() | session_tables() | count_tables(), pane_sizes)
def test_a_window_counts_what_it_holds(table: WindowTable, sizes: list[int]) -> None:
    run = run_all(table, make_panes(sizes), 100 * WIDTH_MS)

    assert [window.n_kept for window in run.closed] == [len(held) for held in run.held]


@given(time_tables() | session_tables(), pane_sizes, st.data())
def test_the_next_close_is_when_silence_closes_the_next_window(
    table: TimeWindow | SessionWindow, sizes: list[int], data: st.DataObject
) -> None:
    table = msgspec.structs.replace(table, early_events=0)
    panes = make_panes(sizes)
    n_panes = data.draw(st.integers(0, len(panes)))
    run = Run(table)
    for pane in panes[:n_panes]:
        run.pane(pane)

    close_ms = run.windows.next_close_ms(run.watch, run.slices)

    if close_ms is None:
        assert run.time(10**9) == []
    else:
        assert run.time(close_ms - 1) == []
        assert run.time(close_ms)


def test_count_windows_wait_for_no_time() -> None:
    run = Run(CountWindow(size=4, slide=4))
    run.pane(make_panes([3])[0])

    assert run.windows.next_close_ms(run.watch, run.slices) is None


@given(time_tables() | session_tables() | count_tables(), pane_sizes)
def test_the_events_of_the_last_window_are_kept_where_commands_may_ask_for_them(
    table: WindowTable, sizes: list[int]
) -> None:
    run = Run(table, remember_last=True)
    for pane in make_panes(sizes):
        run.pane(pane)
        if not run.closed:
            assert run.watch.last_window is None
            continue
        noted = run.watch.last_window
        assert noted is not None
        positions = range(noted.first_event, noted.end_event)
        assert positions == run.held[-1]
        kept = [s for s in run.slices if s.first_event in positions]
        # Of a window that was tested early, the open slice has grown since.
        n_kept, is_early = sum(s.n_events for s in kept), run.closed[-1].closed_early
        assert n_kept >= len(positions) if is_early else n_kept == len(positions)


@given(time_tables() | session_tables() | count_tables(), pane_sizes)
def test_keeping_the_last_window_changes_no_window(table: WindowTable, sizes: list[int]) -> None:
    panes, until_ms = make_panes(sizes), 100 * WIDTH_MS
    run = Run(table, remember_last=True)
    for pane in panes:
        run.pane(pane)
    run.time(until_ms)

    assert told(run) == told(run_all(table, panes, until_ms))


def test_nothing_remembers_the_last_window_unless_asked_to() -> None:
    run = Run(CountWindow(size=4, slide=4))

    run.pane(make_panes([4])[0])

    assert len(run.closed) == 1
    assert run.watch.last_window is None
    assert len(run.slices) == 0


def test_a_new_beginning_forgets_the_last_window_and_early_tests() -> None:
    run = Run(
        TimeWindow(size_ms=3_000, slide_ms=3_000, min_events=2, early_events=2), remember_last=True
    )
    run.pane(make_panes([4])[0])
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
    run.pane(make_panes([0, 0, 4])[0])
    ten_years_ms = 10 * 365 * 24 * 3_600_000

    run.time(ten_years_ms)

    assert [w.start_ms for w in run.closed] == starts
    assert len(run.slices) == 0


def test_panes_kept_from_before_a_silence_of_years_are_not_searched_window_by_window() -> None:
    run = Run(TimeWindow(size_ms=3_000, slide_ms=1_000), remember_last=True)
    run.pane(make_panes([4])[0])
    # A million years: passing over each empty window would take a week.
    late = PaneSize(10**6 * 365 * 24 * 3_600_000, 4, 4)

    run.pane(late)
    run.time(late.start_ms + 3_000)

    before = [0]
    after = [late.start_ms - 2_000, late.start_ms - 1_000, late.start_ms]
    assert [w.start_ms for w in run.closed] == before + after


def test_an_early_tested_window_is_tested_again_only_if_more_came() -> None:
    table = TimeWindow(size_ms=3_000, slide_ms=3_000, early_events=4)
    panes = make_panes([2, 2, 1, 6])

    run = run_all(table, panes, 6_000)

    assert [(w.start_ms, w.n_events, w.closed_early) for w in run.closed] == [
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

    run = run_all(table, make_panes(sizes), 8_000)

    assert [(w.start_ms, w.end_ms) for w in run.closed] == spans


@pytest.mark.parametrize(("size", "slide", "kept"), [(4, 4, 0), (4, 1, 3), (4, 2, 1)])
def test_slices_are_dropped_as_soon_as_no_window_needs_them(
    size: int, slide: int, kept: int
) -> None:
    run = Run(CountWindow(size=size, slide=slide))

    closed = run.pane(make_panes([4])[0])

    assert len(closed) == 1
    assert len(run.slices) == kept
