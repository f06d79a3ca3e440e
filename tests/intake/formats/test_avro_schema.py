"""Records of Avro, of which fastavro says what they hold."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.avro import AvroSchema, parsed, parsed_with
from flink_jobs.intake.formats.cursors import Cursors
from flink_jobs.intake.schemas.errors import UnusableSchemaError
from flink_jobs.intake.unusable import UnusableEventError
from tests.intake.formats.avro_examples import encoded, leaf_paths, schemas_and_records


def read_together(schema, payloads):
    """What the schema reads of many records at once: the cursors, and the values by path."""
    cursors = Cursors.of(payloads, schema.n_padding)
    leaves = schema.leaves(cursors)
    cursors.settle()
    cursors.finish()
    return cursors, {path: leaf.as_objects() for path, leaf in leaves.items()}


def same(one, other):
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)


@given(schemas_and_records())
def test_many_records_at_once_hold_what_fastavro_finds_in_each(example):
    tree, records = example
    for path in leaf_paths(tree):
        schema = AvroSchema(parsed(json.dumps(tree)), {path: 1})
        payloads = [encoded(tree, record) for record in records]

        cursors, values = read_together(schema, payloads)

        for row, payload in enumerate(payloads):
            if not cursors.is_bad[row]:
                expected = schema.at(schema.record(payload), path)
                assert same(values.get(path, [None] * len(payloads))[row], expected)


def test_records_of_plain_fields_are_read_together():
    tree = {"type": "record", "name": "e", "fields": [
        {"name": "skipped", "type": {"type": "array", "items": ["null", "string"]}},
        {"name": "age", "type": ["null", "int"]},
        {"name": "in", "type": {"type": "record", "name": "i", "fields": [
            {"name": "plan", "type": "string"},
            {"name": "emb", "type": {"type": "array", "items": "float"}}]}},
        {"name": "map", "type": {"type": "map", "values": "double"}},
        {"name": "kind", "type": {"type": "enum", "name": "k", "symbols": ["x", "y"]}},
    ]}  # fmt: skip
    records = [
        {"skipped": ["a", None], "age": None, "in": {"plan": "pro", "emb": [0.5, 1.5]},
         "map": {"a": 1.0}, "kind": "y"},
        {"skipped": [], "age": -7, "in": {"plan": "p" * 100, "emb": [0.5, 2.5]},
         "map": {}, "kind": "x"},
    ]  # fmt: skip
    wanted: dict[Path, int] = {
        ("age",): 1,
        ("in", "plan"): 1,
        ("in", "emb"): 2,
        ("kind",): 1,
        ("no",): 1,
    }

    cursors, values = read_together(
        AvroSchema(parsed(json.dumps(tree)), wanted), [encoded(tree, record) for record in records]
    )

    assert not cursors.is_bad.any()
    assert values == {
        ("age",): [None, -7],
        ("in", "plan"): ["pro", "p" * 100],
        ("in", "emb"): [[0.5, 1.5], [0.5, 2.5]],
        ("kind",): ["y", "x"],
    }


@given(schemas_and_records(), st.data())
def test_damaged_records_are_read_as_fastavro_reads_them_or_refused(example, data):
    tree, records = example
    payloads = []
    for record in records:
        payload = bytearray(encoded(tree, record))
        for _ in range(data.draw(st.integers(0, 2))):
            if payload:
                place = data.draw(st.integers(0, len(payload) - 1))
                payload[place] = data.draw(st.integers(0, 255))
        end = data.draw(st.integers(0, len(payload)) | st.just(len(payload)))
        payloads.append(bytes(payload[:end]))
    paths = list(leaf_paths(tree))
    schema = AvroSchema(parsed(json.dumps(tree)), dict.fromkeys(paths, 1))

    cursors, values = read_together(schema, payloads)

    for row in np.flatnonzero(~cursors.is_bad).tolist():
        record = schema.record(payloads[row])
        for path in paths:
            found = values.get(path, [None] * len(payloads))[row]
            assert same(found, schema.at(record, path))


HOLDS_ITSELF = {
    "type": "record", "name": "n", "fields": [{"name": "next", "type": ["null", "n"]}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (HOLDS_ITSELF, "holds itself"),
        ({"type": "array", "items": "null"}, "values without bytes"),
        ({"type": "nothing"}, "not one of Avro"),
        ({"type": "record", "name": "n", "fields": 7}, "not one of Avro"),
        (7, "not one of Avro"),
    ],
)  # fmt: skip
def test_schemas_that_are_none_or_dangerous_are_refused(tree, said):
    with pytest.raises(UnusableSchemaError, match=said):
        parsed(json.dumps(tree))


def test_a_record_with_bytes_behind_it_is_not_one_of_its_schema():
    schema = AvroSchema(parsed('"int"'), {(): 1})

    with pytest.raises(UnusableEventError, match="2 bytes are left"):
        schema.record(b"\x02ab")


def test_logical_types_are_what_they_stand_for():
    fields = {
        "at": {"type": "long", "logicalType": "timestamp-micros"},
        "day": {"type": "int", "logicalType": "date"},
        "price": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        "who": {"type": "string", "logicalType": "uuid"},
    }
    tree = {
        "type": "record",
        "name": "e",
        "fields": [{"name": n, "type": t} for n, t in fields.items()],
    }
    record = {"at": 1_767_225_600_000_001, "day": 20_454, "price": b"\xff\x38", "who": "ab-c"}
    plain = {**fields, "at": "long", "day": "int", "price": "bytes", "who": "string"}
    raw = {**tree, "fields": [{"name": n, "type": t} for n, t in plain.items()]}
    wanted: dict[Path, int] = dict.fromkeys([(name,) for name in fields], 1)
    schema = AvroSchema(parsed(json.dumps(tree)), wanted)
    payload = encoded(raw, record)

    cursors, values = read_together(schema, [payload])

    assert not cursors.is_bad.any()
    assert values[("at",)][0].isoformat() == "2026-01-01T00:00:00.000001+00:00"
    assert values[("day",)][0].isoformat() == "2026-01-01"
    assert values[("price",)] == [-2.0]
    assert values[("who",)] == ["ab-c"]
    for path in wanted:
        assert values[path][0] == schema.at(schema.record(payload), path)


def test_a_field_that_a_schema_lacks_has_the_default_of_the_own_schema():
    written = parsed('{"type": "record", "name": "e", "fields": [{"name": "a", "type": "int"}]}')
    own = parsed(
        '{"type": "record", "name": "e", "fields": [{"name": "a", "type": "int", "default": 1},'
        '{"name": "plan", "type": "string", "default": "basic"}]}'
    )
    schema = AvroSchema(written, {("a",): 1, ("plan",): 1}, defaults_of=own)

    _, values = read_together(schema, [b"\x04"])

    assert values == {("a",): [2], ("plan",): ["basic"]}
    assert schema.at(schema.record(b"\x04"), ("plan",)) == "basic"


def test_types_of_other_schemas_are_found():
    address = (
        '{"type": "record", "name": "x.Address", "fields": [{"name": "city", "type": "string"}]}'
    )
    person = '{"type": "record", "name": "x.P", "fields": [{"name": "at", "type": "x.Address"}]}'
    schema = AvroSchema(parsed_with(person, [address]), {("at", "city"): 1})

    _, values = read_together(schema, [b"\x06Ulm"])

    assert values == {("at", "city"): ["Ulm"]}
