"""Requests and responses of the Open Inference Protocol, version 2."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.intake.formats.open_inference import OpenInference
from flink_jobs.intake.layouts import Layout
from scripts.payloads.making import TABLE
from tests.intake.examples import RefusedError, taken
from tests.intake.formats.servers import (
    CLIENT_COLUMNS,
    as_messages,
    config_of,
    made_by,
    problems_of,
    read,
    rows_of,
    table_of,
)

NUMBER = {"features": {"age": "number"}}
TWO = {"features": {"age": "number", "plan": "category"}}


def tensor(name: str, shape: list[int], datatype: str, data: Any, **keys: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data, **keys}


def request(*tensors: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"id": "r", "inputs": list(tensors), **keys}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ("mlserver", "mlserver-request"),
        ("mlserver", "mlserver-base64"),
        ("mlserver", "triton-json"),
        ("mlserver", "triton-binary"),
        ("kserve", "kserve-request"),
    ],
)
def test_a_request_that_a_client_made_is_read_as_what_the_client_was_given(environment, name):
    config = config_of("open_inference", CLIENT_COLUMNS)
    payload, _ = made_by(environment)[name]

    events = read(config, payload)

    assert not events.unusable
    rows = rows_of(Layout(config), events)
    for column in CLIENT_COLUMNS["features"]:
        expected = TABLE[column]
        if column == "senior":
            expected = [str(value).lower() for value in expected]
        assert [row[column] for row in rows] == expected
    called = "0:0" if name == "mlserver-base64" else "r1"
    assert events.event_ids == [f"{called}[{row}]" for row in range(3)]
    assert events.parts is not None
    assert events.parts.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("environment", "name"), [("mlserver", "mlserver-response"), ("kserve", "kserve-response")]
)
def test_a_response_that_a_client_made_has_outputs_alone(environment, name):
    config = config_of("open_inference", CLIENT_COLUMNS)
    payload, _ = made_by(environment)[name]

    rows = table_of(config, payload)

    assert [row["probs"] for row in rows] == TABLE["probs"]
    assert [row["answer"] for row in rows] == TABLE["answer"]
    assert [row["age"] for row in rows] == [None] * 3


def test_the_model_of_a_message_is_looked_up_without_its_tensors():
    config = config_of("open_inference", NUMBER)
    payload, _ = made_by("kserve")["kserve-request"]

    (models,) = OpenInference(config, ()).values(as_messages([payload, b"{"]), [("model_name",)])

    assert models[0] == "churn"
    assert str(models[1]).startswith("undecodable")


@pytest.mark.parametrize(
    ("shape", "data"),
    [([3], [1, 2, 3]), ([3, 1], [1, 2, 3]), ([3, 1], [[1], [2], [3]]), ([3, 1, 1], [1, 2, 3])],
)
def test_one_value_of_each_row_lies_in_tensors_of_several_shapes(shape, data):
    config = config_of("open_inference", NUMBER)

    rows = table_of(config, request(tensor("age", shape, "INT32", data)))

    assert rows == [{"id": f"r[{k}]", "age": k + 1.0} for k in range(3)]


@pytest.mark.parametrize("datatype", ["INT8", "UINT8", "INT64", "UINT64", "FP16", "FP32", "BF16"])
def test_a_number_may_have_every_datatype_of_numbers(datatype):
    config = config_of("open_inference", NUMBER)

    assert table_of(config, request(tensor("age", [1], datatype, [7])))[0]["age"] == 7.0


@pytest.mark.parametrize(
    ("datatype", "value", "text"),
    [("BYTES", "pro", "pro"), ("INT64", 7, "7"), ("FP64", 7.0, "7"), ("BOOL", True, "true")],
)
def test_a_category_may_have_every_datatype_that_names_one(datatype, value, text):
    config = config_of("open_inference", {"features": {"plan": "category"}})

    assert table_of(config, request(tensor("plan", [1, 1], datatype, [value])))[0]["plan"] == text


def test_columns_of_one_tensor_are_found_by_their_places():
    columns = {"features": {"a": {"path": "x[1]"}, "b": {"path": "x[0]"}}}
    config = config_of("open_inference", columns)

    rows = table_of(config, request(tensor("x", [2, 2], "FP64", [1, 2, 3, 4])))

    assert [(row["a"], row["b"]) for row in rows] == [(2.0, 1.0), (4.0, 3.0)]


@pytest.mark.parametrize("path", ["inputs.x", "inputs[0]", "$.inputs[0]", "x"])
def test_a_tensor_is_found_by_its_place_in_the_message_too(path):
    config = config_of("open_inference", {"features": {"a": {"path": path}}})

    assert table_of(config, request(tensor("x", [1], "FP64", [4])))[0]["a"] == 4.0


def test_a_vector_without_a_name_is_the_only_tensor():
    config = config_of("open_inference", {}, input={"n_features": 2})

    events = read(config, request(tensor("anything", [2, 2], "FP64", [1, 2, 3, 4])))

    assert events.x.tolist() == [[1, 2], [3, 4]]


def test_a_vector_without_a_name_is_all_tensors_side_by_side():
    config = config_of("open_inference", {}, input={"n_features": 3})
    tensors = tensor("a", [2, 1], "FP64", [1, 2]), tensor("b", [2, 2], "FP64", [3, 4, 5, 6])

    assert read(config, request(*tensors)).x.tolist() == [[1, 3, 4], [2, 5, 6]]


def test_a_list_as_long_as_a_vector_is_one_row():
    columns = {"features": {"emb": {"type": "vector", "size": 3}}}
    config = config_of("open_inference", columns)

    rows = table_of(config, request(tensor("emb", [3], "FP32", [1, 2, 3])))

    assert rows == [{"id": "r", "emb": [1, 2, 3]}]


def test_a_parameter_of_the_message_is_a_segment_of_all_its_rows():
    columns = NUMBER | {"segments": {"region": "parameters.region"}}
    config = config_of("open_inference", columns)
    message = request(tensor("age", [2], "FP64", [1, 2]), parameters={"region": "eu"})

    for _ in range(2):
        assert [row["region"] for row in table_of(config, message)] == ["eu", "eu"]


def test_a_whole_message_has_inputs_and_outputs():
    columns = NUMBER | {"outputs": {"p": "probability"}}
    config = config_of("open_inference", columns, input={"messages": "whole"})
    both = request(tensor("age", [1], "FP64", [4]), outputs=[tensor("p", [1], "FP64", [0.5])])

    events = read(config, both, request(tensor("age", [1], "FP64", [4])))

    assert events.parts is None
    assert events.x.tolist() == [[4.0, 0.5]]
    assert problems_of(events) == {(1, 0): "not_finite: p is missing, NaN or infinite"}


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (request(tensor("age", [2], "FP64", [1])), "wrong_length: tensor age has the shape [2]"),
        (request(tensor("age", [10**9], "FP64", [1])), "wrong_length: tensor age has the shape"),
        (request(tensor("age", [2, 1], "FP64", [[1], [2, 3]])), "wrong_length: tensor age"),
        (request(tensor("age", [1], "COMPLEX", [1])), "invalid_event: tensor age has the unknown"),
        (request(tensor("age", [1, 3], "FP64", [1, 2, 3])), "wrong_length: tensor age has 3"),
        (request(tensor("age", [-1], "FP64", [])), "wrong_length: tensor age has the shape [-1]"),
        (request(tensor("age", [1, -1], "FP64", [])), "wrong_length: tensor age has -1 values"),
        (request(tensor("other", [10**9], "FP64", [])), "not_finite: age is missing"),
        (request(tensor("age", [0], "FP64", [])), "invalid_event: the message holds no row"),
        (request(tensor("age", [1], "FP64", None)), "invalid_event: tensor age has no data"),
        (request(tensor("age", [1], "FP64", 7)), "invalid_event: tensor age has 7 for data"),
        (request(tensor("age", [1], "FP64", ["x"])), "invalid_event: age is 'x'"),
        (request(tensor("age", [1], "BYTES", ["4.5"])), "invalid_event: age is '4.5'"),
        (request(tensor("age", [1], "BOOL", [True])), "invalid_event: age is True"),
        (request(tensor("other", [1], "FP64", [1])), "not_finite: age is missing"),
        ({"id": "r", "error": "no model"}, "invalid_event: the message has neither"),
        ({"inputs": [{"name": "age"}]}, "invalid_event: Object missing required field `shape`"),
        (b"{", "undecodable: "),
        (b"\xff", "undecodable: "),
    ],
)
def test_a_message_that_is_not_as_it_should_be_is_a_dead_letter_that_says_why(message, why):
    config = config_of("open_inference", NUMBER, input={"max_rows": 100})
    good = request(tensor("age", [1], "FP64", [1]))

    events = read(config, good, message, good)

    assert list(problems_of(events)) == [(1, 0)]
    assert problems_of(events)[1, 0].startswith(why)
    assert events.event_ids == ["r", "r"]


def test_tensors_with_other_numbers_of_rows_are_refused_by_name():
    config = config_of("open_inference", TWO)
    tensors = tensor("age", [2], "FP64", [1, 2]), tensor("plan", [3], "BYTES", ["a", "b", "c"])

    problems = problems_of(read(config, request(*tensors)))

    assert problems == {(0, 0): "wrong_length: tensor plan has 3 rows, and tensor age 2"}


def test_a_row_that_cannot_be_used_leaves_the_others_of_its_message():
    config = config_of("open_inference", TWO)
    message = request(
        tensor("age", [3], "FP64", [1, "many", 3]), tensor("plan", [3], "BYTES", ["a", "b", "c"])
    )

    events = read(config, message)

    assert events.event_ids == ["r[0]", "r[2]"]
    assert problems_of(events) == {(0, 1): "invalid_event: age is 'many', expected a number"}
    (error,) = events.unusable.values()
    assert error.event_id == "r[1]"


def test_a_message_of_too_many_rows_is_one_dead_letter():
    config = config_of("open_inference", NUMBER, input={"max_rows": 3})
    many = request(tensor("age", [4], "FP64", [1, 2, 3, 4]))
    few = request(tensor("age", [3], "FP64", [1, 2, 3]))

    events = read(config, few, many, many, few)

    assert len(events.event_ids) == 6
    assert set(problems_of(events)) == {(1, 0), (2, 0)}
    assert "4 rows, more than the 3 of input.max_rows" in problems_of(events)[1, 0]


def test_a_response_is_an_event_where_no_output_is_watched():
    config = config_of("open_inference", NUMBER)
    asked = request(tensor("age", [1], "FP64", [4]))
    answered = {"id": "r", "outputs": [tensor("p", [1], "FP64", [0.5])]}

    events = read(config, asked, answered, asked, answered)

    assert not events.unusable
    assert events.parts is not None
    assert events.parts.tolist() == [1, 2, 1, 2]
    assert events.x[:, 0].tolist()[::2] == [4.0, 4.0]


def test_bytes_behind_the_json_that_do_not_fit_are_refused():
    config = config_of("open_inference", CLIENT_COLUMNS)
    payload, _ = made_by("mlserver")["triton-binary"]

    events = read(config, payload[:-1], payload + b"\0", payload)

    problems = problems_of(events)
    assert "tensor emb has a binary_data_size of 24, beyond the message" in problems[0, 0]
    assert "1 bytes behind the JSON are of no tensor" in problems[1, 0]
    assert len(events.event_ids) == 3


def test_nan_and_null_are_missing_and_infinity_is_refused():
    config = config_of("open_inference", {"features": {"a": {"may_be_missing": True}}})
    body = '{{"id": "r", "inputs": [{{"name":"a","shape":[1],"datatype":"FP64","data":[{}]}}]}}'
    payloads = [body.format(each).encode() for each in ("NaN", "null", "Infinity", "1")]

    events = read(config, *payloads)

    assert math.isnan(events.x[0, 0])
    assert math.isnan(events.x[1, 0])
    assert events.x[2, 0] == 1.0
    assert problems_of(events)[2, 0].startswith("not_finite: a is missing, NaN or infinite")


VALUES = {
    "age": st.one_of(st.floats(-1e6, 1e6), st.integers(-5, 5), st.just("x"), st.booleans()),
    "plan": st.one_of(st.sampled_from(["a", "b", "é"]), st.integers(0, 3), st.booleans()),
}


@st.composite
def messages(draw):
    """A request with rows of both columns, its datatypes as its values need them, and its rows."""
    n = draw(st.integers(1, 4))
    rows = [{name: draw(VALUES[name]) for name in VALUES} for _ in range(n)]
    order = draw(st.permutations(list(VALUES)))
    tensors = []
    for name in order:
        data = [row[name] for row in rows]
        shape = draw(st.sampled_from([[n], [n, 1]]))
        if len(shape) == 2 and draw(st.booleans()):
            data = [[value] for value in data]
        kinds = {type(row[name]) for row in rows}
        datatype = {bool: "BOOL", int: "INT64", float: "FP64"}.get(kinds.pop(), "BYTES")
        tensors.append(tensor(name, shape, datatype if not kinds else "BYTES", data))
    return request(*tensors), rows


@settings(deadline=None, max_examples=150)
@given(st.lists(messages(), min_size=1, max_size=8))
def test_rows_are_what_plain_python_makes_of_them_whatever_came_before(made):
    """The oracle reads each value by itself; ours learns from messages what the next are like."""
    config = config_of("open_inference", TWO)
    layout = Layout(config)
    payloads = [json.dumps(message).encode() for message, _ in made]

    for _ in range(2):
        events = layout.decode(as_messages(payloads))

        expected, refused = [], set()
        for number, (_, rows) in enumerate(made):
            for place, row in enumerate(rows):
                name = f"r[{place}]" if len(rows) > 1 else "r"
                try:
                    own = {c.name: taken(c, row[c.name]) for c in layout.columns}
                except RefusedError:
                    refused.add((number, place))
                else:
                    expected.append({"id": name, **own})
        assert rows_of(layout, events) == expected
        assert set(problems_of(events)) == refused
        assert len(events.event_ids) + len(events.unusable) == sum(len(rows) for _, rows in made)


@settings(deadline=None, max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda each: (
            st.lists(each, max_size=4)
            | st.dictionaries(
                st.sampled_from(["inputs", "outputs", "name", "shape", "datatype", "data", "id"]),
                each,
            )
        ),
        max_leaves=20,
    )
)
def test_whatever_comes_is_an_event_or_a_dead_letter(tree):
    config = config_of("open_inference", NUMBER)

    events = read(config, json.dumps(tree).encode(), request(tensor("age", [1], "FP64", [1])))

    assert {events.where(row)[0] for row in events.unusable} | set(
        np.asarray(events.message_of).tolist()
    ) == {0, 1}
