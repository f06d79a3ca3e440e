"""Records of Protobuf, of which the package protobuf says what they hold."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config import paths as config_paths
from flink_jobs.intake.formats import protobuf
from flink_jobs.intake.formats.cursors import Cursors
from flink_jobs.intake.formats.protobuf import ProtobufSchema
from flink_jobs.intake.schemas.errors import UnusableSchemaError
from flink_jobs.intake.schemas.protobuf import types_of_file, types_of_text
from flink_jobs.intake.unusable import UnusableEventError

PROTO = Path(__file__).with_name("event.proto")
TYPES = types_of_file(PROTO)
EVENT = TYPES.named("shop.Event")
FEATURES = TYPES.named("shop.Features")

_WHOLE = {
    "tenure": st.integers(-(2**31), 2**31 - 1),
    "calls": st.integers(-(2**63), 2**63 - 1),
    "balance": st.integers(-(2**31), 2**31 - 1),
    "code": st.integers(0, 2**32 - 1),
    "size": st.integers(0, 2**64 - 1),
    "offset": st.integers(-(2**63), 2**63 - 1),
}
features = st.fixed_dictionaries(
    {},
    optional=_WHOLE
    | {
        "city": st.text(max_size=70),
        "channel": st.text(max_size=3),
        "active": st.booleans(),
        "plan": st.integers(0, 4),
        "emb": st.lists(st.floats(), min_size=2, max_size=2),
        "share": st.floats(width=32),
        "income": st.floats().map(lambda value: {"value": value}),
        "paperless": st.booleans().map(lambda value: {"value": value}),
        "counts": st.lists(st.integers(0, 2**32 - 1), max_size=3),
    },
)
PATHS: dict[config_paths.Path, int] = {(field.name,): 2 if field.name == "emb" else 1
         for field in FEATURES.DESCRIPTOR.fields if field.name != "counts"}  # fmt: skip


@pytest.fixture(autouse=True, params=[0, 1_000], ids=["together", "few"])
def _few(request, monkeypatch):
    """Let every record be read by NumPy, or by the package protobuf."""
    monkeypatch.setattr(protobuf, "_FEW", request.param)


def read_together(schema, payloads):
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


def assert_as_protobuf(schema, payloads):
    cursors, values = read_together(schema, payloads)
    good = np.flatnonzero(~cursors.is_bad).tolist()
    for row in good:
        record = schema.record(payloads[row])
        for path in PATHS:
            found = values.get(path, [None] * len(payloads))[row]
            assert same(found, schema.at(record, path)), path
    return good


@given(st.lists(features, min_size=1, max_size=5))
def test_many_records_at_once_hold_what_protobuf_finds_in_each(records):
    schema = ProtobufSchema(FEATURES, PATHS)
    payloads = [FEATURES(**record).SerializeToString() for record in records]

    good = assert_as_protobuf(schema, payloads)

    # A list without elements is not written: the other reader says that it is too short.
    if not protobuf._FEW:
        assert good == [row for row, record in enumerate(records) if "emb" in record]


@given(st.lists(features, min_size=1, max_size=4), st.data())
def test_damaged_records_are_read_as_protobuf_reads_them_or_refused(records, data):
    schema = ProtobufSchema(FEATURES, {path: n for path, n in PATHS.items() if path != ("emb",)})
    payloads = []
    for record in records:
        payload = bytearray(FEATURES(**record).SerializeToString())
        for _ in range(data.draw(st.integers(0, 2))):
            if payload:
                payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(
                    st.integers(0, 255)
                )
        payloads.append(bytes(payload[: data.draw(st.integers(0, len(payload)))]))
    cursors, values = read_together(schema, payloads)

    for row in np.flatnonzero(~cursors.is_bad).tolist():
        record = schema.record(payloads[row])
        for path in values:
            assert same(values[path][row], schema.at(record, path))


WANTED: dict[config_paths.Path, int] = {
    ("id",): 1,
    ("features", "city"): 1,
    ("features", "emb"): 2,
    ("at",): 1,
    ("probability",): 1,
    ("features", "income"): 1,
}


def test_nested_messages_of_many_records_are_read_together():
    full = EVENT(id="a", tags=["x", "y"], features={"city": "Ulm", "emb": [1, 2], "income": {}},
                 at={"seconds": 1, "nanos": 5_000}, probability=0.0, steps=[1, 2])  # fmt: skip
    other = EVENT(id="b", features={"emb": [3, 4]}, label="no")

    cursors, values = read_together(
        ProtobufSchema(EVENT_WITHOUT_DEEP, WANTED),
        [each.SerializeToString() for each in (full, other)],
    )

    assert not cursors.is_bad.any()
    assert values[("id",)] == ["a", "b"]
    assert values[("features", "city")] == ["Ulm", ""]
    assert values[("features", "emb")] == [[1.0, 2.0], [3.0, 4.0]]
    assert values[("features", "income")] == [0.0, None]
    assert values[("probability",)] == [0.0, None]
    assert values[("at",)][0].isoformat() == "1970-01-01T00:00:01.000005+00:00"
    assert values[("at",)][1] is None


EVENT_WITHOUT_DEEP = types_of_text(
    PROTO.read_text().replace("Inner inner = 3000;", "Inner inner = 300;")
).named("shop.Event")


def test_values_of_any_shape_and_in_maps_are_found_in_single_records():
    event = EVENT(scores={"a": 0.5}, steps=[7, 8], inner={"depth": 3})
    event.more.update({"deep": {"list": [1, "x", None]}, "flag": True})
    schema = ProtobufSchema(EVENT, {})
    record = schema.record(event.SerializeToString())
    expected: dict[config_paths.Path, object] = {
        ("scores", "a"): 0.5,
        ("scores", "b"): None,
        ("steps", 1): 8,
        ("steps", 2): None,
        ("steps",): [7, 8],
        ("inner", "depth"): 3,
        ("more", "deep", "list", 1): "x",
        ("more", "deep", "list", 2): None,
        ("more", "flag"): True,
        ("more", "no", "such"): None,
        ("features", "city"): None,
        ("nothing",): None,
        ("id", "of"): None,
    }

    assert {path: schema.at(record, path) for path in expected} == expected


def test_fields_that_the_schema_lacks_are_passed_over():
    old = types_of_text(
        'syntax = "proto3"; message Features { int32 tenure = 1; string city = 3; }'
    )
    schema = ProtobufSchema(old.named(""), {("tenure",): 1, ("city",): 1})
    new = FEATURES(tenure=4, city="Ulm", code=7, income={"value": 1}, offset=-1, emb=[1, 2])

    cursors, values = read_together(schema, [new.SerializeToString()])

    assert not cursors.is_bad.any()
    assert values == {("tenure",): [4], ("city",): ["Ulm"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("message {", "not one of Protobuf: loudly_schema.proto:1:9"),
        ('syntax = "proto3"; import "no/such.proto"; message A {}', "no/such.proto"),
        ('syntax = "proto3"; message A {} message B {}', "2 messages .A, B."),
        ("", "0 messages"),
    ],
)
def test_schemas_that_are_none_say_so(text, said):
    with pytest.raises(UnusableSchemaError, match=said):
        types_of_text(text).named("")


def test_references_are_imported_and_may_not_leave_their_folder():
    main = 'syntax = "proto3"; import "x/a.proto"; message M { x.A a = 1; }'
    other = 'syntax = "proto3"; package x; message A { int32 n = 1; }'

    found = types_of_text(main, [("x/a.proto", other)]).named("M")

    assert found(a={"n": 7}).a.n == 7
    with pytest.raises(UnusableSchemaError, match="not a name of a file"):
        types_of_text(main, [("../a.proto", other)])


def test_messages_are_found_by_their_place():
    assert TYPES.at([1, 0]).DESCRIPTOR.full_name == "shop.Event.Inner"
    assert TYPES.at([2]).DESCRIPTOR.full_name == "shop.Other"
    with pytest.raises(UnusableSchemaError, match=r"no message at \[1, 7\]"):
        TYPES.at([1, 7])


def test_a_record_that_is_none_says_of_which_message():
    with pytest.raises(UnusableEventError, match=r"not a shop\.Event"):
        ProtobufSchema(EVENT, {}).record(b"\xff")


def test_a_deep_record_does_not_end_the_process():
    types = types_of_text('syntax = "proto3"; message N { N next = 1; int32 n = 2; }')
    payload = b""
    for _ in range(3_000):
        length = len(payload)
        size = bytearray()
        while length > 127:
            size.append(length & 127 | 128)
            length >>= 7
        payload = b"\x0a" + bytes([*size, length]) + payload

    with pytest.raises(UnusableEventError):
        ProtobufSchema(types.named(""), {("next", "n"): 1}).record(payload)
