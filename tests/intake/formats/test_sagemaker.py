"""Lines of SageMaker's data capture."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from flink_jobs.intake.formats.sagemaker import SageMaker
from tests.intake.formats.servers import as_messages, config_of, problems_of, read, table_of

COLUMNS: dict[str, Any] = {
    "features": {
        "age": {"type": "number", "may_be_missing": True},
        "plan": "category",
        "senior": "boolean",
    },
    "outputs": {"p": "probability"},
}


def capture(data: str, encoding: str = "CSV", content_type: str = "text/csv") -> dict[str, Any]:
    return {"observedContentType": content_type, "encoding": encoding, "data": data}


def line(data: Any, answer: Any = None, **keys: Any) -> dict[str, Any]:
    sides = {"endpointInput": data, "endpointOutput": answer}
    metadata = {"eventId": "e1", "inferenceTime": "2026-03-01T21:20:00Z"}
    captured = {side: value for side, value in sides.items() if value is not None}
    return {"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"} | keys


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_lines_of_csv_are_rows_in_the_order_of_the_columns():
    config = config_of("sagemaker", COLUMNS)

    rows = table_of(config, line(capture("40.5,pro,true\n,basic,0\n"), capture("0.25\n0.5")))

    assert rows == [
        {"id": "e1[0]", "age": 40.5, "plan": "pro", "senior": "true", "p": 0.25},
        {"id": "e1[1]", "age": None, "plan": "basic", "senior": "false", "p": 0.5},
    ]


def test_quoted_values_of_csv_may_hold_commas():
    config = config_of("sagemaker", COLUMNS)

    (row,) = table_of(config, line(capture('4,"pro, yearly",1'), capture("0.5")))

    assert row["plan"] == "pro, yearly"


@pytest.mark.parametrize(
    "data",
    [
        capture(coded("4,pro,1"), "BASE64", "text/csv; charset=utf-8"),
        capture(coded('{"age": 4, "plan": "pro", "senior": true}'), "BASE64", "application/json"),
        capture('{"instances": [{"age": 4, "plan": "pro", "senior": true}]}', "JSON"),
        capture('{"instances": [[4, "pro", true]]}', "JSON"),
        capture('[[4, "pro", 1]]', "JSON"),
        capture('[4, "pro", 1]', "JSON"),
        capture('{"age": 4, "plan": "pro", "senior": true}', "JSON"),
    ],
)
def test_a_row_may_be_written_in_many_ways(data):
    config = config_of("sagemaker", COLUMNS)

    (row,) = table_of(config, line(data, capture("0.5")))

    assert row == {"id": "e1", "age": 4.0, "plan": "pro", "senior": "true", "p": 0.5}


def test_lines_of_json_are_rows():
    config = config_of("sagemaker", {"features": {"age": "number"}})
    data = capture('{"age": 4}\n{"age": 5}\n', "JSON", "application/jsonlines")

    assert [row["age"] for row in table_of(config, line(data))] == [4.0, 5.0]


def test_a_vector_without_a_name_is_a_line_of_numbers_or_a_list_called_features():
    config = config_of("sagemaker", {}, input={"n_features": 2})
    listed = capture('{"instances": [{"features": [3, 4]}]}', "JSON")

    assert read(config, line(capture("1,2")), line(listed)).x.tolist() == [[1, 2], [3, 4]]


def test_predictions_in_one_line_belong_to_the_rows_of_the_inputs():
    config = config_of("sagemaker", COLUMNS)

    rows = table_of(config, line(capture("1,a,1\n2,b,1\n3,c,1"), capture("0.25,0.5,0.75")))

    assert [row["p"] for row in rows] == [0.25, 0.5, 0.75]


def test_columns_of_csv_are_found_by_their_places_too():
    columns = {"features": {"age": {"path": "[1]"}}, "segments": {"region": "[0]"}}
    config = config_of("sagemaker", columns)

    (row,) = table_of(config, line(capture("eu,4,7")))

    assert (row["age"], row["region"]) == (4.0, "eu")


def test_a_capture_of_requests_alone_is_read_where_messages_are_apart():
    config = config_of("sagemaker", COLUMNS, input={"messages": "requests_and_responses"})

    events = read(config, line(capture("4,pro,1")), line(None, capture("0.5")))

    assert not events.unusable
    assert events.parts is not None
    assert events.parts.tolist() == [1, 2]


def test_the_time_of_a_line_is_looked_up():
    config = config_of("sagemaker", COLUMNS)
    path = ("eventMetadata", "inferenceTime")

    (times,) = SageMaker(config, ()).values(as_messages([line(capture("4,a,1"))]), [path])

    assert times[0] == "2026-03-01T21:20:00Z"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (line(capture("x,pro,1"), capture("0.5")), "invalid_event: age is 'x', expected a number"),
        (line(capture("4,,1"), capture("0.5")), "invalid_event: plan is missing"),
        (line(capture("4,pro,maybe"), capture("0.5")), "invalid_event: senior is 'maybe'"),
        (line(capture("4,pro"), capture("0.5")), "wrong_length: 2 features, expected 3"),
        (line(capture("4,pro,1")), "not_finite: p is missing"),
        (line(capture("4,pro,1"), capture("0.5\n0.5")), "wrong_length: the message has 1 rows"),
        (line(capture("{", "JSON")), "undecodable: captureData.endpointInput: data is not JSON"),
        (line(capture("{}\n{", "JSON")), "undecodable: captureData.endpointInput: line 2 of data"),
        (line(capture("4", "XML")), "invalid_event: captureData.endpointInput: encoding is 'XML'"),
        (line(capture("%", "BASE64")), "invalid_event: captureData.endpointInput: data is not"),
        (
            line(capture(coded("4"), "BASE64", "application/x-npy")),
            "invalid_event: captureData.endpointInput: observedContentType is 'application/x-npy'",
        ),
        (line({"data": 7}), "invalid_event: captureData.endpointInput: data is 7"),
        (line(capture("")), "invalid_event: the message holds no row"),
        (line(None), "invalid_event: captureData has neither"),
        ({"eventVersion": "0"}, "invalid_event: Object missing required field `captureData`"),
        (b"{", "undecodable: "),
    ],
)
def test_a_line_that_is_not_as_it_should_be_is_a_dead_letter_that_says_why(message, why):
    config = config_of("sagemaker", COLUMNS)
    good = line(capture("4,pro,1"), capture("0.5"))

    events = read(config, good, message, good)

    assert list(problems_of(events)) == [(1, 0)]
    assert problems_of(events)[1, 0].startswith(why)


def test_a_line_of_csv_that_cannot_be_used_leaves_the_others():
    config = config_of("sagemaker", COLUMNS)

    events = read(config, line(capture("1,a,1\nx,b,1\n3,c,1"), capture("0.5\n0.5\n0.5")))

    assert events.event_ids == ["e1[0]", "e1[2]"]
    assert list(problems_of(events)) == [(0, 1)]


def test_bytes_that_are_no_text_of_json_are_refused():
    events = read(config_of("sagemaker", COLUMNS), json.dumps([1]).encode(), b"\xff\xfe")

    assert set(problems_of(events)) == {(0, 0), (1, 0)}
