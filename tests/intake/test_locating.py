"""Model and event time of messages, wherever the configuration says they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import record_parts
from flink_jobs.config.tables.base import ConfigError
from flink_jobs.intake.event_times import EventTimes
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.intake.locating import Locator
from tests.intake.examples import named_config


def config_of(columns: dict[str, Any], **keys: Any) -> DriftJobConfig:
    columns = {"features": {"x": "number"}, **columns}
    return named_config(columns, input={"format": "json", **keys})


def messages_of(*payloads: bytes, parts: list[list[str | None]] | None = None) -> Messages:
    return Messages(payloads, lambda: [f"0:{place}" for place in range(len(payloads))], parts)


def test_by_default_a_record_says_both_and_its_value_is_not_read() -> None:
    locator = Locator(config_of({}), "topic")
    times_ms = np.array([5, 7])

    located = locator.locate(messages_of(b"{", b"{"), times_ms, ["a", None])

    assert not locator.needs_payload
    assert located.models == ["a", None]
    assert located.times_ms.tolist() == [5, 7]
    assert located.problems == {}


def test_headers_say_both_and_what_is_missing_names_its_header() -> None:
    config = config_of({"model": "@header.model", "time": "@header.at"})
    assert record_parts(config) == ("header:model", "header:at")
    parts: list[list[str | None]] = [["m", "2026-01-01T00:00:00Z"], [None, "5"], ["m", "soon"]]
    messages = messages_of(b"{}", b"{}", b"{}", parts=parts)

    located = Locator(config, "topic").locate(messages, np.array([1, 2, 3]), ["k"] * 3)

    assert located.models == ["m", None, "m"]
    assert located.times_ms.tolist() == [1767225600000, 2, 3]
    assert [str(error) for error in located.problems.values()] == [
        "no_model: @header.model is missing",
        "no_time: @header.at is 'soon', which is not a time",
    ]


def test_values_say_both_and_each_problem_has_its_reason() -> None:
    config = config_of({"model": "meta.model", "time": "meta.at", "time_unit": "s"})
    payloads = [
        b'{"meta": {"model": "m", "at": 5}}',
        b'{"meta": {"model": 7, "at": 5.25}}',
        b'{"meta": {"model": "m"}}',
        b'{"meta": {"model": "", "at": 5}}',
        b'{"meta": {"model": ["m"], "at": 5}}',
        b"{",
        b'{"meta": NaN}',
    ]

    located = Locator(config, "topic").locate(
        messages_of(*payloads), np.full(len(payloads), 99), ["k"] * len(payloads)
    )

    assert located.models == ["m", "7", "m", None, None, None, None]
    assert located.times_ms.tolist() == [5000, 5250, 99, 99, 99, 99, 99]
    assert {place: error.reason.value for place, error in located.problems.items()} == {
        2: "no_time",
        3: "no_model",
        4: "no_model",
        5: "undecodable",
        6: "no_model",
    }


def test_a_record_without_a_value_or_with_too_large_a_one_is_not_read() -> None:
    config = config_of({"model": "m"}, max_payload_bytes=64)
    payloads: list[Any] = [None, b'{"m": "' + b"a" * 64 + b'"}', b'{"m": "a"}']
    messages = Messages(payloads, lambda: ["", "", ""])

    located = Locator(config, "topic").locate(messages, np.zeros(3, np.int64), ["k"] * 3)

    assert located.models == [None, None, "a"]
    assert [error.reason.value for error in located.problems.values()] == [
        "missing_payload",
        "oversized_payload",
    ]


def test_heartbeats_pass_by_their_key() -> None:
    config = config_of({"model": "m", "time": "t"})
    payloads: list[Any] = [b'{"m": "a", "t": 5}', None, b""]
    messages = Messages(payloads, lambda: ["", "", ""])

    located = Locator(config, "topic").locate(
        messages, np.array([1, 2, 3]), ["k", HEARTBEAT_KEY, HEARTBEAT_KEY]
    )

    assert located.models == ["a", HEARTBEAT_KEY, HEARTBEAT_KEY]
    assert located.times_ms.tolist() == [5, 2, 3]
    assert located.problems == {}


def test_files_have_no_key_and_no_header() -> None:
    config = config_of({"model": "@key", "time": "@header.at"})

    with pytest.raises(ConfigError) as raised:
        Locator(config, "lines")

    assert [problem.key for problem in raised.value.problems] == ["columns.model", "columns.time"]


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"]),
)
def test_texts_without_a_zone_are_in_that_of_the_configuration(when: datetime, zone: str) -> None:
    read = EventTimes(zone=zone).read(when.isoformat())

    assert abs(read / 1000 - when.replace(tzinfo=ZoneInfo(zone)).timestamp()) < 0.0011


@given(st.integers(-(10**11), 10**11), st.sampled_from(["s", "ms", "us", "ns"]))
def test_a_number_is_the_same_moment_in_every_unit(seconds: int, unit: Any) -> None:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    value, times = seconds * per_second, EventTimes(unit)

    read, wrong = times.read_all([value, str(value)])

    if abs(seconds) * 1000 <= 2**53:
        assert read.tolist() == [seconds * 1000] * 2
        assert wrong == {}


def test_what_is_not_a_time_says_what_it_is() -> None:
    times_ms, wrong = EventTimes().read_all([True, 2**60, "2026-13-01", 1e300, [], "0001-01-01"])

    assert times_ms.tolist()[:5] == [0] * 5
    assert wrong.keys() == {0, 1, 2, 3, 4}
    assert "is the unit another one?" in wrong[1]
