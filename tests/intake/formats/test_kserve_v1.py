"""Requests and responses of KServe's first protocol."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.intake.layouts import Layout
from tests.intake.examples import VALUES, RefusedError, taken
from tests.intake.formats.servers import (
    as_messages,
    config_of,
    problems_of,
    read,
    rows_of,
    table_of,
)

TWO: dict[str, Any] = {
    "features": {"age": "number", "plan": "category"},
    "outputs": {"p": "probability"},
}


def test_instances_may_be_objects_or_lists_in_the_order_of_the_columns():
    config = config_of("kserve_v1", TWO)
    rows = [{"plan": "pro", "age": 4}, [5, "basic"]]

    found = table_of(config, {"instances": rows}, {"instances": rows[:1]})

    assert [(row["id"], row["age"], row["plan"]) for row in found] == [
        ("0:0[0]", 4.0, "pro"),
        ("0:0[1]", 5.0, "basic"),
        ("0:1", 4.0, "pro"),
    ]


@pytest.mark.parametrize("prediction", [0.5, [0.5], {"p": 0.5}])
def test_a_prediction_may_be_a_value_a_list_or_an_object(prediction):
    config = config_of("kserve_v1", TWO)

    (row,) = table_of(config, {"predictions": [prediction]})

    assert row == {"id": "0:0", "age": None, "plan": None, "p": 0.5}


def test_values_are_found_below_a_row_and_by_their_places():
    below = {"features": {"age": {"path": "who.age"}}}
    placed = {"features": {"age": {"path": "[2]"}}}

    (nested,) = table_of(config_of("kserve_v1", below), {"instances": [{"who": {"age": 4}}]})
    (by_place,) = table_of(config_of("kserve_v1", placed), {"instances": [[1, 2, 4]]})

    assert nested["age"] == by_place["age"] == 4.0


def test_a_list_of_numbers_is_the_only_vector():
    config = config_of("kserve_v1", {}, input={"n_features": 2})

    events = read(config, {"instances": [[1, 2], [3, 4]]}, {"instances": [{"features": [5, 6]}]})

    assert events.x.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_a_message_may_have_both_and_their_rows_belong_together():
    config = config_of("kserve_v1", TWO, input={"messages": "whole"})
    both = {"instances": [[1, "a"], [2, "b"]], "predictions": [0.25, 0.5]}

    found = table_of(config, both)

    assert [(row["age"], row["p"]) for row in found] == [(1.0, 0.25), (2.0, 0.5)]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"instances": []}, "invalid_event: the message holds no row"),
        ({"instances": {"age": 4}}, "invalid_event: Expected `array"),
        ({"instances": [[1]]}, "wrong_length: 1 features, expected 2"),
        ({"instances": [7]}, "wrong_length: 1 features, expected 2"),
        ({"instances": [None]}, "wrong_length: 1 features, expected 2"),
        ({"instances": [{"age": 4}]}, "invalid_event: plan is missing"),
        ({"instances": [{"age": "4", "plan": "a"}]}, "invalid_event: age is '4'"),
        ({"predictions": [1.5]}, "not_a_distribution: p is 1.5"),
        ({"error": "no model"}, "invalid_event: the message has neither instances"),
        (
            {"instances": [[1, "a"]], "predictions": [0.5, 0.5]},
            "wrong_length: the message has 1 rows of inputs and 2 of outputs",
        ),
        (b"{", "undecodable: "),
    ],
)
def test_a_message_that_is_not_as_it_should_be_is_a_dead_letter_that_says_why(message, why):
    config = config_of("kserve_v1", TWO)
    good = {"instances": [[1, "a"]]}

    events = read(config, good, message, good)

    assert list(problems_of(events)) == [(1, 0)]
    assert problems_of(events)[1, 0].startswith(why)


def test_a_message_of_too_many_rows_is_one_dead_letter():
    config = config_of("kserve_v1", TWO, input={"max_rows": 2})

    problems = problems_of(read(config, {"predictions": [0.5] * 3}))

    assert "3 rows, more than the 2 of input.max_rows" in problems[0, 0]


ROWS = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(ROWS, st.booleans()), min_size=1, max_size=5))
def test_rows_are_what_plain_python_makes_of_them(made):
    config = config_of("kserve_v1", TWO)
    layout = Layout(config)
    age, plan = layout.columns[:2]
    payloads, expected, refused = [], [], set()
    for number, (rows, are_objects) in enumerate(made):
        shaped = [dict(zip(("age", "plan"), row, strict=True)) for row in rows]
        payloads.append({"instances": shaped if are_objects else rows})
        for place, row in enumerate(rows):
            try:
                values = taken(age, row[0]), taken(plan, row[1])
            except RefusedError:
                refused.add((number, place))
                continue
            expected.append(values if len(str(values[1])) <= 256 else (values[0], None))

    events = layout.decode(as_messages(payloads))

    assert set(problems_of(events)) == refused
    found = [(row["age"], row["plan"]) for row in rows_of(layout, events)]
    assert [(a, b if len(str(b)) < 256 else None) for a, b in found] == [
        (a, b if b is None or len(b) < 256 else None) for a, b in expected
    ]


@settings(deadline=None, max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda each: (
            st.lists(each, max_size=4)
            | st.dictionaries(st.sampled_from(["instances", "predictions", "age", "plan"]), each)
        ),
        max_leaves=20,
    )
)
def test_whatever_comes_is_an_event_or_a_dead_letter(tree):
    events = read(config_of("kserve_v1", TWO), json.dumps(tree).encode(), {"predictions": [0.5]})

    accounted = {events.where(row)[0] for row in events.unusable}
    assert accounted | set(np.asarray(events.message_of).tolist()) == {0, 1}
