"""A record of evidence holds as many numbers as it names events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flink_jobs.records.evidence import Evidence
from flink_jobs.records.schemas import read_example

EXAMPLE: dict[str, Any] = msgspec.json.decode(read_example("evidence"))


def with_column(**keys: str) -> dict[str, Any]:
    """Keys of the first column in the place of those of the example."""
    first, *others = EXAMPLE["columns"]
    return EXAMPLE | {"columns": [first | keys, *others]}


def test_the_example_is_read() -> None:
    assert msgspec.convert(EXAMPLE, Evidence).event_ids == EXAMPLE["event_ids"]


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        (with_column(window=""), "other than 4 events of the window"),
        (with_column(window="YWJj"), "other than 4 events of the window"),
        (EXAMPLE | {"event_ids": []}, "other than 0 events of the window"),
        (with_column(reference=""), "unequal numbers of events of the reference"),
        (EXAMPLE | {"columns": [], "n_exemplars": 5}, "5 exemplars are not among 4 events"),
        (EXAMPLE | {"n_exemplars": -1}, "-1 exemplars are not among 4 events"),
    ],
)
def test_a_record_of_which_no_picture_can_be_drawn_is_refused(record: Any, wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=wrong):
        msgspec.convert(record, Evidence)
