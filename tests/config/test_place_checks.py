"""What a configuration may say of the places of columns, and in which format."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flink_jobs.config.checks import cross_check
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import check_overrides
from flink_jobs.config.own_events import as_own_events
from flink_jobs.config.views import views_of
from tests.builders import BASE

COLUMNS: dict[str, Any] = {
    "features": {"age": {"type": "number", "path": "request.age"}},
    "outputs": {"p": "probability"},
}


def problems_of(
    input_: dict[str, Any] | None = None, columns: dict[str, Any] | None = None, **tables: Any
) -> list[str]:
    tree = msgspec.toml.decode(BASE) | {"detector": {}} | tables
    tree |= {"input": {"format": "json"} | (input_ or {}), "columns": COLUMNS | (columns or {})}
    config = msgspec.convert(tree, DriftJobConfig)
    return [str(problem) for problem in [*cross_check(config), *check_overrides(config)]]


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"model": "a..b"}, "columns.model"),
        ({"model": "@offset"}, "columns.model"),
        ({"model": "@timestamp"}, "columns.model"),
        ({"time": "@key"}, "columns.time"),
        ({"event_id": "x["}, "columns.event_id"),
        ({"features_at": "a b..c"}, "columns.features_at"),
        ({"label": "@header.y"}, "columns.label"),
        ({"segments": {"region": "[x]"}}, "columns.segments.region"),
        ({"features": {"age": {"path": "a["}}}, "columns.features.age.path"),
        ({"outputs": {"p": {"kind": "probability", "path": ""}}}, None),
        ({"time_zone": "Europe/Atlantis"}, "columns.time_zone"),
        ({"time_zone": "../etc/passwd"}, "columns.time_zone"),
        ({"model": "m", "model_name": "churn"}, "columns.model"),
        ({"time": "@ce.time"}, "columns.time"),
        ({"features": "f*"}, "columns.features"),
    ],
)
def test_a_place_that_cannot_be_is_named_by_its_key(columns: dict[str, Any], key: str) -> None:
    if key is None:
        with pytest.raises(msgspec.ValidationError):
            problems_of(columns=columns)
        return

    found = problems_of(columns=columns)

    assert [problem.split(":")[0] for problem in found] == [key]


@pytest.mark.parametrize(
    ("input_", "columns", "key"),
    [
        ({"format": "loudly"}, {}, "columns.features.age.path"),
        ({"format": "loudly"}, {"features": {"age": "number"}, "features_at": "x"}, "columns.f"),
        ({"format": "loudly"}, {"features": {"age": "number"}, "event_id": "a.b"}, "columns.event"),
        ({"format": "sagemaker", "envelope": "confluent"}, {}, "input.envelope"),
        ({"format": "avro"}, {}, "input.schemas.file"),
        ({"format": "avro", "envelope": "confluent"}, {}, "input.schemas.registry_url"),
        ({"schemas": {"file": "x.avsc"}}, {}, "input.schemas"),
        (
            {"format": "avro", "schemas": {"registry_url": "http://127.0.0.1:1"}},
            {},
            "input.schemas.registry_url",
        ),
    ],
)
def test_what_a_format_does_not_have_is_refused(
    input_: dict[str, Any], columns: dict[str, Any], key: str
) -> None:
    found = problems_of(input_, columns)

    assert len(found) == 1
    assert found[0].startswith(key)


def test_places_that_can_be_are_not_refused() -> None:
    columns = {"model": "@header.model", "time": "at[0]", "event_id": "@key", "label": "truth.y"}

    assert problems_of(columns=columns) == []
    assert problems_of({"envelope": "cloudevents"}, {"model": "@ce.source"}) == []
    assert problems_of({"envelope": "confluent"}) == []


def test_a_view_over_requests_and_responses_is_refused() -> None:
    views = [{"name": "both", "columns": ["age", "p"]}, {"name": "inputs", "columns": ["age"]}]

    whole = problems_of(views=views)
    parted = problems_of({"messages": "requests_and_responses"}, views=views)

    assert whole == []
    assert [problem.split(":")[0] for problem in parted] == ["views[0].columns"]


def test_overrides_may_change_paths_but_not_where_the_model_is() -> None:
    paths = {"models": "a", "columns": {"features": {"age": {"path": "old.age"}}}}
    model = {"models": "b", "columns": {"model": "who", "time_unit": "s"}}

    found = problems_of(overrides=[paths, model])

    assert [problem.split(":")[0] for problem in found] == [
        "overrides[1].columns.model",
        "overrides[1].columns.time_unit",
    ]


def test_events_that_are_written_again_are_read_by_the_same_views() -> None:
    text = (
        BASE
        + """
    [columns]
    model = "@header.m"
    time = "t"
    features_at = "request"
    segments = {region = "tags.region"}
    label = "truth.y"
    features = {age = {type = "number", path = "a.b"}}
    outputs = {p = "probability"}
    [[overrides]]
    models = "old-*"
    columns = {features = {age = {path = "c"}}, features_at = "x"}
    """
    )
    tree = msgspec.toml.decode(text) | {"input": {"format": "json"}, "detector": {}}
    config = msgspec.convert(tree, DriftJobConfig)

    own = as_own_events(config)

    assert cross_check(own) == [] == check_overrides(own)
    names = [[column.name for column in view.columns] for view in views_of(config)]
    assert [[column.name for column in view.columns] for view in views_of(own)] == names
    assert (own.columns.model, own.columns.time, own.columns.features_at) == (None, None, "")
