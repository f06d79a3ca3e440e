"""Pictures for people: all models, a calendar, what moved, and small images."""

from __future__ import annotations

import base64
import io
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flink_jobs.records.alerts import ColumnShift
from flink_jobs.reports.charts import calendar, images, moved, overview, palette
from flink_jobs.reports.charts.overview import DRIFTS, NOTHING, QUIET, UNTESTED, Overview, Row

HOUR_MS = 3_600_000
HOSTILE = "<a href='https://example.org'>x</a>\u202e"


def row(name: str, *windows: tuple[float, float, int], **times: list[float]) -> Row:
    start, end, states = np.array(windows, dtype=float).reshape(-1, 3).T
    return Row(name, name, [overview.Windows(start, end, states.astype(np.uint8))], **times)


_windows = st.lists(
    st.tuples(st.integers(1, 50), st.integers(1, 200), st.sampled_from([QUIET, UNTESTED, DRIFTS])),
    min_size=1,
    max_size=60,
).map(
    lambda steps: [
        (float(end - size), float(end), state)
        for end, (_, size, state) in zip(
            np.cumsum([step for step, *_ in steps]).tolist(), steps, strict=True
        )
    ]
)


@given(_windows)
def test_a_stretch_of_time_shows_the_worst_that_came_of_it(
    windows: list[tuple[float, float, int]],
) -> None:
    drawn = Overview([row("m", *windows)])

    before = [-np.inf, *(end for _, end, _ in windows)]
    told = [
        (max(start, last), end, state)
        for (start, end, state), last in zip(windows, before, strict=False)
    ]
    for (low, high), state in zip(pairwise(drawn.edges_ms.tolist()), drawn.states[0], strict=True):
        over = [each for start, end, each in told if start < high and end > low]
        assert state == max(over, default=NOTHING)


@given(_windows)
def test_the_bars_of_a_row_cover_each_stretch_once(windows: list[tuple[float, float, int]]) -> None:
    drawn = Overview([row("m", *windows)])

    bars = [trace for trace in drawn.figure().data if trace.type == "bar"]

    width_ms = drawn.edges_ms[1] - drawn.edges_ms[0]
    n_known = int((drawn.states != NOTHING).sum())
    assert sum(float(np.sum(trace.x)) for trace in bars) == pytest.approx(n_known * width_ms)


def test_the_worst_models_have_names_and_all_others_a_line() -> None:
    rows = [row(f"model-{place}", (0, 10, QUIET)) for place in range(100)]

    drawn = Overview(rows).figure()

    assert list(drawn.layout.yaxis.ticktext) == [f"model-{place}" for place in range(40)]
    (strips,) = [trace for trace in drawn.data if trace.type == "heatmap"]
    assert np.shape(strips.z)[0] == 60
    assert strips.meta["links"][-1] == "model-99"
    assert drawn.layout.height < 2_000


def test_a_picture_of_1000_models_is_no_longer_than_two_screens() -> None:
    rows = [row(f"model-{place}", (0, 10, QUIET)) for place in range(1_000)]

    assert Overview(rows).figure().layout.height < 2_000


def test_alerts_are_marked_by_shape() -> None:
    drawn = Overview([row("m", (0, 10, DRIFTS), started_ms=[5.0], recovered_ms=[9.0])]).figure()

    marks = {t.marker.symbol: list(t.x) for t in drawn.data if t.type == "scatter"}
    assert marks == {"triangle-up": [5.0], "triangle-down": [9.0]}


def test_states_differ_without_colour() -> None:
    hatchings = [look.pattern for look in palette.STATES[QUIET:]]

    assert len(set(hatchings)) == len(hatchings)


def test_tested_hours_of_a_calendar_are_the_darker_the_worse() -> None:
    lights = [luminance(colour) for colour in palette.CALENDAR[2:]]

    assert all(after < 0.85 * before for before, after in pairwise(lights))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_a_name_from_outside_is_no_markup_in_any_picture() -> None:
    seen = Overview([row(HOSTILE, (0, 10, DRIFTS))])
    column = ColumnShift(column=HOSTILE, type="number", statistic=0.2, p_value=1e-9)

    names = moved.chart([column]).data[1].text
    written = [
        *seen.figure().layout.yaxis.ticktext,
        *(text for trace in seen.figure().data for text in trace.text or ()),
        *names,
    ]

    assert written
    assert not any("<" in text or "\u202e" in text for text in written)


def test_the_table_says_how_much_of_its_time_a_model_drifts() -> None:
    seen = Overview([row("m", (0, 40, QUIET), (40, 80, DRIFTS), (80, 160, QUIET))])

    assert seen.table() == [("m", "25 %", "–")]


_hours = st.lists(
    st.tuples(st.integers(1, 100 * 24 * HOUR_MS), st.booleans()), min_size=1, max_size=80
)


def test_windows_that_all_end_at_one_hour_of_the_day_have_no_calendar() -> None:
    ends = np.arange(1.0, 9.0) * 24 * HOUR_MS

    assert calendar.of(ends, np.full(8, 0.3), np.ones(8)) is None
    assert calendar.of(ends + [0, HOUR_MS] * 4, np.full(8, 0.3), np.ones(8)) is not None


@given(_hours)
def test_a_calendar_counts_each_window_in_its_hour(ends: list[tuple[int, bool]]) -> None:
    end_ms, drifts = (np.array(side, dtype=float) for side in zip(*ends, strict=True))

    drawn = calendar.of(end_ms, np.full(len(ends), 0.3), drifts)

    # A window that ends with the hour tells of the hour before.
    moments = [datetime.fromtimestamp((end - 1) / 1_000, tz=UTC) for end, _ in ends]
    days = {moment.date() for moment in moments}
    n_days = (max(days) - min(days)).days + 1
    if n_days < 3 or len({moment.hour for moment in moments}) == 1:
        assert drawn is None
        return
    assert drawn is not None
    counted = Counter((m.date().toordinal() - min(days).toordinal(), m.hour) for m in moments)
    expected = np.zeros_like(drawn.n_windows)
    for (day, hour), n in counted.items():
        expected[day // drawn.days_a_row, hour] += n
    assert drawn.n_windows.tolist() == expected.tolist()
    assert int(drawn.n_drifting.sum()) == int(drifts.sum())
    assert len(drawn.cells) <= 62
    assert drawn.day(0) == min(days).isoformat()


def test_a_calendar_says_at_which_hour_drift_comes() -> None:
    ends = np.arange(1.0, 10 * 24 + 1) * HOUR_MS
    drifts = (np.arange(240) % 24 == 3).astype(float)

    drawn = calendar.of(ends, np.where(drifts > 0, 2.0, 0.2), drifts)

    assert drawn is not None
    assert calendar.sentence(drawn) == (
        "10 of 240 windows drift, most of them in the hour from 03:00 UTC (10)"
    )
    signs = np.array(calendar.chart(drawn).data[0].text)
    assert (signs[:, 3] == "▲").all()
    assert (np.delete(signs, 3, axis=1) == "").all()


def test_hours_without_a_tested_window_have_a_sign() -> None:
    ends = np.arange(1.0, 73.0) * HOUR_MS
    ratio = np.where(np.arange(72) == 30, np.nan, 0.2)

    drawn = calendar.of(ends, ratio, np.zeros(72))

    assert drawn is not None
    assert np.argwhere(np.array(calendar.chart(drawn).data[0].text) == "×").tolist() == [[1, 6]]


def test_columns_that_moved_by_chance_are_hatched_and_say_so() -> None:
    given_: dict[str, Any] = {"type": "number", "direction": "up"}
    columns = [
        ColumnShift(column="age", statistic=0.4, p_value=1e-9, **given_),
        ColumnShift(column="size", statistic=0.05, p_value=0.4, **given_),
    ]

    by_cause, by_chance, _, words = moved.chart(columns).data

    assert (by_cause.x, by_chance.x) == ((0.4,), (0.05,))
    assert (by_cause.marker.pattern.shape, by_chance.marker.pattern.shape) == ("", "/")
    assert "by chance" in words.text[1]
    assert "by chance" not in words.text[0]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_an_image_keeps_its_shape_and_its_order_of_greys(
    n_rows: int, n_columns: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).random((n_rows, n_columns))

    made = images.thumbnail(pixels.ravel(), (n_rows, n_columns), (0.0, 1.0), "")

    with Image.open(io.BytesIO(base64.b64decode(made.uri.partition(",")[2]))) as read:
        seen = np.asarray(read.convert("RGB"))
    assert seen.shape == (n_rows, n_columns, 3)
    np.testing.assert_array_equal(seen[..., 0], np.rint(255 * pixels).astype(np.uint8))


def test_a_difference_is_white_where_nothing_moved() -> None:
    made = images.difference(np.array([-1.0, 0.0, 1.0]), (1, 3), 1.0, "")

    with Image.open(io.BytesIO(base64.b64decode(made.uri.partition(",")[2]))) as read:
        purple, white, orange = np.asarray(read)[0].tolist()
    assert min(white) > 240
    assert purple[2] > purple[0]
    assert orange[0] > orange[2]
