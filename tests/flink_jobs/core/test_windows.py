"""Which events land in which windows, against the definition spelled out event by event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config import CountWindow, TimeWindow
from flink_jobs.core.state import Segment, Status, make_segment
from flink_jobs.core.windows import CountWindows, TimeWindows, Windows
from tests.flink_jobs.builders import WIDTH_MS, make_pane

pane_sizes = st.lists(st.integers(0, 6), min_size=1, max_size=25)


def close_all(windows: Windows, sizes: Sequence[int]) -> dict[int, list[int]]:
    """Run panes through windows as the monitor does; window start or position -> offsets."""
    status = Status(detector_fingerprint="")
    windows.begin(status, 0)
    segments: list[Segment] = []
    closed: dict[int, list[int]] = {}
    offset = 0
    for index, size in enumerate(sizes):
        if not size:
            continue
        pane = make_pane(index, np.zeros((size, 1)), first_offset=offset)
        for until_ms in (pane.start_ms, pane.end_ms):
            for window in windows.close(status, segments, until_ms):
                key = window.start_ms if window.kind == "time" else window.first_event
                assert key not in closed, "a window closed twice"
                closed[key] = window.columns().offsets.tolist()
                assert len(window.z) == window.n_tested == window.n_events
            if until_ms == pane.start_ms:
                segments.append(make_segment(pane.start_ms, status.n_monitored, size, pane.events))
                status.n_monitored += size
        segments = windows.still_needed(status, segments)
        offset += size
    return closed


@given(pane_sizes, st.integers(1, 6), st.integers(1, 6))
def test_every_event_lands_in_exactly_the_time_windows_of_the_definition(
    sizes: list[int], n_panes: int, n_slide: int
) -> None:
    size_ms, slide_ms = max(n_panes, n_slide) * WIDTH_MS, n_slide * WIDTH_MS
    last_pane = max((i for i, size in enumerate(sizes) if size), default=-1)
    pane_of = [i for i, size in enumerate(sizes) for _ in range(size)]
    expected = {}
    for start_ms in range(0, len(sizes) * WIDTH_MS, slide_ms):
        inside = [
            offset
            for offset, pane in enumerate(pane_of)
            if start_ms <= pane * WIDTH_MS < start_ms + size_ms
        ]
        if inside and start_ms + size_ms <= (last_pane + 1) * WIDTH_MS:
            expected[start_ms] = inside

    closed = close_all(TimeWindows(TimeWindow(size_ms=size_ms, slide_ms=slide_ms)), sizes)

    assert closed == expected


@given(pane_sizes, st.integers(2, 12), st.integers(1, 12))
def test_every_event_lands_in_exactly_the_count_windows_of_the_definition(
    sizes: list[int], size: int, slide: int
) -> None:
    slide = min(slide, size)
    total = sum(sizes)
    expected = {
        first: list(range(first, first + size)) for first in range(0, total - size + 1, slide)
    }

    closed = close_all(CountWindows(CountWindow(size=size, slide=slide)), sizes)

    assert closed == expected


def test_a_silence_of_years_closes_no_empty_window() -> None:
    windows = TimeWindows(TimeWindow(size_ms=3 * WIDTH_MS, slide_ms=WIDTH_MS))
    status = Status(detector_fingerprint="")
    windows.begin(status, 0)
    pane = make_pane(2, np.zeros((4, 1)))
    segments = [make_segment(pane.start_ms, 0, 4, pane.events)]
    ten_years_ms = 10 * 365 * 24 * 3_600_000

    starts = [w.start_ms for w in windows.close(status, segments, ten_years_ms)]

    assert starts == [0, 1_000, 2_000]
    assert windows.still_needed(status, segments) == []


@pytest.mark.parametrize(("size", "slide", "kept"), [(4, 4, 0), (4, 1, 1)])
def test_segments_are_dropped_as_soon_as_no_window_needs_them(
    size: int, slide: int, kept: int
) -> None:
    windows = CountWindows(CountWindow(size=size, slide=slide))
    status = Status(detector_fingerprint="")
    pane = make_pane(0, np.zeros((4, 1)))
    segments = [make_segment(0, 0, 4, pane.events)]
    status.n_monitored = 4

    assert len(list(windows.close(status, segments, WIDTH_MS))) == 1

    assert len(windows.still_needed(status, segments)) == kept
