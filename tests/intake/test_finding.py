"""Where the job looks for model and event time of a record."""

from __future__ import annotations

import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.finding import (
    found_query,
    needs_headers,
    needs_locating,
    needs_payload,
)
from tests.builders import make_config


def config_with(columns: dict[str, str]) -> DriftJobConfig:
    return make_config(input={"format": "json"}, columns=columns)


@pytest.mark.parametrize(
    ("columns", "locating", "payload", "headers"),
    [
        ({}, False, False, False),
        ({"model_name": "churn"}, False, False, False),
        ({"model": "@header.model"}, False, False, True),
        ({"model": "meta.model"}, True, True, False),
        ({"time": "meta.at"}, True, True, False),
        ({"time": "@header.at"}, True, False, True),
        ({"event_id": "@header.id"}, False, False, True),
        ({"event_id": "@key", "model_name": "churn"}, False, False, False),
    ],
)
def test_python_and_headers_are_taken_where_they_are_needed(
    columns: dict[str, str], locating: bool, payload: bool, headers: bool
) -> None:
    config = config_with(columns)

    needed = needs_locating(config), needs_payload(config), needs_headers(config)

    assert needed == (locating, payload, headers)


def test_names_from_outside_cannot_end_their_text() -> None:
    header = found_query(config_with({"model": "@header.it's"}))
    fixed = found_query(config_with({"model_name": "' OR '"}))

    assert "headers['it''s']" in header
    assert "'@header.it''s is missing'" in header
    assert "ELSE ''' OR ''' END" in fixed
