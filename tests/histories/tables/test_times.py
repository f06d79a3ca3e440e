"""Times of columns are read as the same times one by one, which share no cast with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.histories.tables.times import TimesReader

BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1))
zones = st.sampled_from(["UTC", "Europe/Berlin"])


def ms_of(value: datetime, zone: str) -> int:
    own = value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))
    return (own - EPOCH) // timedelta(milliseconds=1)


@given(st.lists(moments, max_size=5), zones, st.sampled_from([None, "UTC", "Asia/Tokyo"]))
def test_timestamps_and_texts_of_them_are_what_python_says(
    values: list[datetime], zone: str, own_zone: str | None
) -> None:
    if own_zone:
        values = [value.replace(tzinfo=ZoneInfo(own_zone)) for value in values]
    wanted = [ms_of(value, zone) for value in values]
    columns: list[pa.Array] = [
        pa.array(values, pa.timestamp("us", own_zone)),
        pa.array([value.isoformat() for value in values], pa.string()),
        pa.array([str(value).encode() for value in values], pa.binary()),
        pa.array(values, pa.timestamp("us", own_zone)).cast(pa.timestamp("ns", own_zone)),
    ]

    for column in columns:
        times_ms, wrong = TimesReader(zone=zone).read(column)

        assert times_ms.tolist() == wanted, column.type
        assert not wrong


@given(st.lists(st.dates(date(1, 1, 2), date(9999, 12, 30)), max_size=5), zones)
def test_dates_are_their_midnights(values: list[date], zone: str) -> None:
    midnights = [datetime(day.year, day.month, day.day) for day in values]
    wanted = [ms_of(each, zone) for each in midnights]

    for column in (pa.array(values, pa.date32()), pa.array([day.isoformat() for day in values])):
        assert TimesReader(zone=zone).read(column.cast(column.type))[0].tolist() == wanted


@pytest.mark.parametrize(
    ("unit", "value", "time_ms"),
    [
        ("s", 1_767_225_600, 1_767_225_600_000),
        ("s", 1_767_225_600.256, 1_767_225_600_256),
        ("s", "1767225600", 1_767_225_600_000),
        ("us", 1_767_225_600_123_999, 1_767_225_600_123),
        ("ns", -1, -1),
        ("ns", "1767225600123999999", 1_767_225_600_123),
        ("ms", 7.9, 7),
    ],
)
def test_numbers_count_in_the_unit_that_is_said(unit: Any, value: Any, time_ms: int) -> None:
    times_ms, wrong = TimesReader(unit).read(pa.array([value, None]))

    assert times_ms.tolist() == [time_ms, 0]
    assert wrong == {1: "is missing"}


def test_one_text_of_another_kind_costs_no_other() -> None:
    column = pa.array(["2026-01-01T00:00:00Z", "2026-01-01 01:00", "0x10", "1e3", "later", "5"])

    times_ms, wrong = TimesReader(zone="Europe/Berlin").read(column)

    assert times_ms.tolist() == [1_767_225_600_000, 1_767_225_600_000, 0, 0, 0, 5]
    assert sorted(wrong) == [2, 3, 4]


def test_an_hour_that_clocks_skip_is_that_of_the_clock_before() -> None:
    # On 2026-03-29 clocks in Berlin went from 02:00 to 03:00.
    skipped = datetime(2026, 3, 29, 2, 30)

    times_ms, wrong = TimesReader(zone="Europe/Berlin").read(pa.array([skipped, None]))

    assert times_ms[0] == ms_of(skipped, "Europe/Berlin")
    assert wrong == {1: "is missing"}


@pytest.mark.parametrize(
    ("unit", "value"), [("s", 2**60), ("ms", 2**60), ("ms", float("nan")), ("s", 1e300)]
)
def test_numbers_that_no_event_can_have_cost_their_row(unit: Any, value: Any) -> None:
    times_ms, wrong = TimesReader(unit).read(
        pa.array([value, 5 if isinstance(value, int) else 5.0])
    )

    assert times_ms[1] == (5_000 if unit == "s" else 5)
    assert list(wrong) == [0]
