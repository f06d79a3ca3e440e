"""An event is what it is by itself: those that are read with it change nothing."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.formats.base import Messages, ReadEvents
from flink_jobs.intake.layouts import Layout
from tests.intake.examples import VALUES, named_config

FEATURES: dict[str, Any] = {
    "n": "number",
    "calls": {"type": "number", "may_be_missing": True},
    "plan": "category",
    "on": {"type": "boolean", "may_be_missing": True},
    "emb": {"type": "vector", "size": 2},
}
GOOD = {"n": 1.5, "calls": 2, "plan": "pro", "on": True, "emb": [1, 2]}
INPUTS = {"name": "inputs", "columns": ["features"]}
VIEWS = [INPUTS, {"name": "answers", "columns": ["outputs"]}]


def config_of(features: dict[str, Any] = FEATURES, **input_: Any) -> DriftJobConfig:
    if input_["format"] == "json":
        return named_config({"features": features}, views=[INPUTS], input=input_)
    tree = {"features": features, "outputs": {"p": "probability"}}
    return named_config(tree, views=VIEWS, input=input_)


def told(read: ReadEvents) -> dict[tuple[int, int], Any]:
    """By message and row what was read, or why it was not."""
    found: dict[tuple[int, int], Any] = {}
    for place, event_id, x in zip(read.places, read.event_ids, read.x.tolist(), strict=True):
        values = [
            read.texts[slot][int(value)] if slot in read.texts and value == value else repr(value)
            for slot, value in enumerate(x)
        ]
        found[read.where(int(place))] = event_id, values
    for place, error in read.unusable.items():
        assert read.where(place) not in found
        found[read.where(place)] = error.reason, error.detail, error.event_id
    return found


def assert_each_is_told_as_if_alone(config: DriftJobConfig, payloads: list[bytes]) -> None:
    layout = Layout(config)
    names = [f"0:{place}" for place in range(len(payloads))]

    together = told(layout.decode(Messages(payloads, lambda: names)))

    alone = {
        (place, row): what
        for place, payload in enumerate(payloads)
        for (_, row), what in told(
            layout.decode(Messages([payload], lambda own=names[place]: [own]))  # type: ignore[misc]
        ).items()
    }
    assert together == alone


ROWS = st.lists(
    st.tuples(st.just(GOOD), st.dictionaries(st.sampled_from([*GOOD]), VALUES, max_size=2)).map(
        lambda pair: pair[0] | pair[1]
    ),
    min_size=1,
    max_size=8,
)
INFINITE: dict[str, Any] = GOOD | {"n": float("inf"), "plan": None}
AS_MESSAGE: dict[str, Any] = {
    "json": lambda row: row,
    "kserve_v1": lambda row: {"instances": [row, GOOD]},
    "sagemaker": lambda row: {
        "captureData": {"endpointInput": {"encoding": "JSON", "data": json.dumps(row)}}
    },
}


@pytest.mark.parametrize("format_", AS_MESSAGE)
@given(rows=ROWS)
@example(rows=[INFINITE])
@example(rows=[GOOD | {"n": float("inf")}, GOOD | {"n": "many"}])
@example(rows=[INFINITE, GOOD | {"plan": []}, GOOD | {"n": "many"}])
def test_the_reason_of_a_bad_event_does_not_depend_on_those_that_it_is_read_with(format_, rows):
    payloads = [json.dumps(AS_MESSAGE[format_](row)).encode() for row in rows]

    assert_each_is_told_as_if_alone(config_of(format=format_), payloads)


@given(
    st.lists(
        st.sampled_from(
            [[1, 2], [[1, 2]], [[1]], [1], [], [None, 2], ["1", 2], 3, {}, {"emb": [1, 2]}]
        ),
        min_size=1,
        max_size=6,
    )
)
@example([[1, 2], [[1, 2]]])
def test_a_vector_is_read_next_to_one_that_lies_in_a_list(rows):
    config = config_of({"emb": {"type": "vector", "size": 2}}, format="kserve_v1")
    payloads = [json.dumps({"instances": [row]}).encode() for row in rows]

    assert_each_is_told_as_if_alone(config, payloads)


@given(
    st.lists(
        st.sampled_from(["1,2", "nan,2", "x,2", "1", "1,2,3", "1e400,2", ",2", '"1","2"']),
        min_size=1,
        max_size=6,
    )
)
def test_a_captured_line_is_read_the_same_among_others(lines):
    config = config_of({"n": "number", "plan": "category"}, format="sagemaker")
    payloads = [
        json.dumps(
            {
                "captureData": {
                    "endpointInput": {
                        "encoding": "BASE64",
                        "observedContentType": "text/csv",
                        "data": base64.b64encode(line.encode()).decode(),
                    }
                }
            }
        ).encode()
        for line in lines
    ]

    assert_each_is_told_as_if_alone(config, payloads)


PARTED = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional={name: st.just(GOOD[name]) for name in GOOD}),
        st.fixed_dictionaries({}, optional={"p": st.sampled_from([0.25, None])}),
        st.dictionaries(st.sampled_from([*GOOD]), VALUES, max_size=1),
    ).map(lambda parts: parts[0] | parts[1] | parts[2]),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("emb", ["emb", "deep.emb", "listed[0]"])
@given(rows=PARTED)
@example(rows=[GOOD, {"p": 0.25}])
@example(rows=[GOOD | {"emb": [1, None]}, {"p": 0.25}])
def test_requests_with_vectors_are_read_next_to_responses(emb, rows):
    features = FEATURES | {"emb": {"type": "vector", "size": 2, "path": emb}}
    config = named_config(
        {"features": features, "outputs": {"p": "probability"}},
        views=VIEWS,
        input={"format": "json", "messages": "requests_and_responses"},
    )
    placed = [
        {**row, "deep": {"emb": row["emb"]}, "listed": [row["emb"]]} if "emb" in row else row
        for row in rows
    ]
    payloads = [json.dumps(row).encode() for row in placed]

    assert_each_is_told_as_if_alone(config, payloads)
    read = Layout(config).decode(Messages(payloads, lambda: [""] * len(rows)))
    has_part = [any(row.get(name) is not None for name in ["p", *GOOD]) for row in rows]
    assert {place for place, has in enumerate(has_part) if not has} <= set(read.unusable)
    assert len(read.event_ids) + len(read.unusable) == len(rows)
