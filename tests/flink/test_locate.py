"""The step that finds model and event time of records, as Flink calls it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from flink_jobs.flink.operators.locate import Locate, found_type
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.records.dead_letters import Reason
from flink_jobs.times import FIRST_MS
from tests.builders import make_config

AT_MS = 1_767_225_600_000
WRITTEN_MS = AT_MS + 500_000
DELAY_MS = 1_000
NESTED = {"model": "meta.model", "time": "meta.at"}


def event(model: str | None = "churn", at: object = AT_MS) -> bytes:
    return json.dumps({"meta": {"model": model, "at": at}}).encode()


def located(
    payloads: list[bytes | None],
    keys: list[str | None] | None = None,
    columns: dict[str, str] = NESTED,
    parts: Sequence[Sequence[object]] | None = None,
    partitions: list[int] | None = None,
) -> pd.DataFrame:
    """What the step says of records of partition 0, or of those given."""
    n = len(payloads)
    config = make_config(
        input={"format": "json", "max_out_of_orderness_ms": DELAY_MS}, columns=columns
    )
    of = partitions or [0] * n
    step = Locate(config, set(of), {})
    step.open(None)
    return step.eval(
        pd.Series(keys or ["request"] * n),
        pd.Series(of, dtype=np.int32),
        pd.Series(range(n), dtype=np.int64),
        pd.Series([WRITTEN_MS] * n, dtype=np.int64),
        *(pd.Series(each, dtype=object) for each in parts or [payloads]),
    )


def test_columns_are_those_that_the_job_was_told() -> None:
    found = located([event()])

    assert list(found.columns) == found_type().field_names()
    assert found.iloc[0].to_dict() == {
        "model": "churn",
        "event_ms": AT_MS,
        "watermark_ms": AT_MS - DELAY_MS,
        "reason": None,
        "detail": None,
    }


def test_what_cannot_be_located_keeps_its_own_time_and_moves_nothing() -> None:
    records = [event(at=AT_MS + 5), event(model=None), event(at="soon"), b"{", None]

    found = located(records)

    assert found.reason.tolist() == [
        None,
        Reason.NO_MODEL,
        Reason.NO_TIME,
        Reason.UNDECODABLE,
        Reason.MISSING_PAYLOAD,
    ]
    assert found.detail.tolist()[1:3] == [
        "meta.model is missing",
        "meta.at is 'soon', which is not a time",
    ]
    assert found.event_ms.tolist() == [AT_MS + 5, *[WRITTEN_MS] * 4]
    assert set(found.watermark_ms) == {AT_MS + 5 - DELAY_MS}


@pytest.mark.parametrize("columns", [NESTED, {"time": "@header.at"}])
def test_a_heartbeat_moves_event_time_to_its_timestamp(columns: dict[str, str]) -> None:
    parts = None if columns is NESTED else [[str(AT_MS), None]]

    found = located([event(), b""], ["request", HEARTBEAT_KEY], columns, parts)

    assert found.model[1] == HEARTBEAT_KEY
    assert found.reason.tolist() == [None, None]
    assert found.watermark_ms.tolist() == [AT_MS - DELAY_MS, WRITTEN_MS - DELAY_MS]


def test_a_time_far_ahead_of_the_clock_moves_nothing() -> None:
    ahead_ms = int(time.time() * 1000) + 10**9

    found = located([event(), event(at=ahead_ms)])

    assert found.event_ms.tolist() == [AT_MS, ahead_ms]
    assert set(found.watermark_ms) == {AT_MS - DELAY_MS}


def test_a_time_without_a_date_is_refused() -> None:
    found = located([event(at=-(2**53)), event(at=2**53)])

    assert found.reason.tolist() == [Reason.NO_TIME, None]
    assert found.event_ms.tolist() == [WRITTEN_MS, 2**53]
    assert set(found.watermark_ms) == {FIRST_MS}


def test_there_is_no_event_time_before_each_partition_has_sent_something() -> None:
    found = located([event(), event(at=AT_MS - 7)], partitions=[0, 3])

    assert found.watermark_ms.tolist() == [FIRST_MS, AT_MS - 7 - DELAY_MS]
