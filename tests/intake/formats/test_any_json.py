"""JSON of any shape, held against an oracle that reads it by plain Python."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.formats.base import HAS_FEATURES, HAS_OUTPUTS, Messages, ReadEvents
from flink_jobs.intake.layouts import Layout
from tests.intake.examples import named_config

FEATURES = {
    "tenure": {"type": "number", "path": "request.tenure"},
    "calls": {"type": "number", "path": "request.usage.calls", "may_be_missing": True},
    "plan": {"type": "category", "path": "request.account.plan"},
    "channel": {"type": "category", "path": "channel", "may_be_missing": True},
    "active": {"type": "boolean", "path": "request.account.active"},
}
# The same event in two shapes; the second leads into lists, which no struct can follow.
IN_OBJECTS = {**FEATURES, "first": {"type": "number", "path": "request.first"}}
IN_LISTS = {**FEATURES, "first": {"type": "number", "path": "request.scores[0]"}}
OUTPUTS = {"p": {"kind": "probability", "path": "response.p"}}
VIEWS = [
    {"name": "inputs", "columns": ["features"]},
    {"name": "answers", "columns": ["outputs"]},
]


def config_of(features: dict[str, Any] = IN_OBJECTS, **keys: Any) -> DriftJobConfig:
    columns = {"event_id": "meta.id", "features": features, "outputs": OUTPUTS}
    return named_config(columns, views=VIEWS, input={"format": "json", **keys})


def read(config: DriftJobConfig, payloads: list[bytes]) -> ReadEvents:
    names = [f"0:{place}" for place in range(len(payloads))]
    return Layout(config).decode(Messages(payloads, lambda: names))


def nested(event: dict[str, Any]) -> dict[str, Any]:
    """An event in its shape; what is None is left out."""
    request = {
        "tenure": event["tenure"],
        "usage": {"calls": event["calls"]},
        "account": {"plan": event["plan"], "active": event["active"]},
        "first": event["first"],
        "scores": [event["first"], 9],
    }
    tree = {"meta": {"id": event["id"]}, "request": request, "response": {"p": event["p"]}}
    return tree | {"channel": event["channel"], "ignored": [{"x": None}]}


def expected(event: dict[str, Any]) -> list[Any] | None:
    """What the columns of an event are by plain Python; None of one that cannot be used."""

    def number(value: Any, may_be_missing: bool = False) -> Any:
        if value is None or value != value or value in ("NA", ""):
            return None if may_be_missing else "refused"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number and math.isfinite(value) else "refused"

    def category(value: Any, may_be_missing: bool = False) -> Any:
        if value is None or value != value:
            return None if may_be_missing else "refused"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() else "refused"
        return str(value) if isinstance(value, str | int) else "refused"

    def boolean(value: Any) -> Any:
        is_one = isinstance(value, bool | int | float) and value in (0, 1)
        return ("true" if value else "false") if is_one else "refused"

    if not isinstance(event["id"], str) or not 0 < len(event["id"]) <= 256:
        return None
    found = [
        number(event["tenure"]),
        number(event["calls"], True),
        category(event["plan"]),
        category(event["channel"], True),
        boolean(event["active"]),
        number(event["first"]),
        number(event["p"]),
    ]
    is_wrong = "refused" in found or not 0 <= found[-1] <= 1
    return None if is_wrong else found


def values_of(found: ReadEvents, row: int) -> list[Any]:
    values: list[Any] = []
    for slot, value in enumerate(found.x[row].tolist()):
        if value != value:
            values.append(None)
        else:
            values.append(found.texts[slot][int(value)] if slot in found.texts else value)
    return values


NUMBERS = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-1000, 1000),
    st.sampled_from([None, math.nan, math.inf, "NA", "3.5", True]),
)
TEXTS = st.one_of(
    st.sampled_from(["free", "pro", "NA", "", "é"]),
    st.integers(0, 9),
    st.booleans(),
    st.sampled_from([None, math.nan, 3.0, 0.5, ["x"]]),
)
EVENTS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "é", None, "", 2.5]),
        "tenure": NUMBERS,
        "calls": NUMBERS,
        "plan": TEXTS.filter(lambda value: value not in ("refused",)),
        "channel": TEXTS,
        "active": st.sampled_from([True, False, 0, 1, 1.0, "true", None, 2]),
        "first": NUMBERS,
        "p": st.one_of(st.floats(0, 1), st.sampled_from([2, None])),
    }
)


@given(st.lists(st.one_of(EVENTS, st.none()), min_size=1, max_size=6))
def test_events_in_objects_and_lists_are_what_plain_python_makes_of_them(
    events: list[dict[str, Any] | None],
) -> None:
    payloads = [b"{" if event is None else json.dumps(nested(event)).encode() for event in events]

    for features in (IN_OBJECTS, IN_LISTS):
        found = read(config_of(features), payloads)

        wanted = {
            place: values
            for place, event in enumerate(events)
            if event is not None and (values := expected(event)) is not None
        }
        assert found.places.tolist() == list(wanted)
        assert [values_of(found, row) for row in range(len(wanted))] == list(wanted.values())
        assert found.event_ids == [events[place]["id"] for place in wanted]  # type: ignore[index]
        assert sorted([*wanted, *found.unusable]) == list(range(len(events)))


GOOD = {
    "id": "a", "tenure": 3, "calls": 1, "plan": "pro", "channel": "web", "active": True,
    "first": 0.5, "p": 0.25,
}  # fmt: skip


@pytest.mark.parametrize("features", [IN_OBJECTS, IN_LISTS])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tenure": "3.5"}, "invalid_event: request.tenure is '3.5', expected a number"),
        ({"tenure": "N/A"}, "not_finite: request.tenure is missing, NaN or infinite"),
        ({"plan": None}, "invalid_event: request.account.plan is missing"),
        ({"active": "yes"}, "invalid_event: request.account.active is 'yes', expected true"),
        ({"id": None}, "invalid_event: meta.id is missing"),
        ({"id": 2.5}, "invalid_event: meta.id is 2.5, expected a text of 1 to 256 characters"),
    ],
)
def test_a_dead_letter_names_the_path(
    features: dict[str, Any], change: dict[str, Any], why: str
) -> None:
    payloads = [json.dumps(nested(GOOD | each)).encode() for each in ({}, change)]

    found = read(config_of(features), payloads)

    assert found.places.tolist() == [0]
    assert str(found.unusable[1]).startswith(why)


def test_a_whole_object_that_is_missing_or_something_else_is_a_dead_letter() -> None:
    events = [
        {"meta": {"id": "a"}},
        {"meta": {"id": "b"}, "request": 7, "response": {"p": 0.5}},
        {"meta": {"id": "c"}, "request": None, "response": {"p": 0.5}},
        [],
        None,
    ]

    found = read(config_of(), [json.dumps(event).encode() for event in events])

    assert len(found.places) == 0
    assert [error.event_id for error in found.unusable.values()][:3] == ["a", "b", "c"]
    assert {error.reason.value for error in found.unusable.values()} <= {
        "not_finite",
        "invalid_event",
    }


def test_whole_numbers_are_names_and_events_without_a_name_are_called_by_their_place() -> None:
    named, nameless = (
        config_of(),
        named_config(
            {"features": IN_OBJECTS, "outputs": OUTPUTS}, views=VIEWS, input={"format": "json"}
        ),
    )
    payload = json.dumps(nested(GOOD | {"id": 17})).encode()

    assert read(named, [payload]).event_ids == ["17"]
    assert read(nameless, [payload, payload]).event_ids == ["0:0", "0:1"]


@pytest.mark.parametrize("features", [IN_OBJECTS, IN_LISTS])
def test_requests_and_responses_are_events_of_their_own(features: dict[str, Any]) -> None:
    whole = nested(GOOD)
    request = {key: value for key, value in whole.items() if key != "response"}
    response = {"meta": {"id": "a"}, "response": {"p": 0.25}}
    partial = {"meta": {"id": "a"}, "request": {"tenure": 3}}
    nothing = {"meta": {"id": "a"}}
    config = config_of(features, messages="requests_and_responses")
    events = [whole, request, response, partial, nothing]

    found = read(config, [json.dumps(event).encode() for event in events])

    assert found.places.tolist() == [0, 1, 2]
    assert found.parts is not None
    assert found.parts.tolist() == [HAS_FEATURES | HAS_OUTPUTS, HAS_FEATURES, HAS_OUTPUTS]
    assert np.isnan(found.x[2]).tolist() == [True] * 6 + [False]
    assert "request.account.plan is missing" in str(found.unusable[3])
    assert "the event has no features and no outputs" in str(found.unusable[4])
