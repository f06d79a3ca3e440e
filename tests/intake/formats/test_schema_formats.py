"""Avro and Protobuf on their way into a pane, against the same events of JSON."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.registry import format_of
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.schemas.protobuf import types_of_text
from tests.intake.examples import named_config
from tests.intake.formats.avro_examples import encoded
from tests.intake.schemas.server import serving

COLUMNS = {
    "features": {
        "tenure": "number",
        "calls": {"type": "number", "may_be_missing": True},
        "plan": "category",
        "channel": {"type": "category", "may_be_missing": True},
        "active": "boolean",
        "emb": {"type": "vector", "size": 2},
    },
    "outputs": {"p_churn": "probability"},
    "segments": ["region"],
}
PLACES = {"features_at": "features", "event_id": "id"}
AVRO = {
    "type": "record", "name": "Event", "namespace": "shop", "fields": [
        {"name": "id", "type": "string"},
        {"name": "noise", "type": ["null", {"type": "map", "values": "string"}], "default": None},
        {"name": "features", "type": {"type": "record", "name": "Features", "fields": [
            {"name": "tenure", "type": "int"},
            {"name": "calls", "type": ["null", "double"]},
            {"name": "plan", "type": {"type": "enum", "name": "Plan", "symbols": ["basic", "pro"]}},
            {"name": "channel", "type": ["string", "null"]},
            {"name": "active", "type": "boolean"},
            {"name": "emb", "type": {"type": "array", "items": "double"}}]}},
        {"name": "p_churn", "type": "double"},
        {"name": "region", "type": "string"},
    ],
}  # fmt: skip
PROTO = """
syntax = "proto3";
package shop;
message Event {
  message Features {
    int32 tenure = 1;
    optional double calls = 2;
    enum Plan { basic = 0; pro = 1; }
    Plan plan = 3;
    optional string channel = 4;
    bool active = 5;
    repeated double emb = 6;
  }
  string id = 1;
  Features features = 2;
  double p_churn = 3;
  string region = 4;
  map<string, string> noise = 5;
}
"""
MESSAGE = types_of_text(PROTO).named("")
rows = st.fixed_dictionaries({
    "id": st.text("abc", min_size=1, max_size=3),
    "features": st.fixed_dictionaries({
        "tenure": st.integers(-100, 2**31 - 1),
        "calls": st.none() | st.floats(-1e9, 1e9),
        "plan": st.sampled_from(["basic", "pro"]),
        "channel": st.none() | st.text(max_size=300),
        "active": st.booleans(),
        "emb": st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2),
    }),
    "p_churn": st.floats(0, 1),
    "region": st.sampled_from(["eu", "us"]),
})  # fmt: skip
ROW: dict[str, Any] = {
    "id": "a",
    "features": {"tenure": 3, "calls": None, "plan": "pro", "channel": "web", "active": True,
                 "emb": [0.5, 1.0]},
    "p_churn": 0.25,
    "region": "eu",
}  # fmt: skip


def changed(**features):
    return {**ROW, "features": ROW["features"] | features}


def avro(row):
    return encoded(AVRO, row)


def protobuf(row, message=MESSAGE):
    known = {name: value for name, value in row["features"].items() if value is not None}
    return message(**{**row, "features": known}).SerializeToString()


def own(row):
    tree = {"schema_version": 1, "event_id": row["id"], "features": row["features"],
            "outputs": {"p_churn": row["p_churn"]},
            "segments": {"region": row["region"]}}  # fmt: skip
    return json.dumps(tree).encode()


def framed(number, payload, indexes=b""):
    return b"\0" + struct.pack(">i", number) + indexes + payload


def layout_of(name, columns=COLUMNS, **tables):
    columns = {**columns, **PLACES}
    return Layout(named_config(columns, input={"format": name, **tables}))


def messages(payloads):
    return Messages(payloads, lambda: [f"0:{place}" for place in range(len(payloads))])


@pytest.fixture(name="files", scope="module")
def _files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "event.avsc").write_text(json.dumps(AVRO))
    (folder / "event.proto").write_text(PROTO)
    return {"avro": folder / "event.avsc", "protobuf": folder / "event.proto"}


@pytest.fixture(name="layouts", scope="module")
def _layouts(files):
    own = Layout(named_config(COLUMNS))
    return own, {name: layout_of(name, schemas={"file": str(path)}) for name, path in files.items()}


ENCODERS = {"avro": avro, "protobuf": protobuf}


@given(st.lists(rows, max_size=6))
def test_the_same_events_are_the_same_in_every_format(layouts, events):
    own_layout, others = layouts
    expected = own_layout.decode(messages([own(row) for row in events]))

    for name, layout in others.items():
        read = layout.decode(messages([ENCODERS[name](row) for row in events]))

        assert read.event_ids == expected.event_ids
        np.testing.assert_array_equal(read.x, expected.x)
        assert read.texts == expected.texts
        assert str(read.unusable) == str(expected.unusable)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_damaged_record_among_others_is_the_only_one_refused(layouts, name):
    layout, encode = layouts[1][name], ENCODERS[name]
    payloads = [encode(ROW | {"id": str(place)}) for place in range(5)]
    payloads[2] = payloads[2][:-1]

    read = layout.decode(messages(payloads))

    assert read.event_ids == ["0", "1", "3", "4"]
    assert read.places.tolist() == [0, 1, 3, 4]
    assert list(read.unusable) == [2]
    assert read.unusable[2].reason == "undecodable"


@pytest.mark.parametrize("name", ENCODERS)
def test_a_list_of_another_length_names_column_and_event(layouts, name):
    payloads = [ENCODERS[name](row) for row in (ROW, changed(emb=[1.0]), changed(emb=[]))]

    read = layouts[1][name].decode(messages(payloads))

    assert [str(read.unusable[row]) for row in (1, 2)] == [
        "wrong_length: 1 features.emb, expected 2",
        "wrong_length: 0 features.emb, expected 2",
    ]
    assert read.unusable[1].event_id == "a"


def test_fields_in_another_order_are_read_all_the_same(layouts):
    payload = protobuf(ROW)
    whole = MESSAGE.FromString(payload)
    parts = [MESSAGE(id="a"), MESSAGE(features=whole.features), MESSAGE(p_churn=0.25, region="eu")]
    shuffled = b"".join(part.SerializeToString() for part in reversed(parts))

    read = layouts[1]["protobuf"].decode(messages([payload, shuffled]))

    assert read.unusable == {}
    np.testing.assert_array_equal(read.x[0], read.x[1])


@pytest.fixture(name="server")
def _server():
    with serving() as server:
        server.add(1, json.dumps(AVRO))
        server.add(2, PROTO, "PROTOBUF")
        yield server


def registered(server, name, **tables):
    schemas = {"registry_url": server.url, "patience_ms": 0} | tables
    return layout_of(name, envelope="confluent", schemas=schemas)


def test_records_name_their_schemas(server):
    newer = json.loads(json.dumps(AVRO))
    newer["fields"].insert(0, {"name": "first", "type": "double"})
    server.add(3, json.dumps(newer))
    payloads = [framed(1, avro(ROW)), framed(3, encoded(newer, {"first": 1.0, **ROW}))]

    read = registered(server, "avro").decode(messages(payloads))

    assert read.unusable == {}
    np.testing.assert_array_equal(read.x[0], read.x[1])
    assert sorted(path for path, _ in server.asked) == ["/schemas/ids/1", "/schemas/ids/3"]


def test_messages_of_protobuf_name_their_place(server):
    both = PROTO.replace("message Event {", "message First { int32 a = 1; }\nmessage Event {")
    server.add(3, both, "PROTOBUF")
    payloads = [
        framed(2, protobuf(ROW), b"\0"),
        framed(2, protobuf(ROW), b"\2\0"),
        framed(3, protobuf(ROW), b"\2\2"),
        framed(3, protobuf(ROW), b"\2\4"),
    ]

    read = registered(server, "protobuf").decode(messages(payloads))

    assert read.places.tolist() == [0, 1, 2]
    assert len(np.unique(read.x, axis=0)) == 1
    assert str(read.unusable[3]) == "unusable_schema: schema 3: the schema has no message at [2]"


def test_columns_that_a_schema_lacks_are_missing(server):
    older = json.loads(json.dumps(AVRO))
    fields = older["fields"][2]["type"]["fields"]
    del fields[3], fields[1]
    server.add(4, json.dumps(older))
    del fields[0]
    server.add(5, json.dumps(older))
    first = {
        key: value for key, value in ROW["features"].items() if key not in ("calls", "channel")
    }
    second = {key: value for key, value in first.items() if key != "tenure"}
    payloads = [
        framed(4, encoded(_of(4, server), ROW | {"features": first})),
        framed(5, encoded(_of(5, server), ROW | {"features": second})),
    ]

    read = registered(server, "avro").decode(messages(payloads))

    assert read.places.tolist() == [0]
    assert str(read.unusable[1]) == "not_finite: features.tenure is missing, NaN or infinite"


def _of(number, server):
    return json.loads(server.answers[f"/schemas/ids/{number}"][1]["schema"])


def test_what_is_wrong_with_schemas_is_said_of_each_record(server):
    server.add(6, "{")
    server.add(7, "{}", "JSON")
    payloads = [framed(9, b"x"), framed(6, b"x"), framed(7, b"x"), b"{}", b"", framed(1, avro(ROW))]

    read = registered(server, "avro").decode(messages(payloads))

    said = {row: str(error) for row, error in read.unusable.items()}
    assert said[0] == "unknown_schema: the registry knows no schema 9"
    assert said[1].startswith("unusable_schema: schema 6: the schema is not one of Avro")
    assert said[2] == "unusable_schema: schema 7 is one of JSON, expected AVRO"
    assert said[3] == said[4]
    assert said[3].startswith("undecodable: the value does not begin with a zero byte")
    assert read.places.tolist() == [5]


def test_a_value_of_another_type_names_path_and_value(server):
    other = json.loads(json.dumps(AVRO))
    other["fields"][2]["type"]["fields"][0]["type"] = ["int", "string"]
    server.add(8, json.dumps(other))
    payloads = [framed(8, encoded(other, row)) for row in (ROW, changed(tenure="long"))]

    read = registered(server, "avro").decode(messages(payloads))

    assert read.places.tolist() == [0]
    assert str(read.unusable[1]) == ("invalid_event: features.tenure is 'long', expected a number")


def test_single_values_are_looked_up_for_models_and_times(files):
    config = named_config(
        {**COLUMNS, **PLACES}, input={"format": "avro", "schemas": {"file": str(files["avro"])}}
    )
    paths = [("features", "plan"), ("no",), ("p_churn",)]

    found = format_of(config).values(messages([avro(ROW), b"\xff", avro(ROW)]), paths)

    assert [column[0] for column in found] == ["pro", None, 0.25]
    assert [str(column[1].reason) for column in found] == ["undecodable"] * 3
    assert [column[2] for column in found] == ["pro", None, 0.25]


def test_more_messages_than_a_block_are_read_as_one_block_is(layouts):
    n = 9_000
    payloads = [avro(ROW | {"id": str(place)}) for place in range(n)]
    payloads[5_000] = b""

    read = layouts[1]["avro"].decode(messages(payloads))

    assert list(read.unusable) == [5_000]
    assert read.event_ids[4_999:5_001] == ["4999", "5001"]
    assert len(read.x) == n - 1


@pytest.mark.parametrize("name", ENCODERS)
def test_requests_and_responses_may_come_alone(files, name):
    optional = {"kind": "probability", "may_be_missing": True}
    columns = {**COLUMNS, "outputs": {"p_churn": optional}, **PLACES, "features_at": "features"}
    tables = {"format": name, "messages": "requests_and_responses"}
    tree = json.loads(json.dumps(AVRO))
    tree["fields"][2]["type"] = ["null", tree["fields"][2]["type"]]
    tree["fields"][3]["type"] = ["null", "double"]
    text = (
        json.dumps(tree)
        if name == "avro"
        else PROTO.replace("double p_churn", "optional double p_churn")
    )
    path = files[name].with_stem("parts")
    path.write_text(text)
    views = [{"name": "f", "columns": ["features"]}, {"name": "p", "columns": ["p_churn"]}]
    config = named_config(columns, input={**tables, "schemas": {"file": str(path)}}, views=views)
    whole = changed(calls=1.0)
    rows = [{**whole, "p_churn": None}, {**whole, "features": None}, whole]
    if name == "avro":
        payloads = [encoded(tree, row) for row in rows]
    else:
        message = types_of_text(text).named("")
        there = [{key: value for key, value in row.items() if value is not None} for row in rows]
        payloads = [message(**row).SerializeToString() for row in there]

    read = Layout(config).decode(messages(payloads))

    assert read.unusable == {}
    assert read.parts is not None
    assert read.parts.tolist() == [1, 2, 3]
