"""Whatever lies on the control topic is a command or is refused with a reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flink_jobs.records.command_decoder import (
    MAX_COMMAND_BYTES,
    UnusableCommandError,
    decode_command,
    refusal,
)
from flink_jobs.records.control import (
    KINDS,
    Audit,
    Outcome,
    PlacedCommand,
    audit_id,
    encode_audit,
    encode_command,
)
from flink_jobs.records.schemas import read_example
from tests.records.commands import INVALID, make_command, make_tree

_keys = st.none() | st.binary(max_size=20) | st.just(b"fraud")
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
_fields = st.sampled_from([*make_tree("configure"), "until_ms", "incident_id", "unknown"])


def refused(value: bytes | None, key: bytes | None = b"fraud") -> UnusableCommandError:
    with pytest.raises(UnusableCommandError) as error:
        decode_command(key, value, partition=0, offset=7)
    return error.value


def decoded_or_answered(key: bytes | None, value: bytes | None) -> PlacedCommand | None:
    """What the job does: the command, or a refusal that can be written to Kafka."""
    try:
        return decode_command(key, value, partition=0, offset=7)
    except UnusableCommandError as error:
        encode_audit(refusal(error, partition=0, offset=7, job="loudly"))
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_is_read_as_it_was_written(kind: str) -> None:
    command = make_command(kind)

    placed = decode_command(*encode_command(command), partition=2, offset=9)

    assert placed == PlacedCommand(command=command, partition=2, offset=9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_was_read_can_be_kept_in_the_state(kind: str) -> None:
    placed = decode_command(*encode_command(make_command(kind)), partition=2, offset=9)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(placed), type=PlacedCommand) == placed


@pytest.mark.parametrize(("tree", "said"), INVALID)
def test_a_refusal_says_what_is_wrong(tree: Any, said: str) -> None:
    assert said in refused(json.dumps(tree).encode()).reason


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    reason = refused(json.dumps(make_tree("pause") | {"kind": "stop"}).encode()).reason

    assert "'stop' is not a kind of command" in reason
    assert all(kind in reason for kind in KINDS)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "has no value"),
        (b"", "cannot be read as JSON"),
        (b"{", "cannot be read as JSON"),
        (b"\xff\xfe{}", "cannot be read as JSON"),
        (json.dumps(make_tree("pause")).encode("utf-16"), "cannot be read as JSON"),
        (b'{"model": "\\ud800"}', "cannot be read as JSON"),
        (b"[" * 30_000, "cannot be read as JSON"),
        (b"[]", "not a JSON object"),
        (b" " * (MAX_COMMAND_BYTES + 1), "65,537 bytes are too many"),
    ],
)
def test_what_is_no_object_is_refused_in_the_name_of_its_key(
    value: bytes | None, said: str
) -> None:
    error = refused(value)

    assert said in error.reason
    assert (error.model, error.command_id, error.kind) == ("fraud", None, None)


def test_the_largest_command_is_read() -> None:
    value = msgspec.json.encode(make_command("pause"))

    assert decode_command(b"fraud", value.ljust(MAX_COMMAND_BYTES), partition=0, offset=0)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "has no key"),
        (b"", "has no key"),
        (b"credit", "key is 'credit' and its model 'fraud'"),
        (b"fraud ", "key is 'fraud '"),
        (b"\xff", "key is '\\\\xff'"),
    ],
)
def test_the_key_must_be_the_model(key: bytes | None, said: str) -> None:
    error = refused(msgspec.json.encode(make_command("pause")), key)

    assert said in error.reason
    assert error.model == "fraud"


def test_a_refusal_carries_what_could_be_read() -> None:
    tree = make_tree("snooze") | {"until_ms": "tomorrow", "issued_by": "on-call"}

    error = refused(json.dumps(tree).encode())
    audit = refusal(error, partition=3, offset=4, job="loudly")

    assert audit.outcome is Outcome.REFUSED
    assert (audit.command_id, audit.kind, audit.model) == ("c-1", "snooze", "fraud")
    assert (audit.issued_by, audit.partition, audit.offset) == ("on-call", 3, 4)
    assert audit.reason == error.reason
    assert encode_audit(audit)[0] == b"fraud"


def test_a_change_as_deep_as_pythons_stack_never_reaches_the_state() -> None:
    nested = "[" * 900 + "]" * 900
    value = json.dumps(make_tree("configure")).replace("0.01", nested).encode()

    assert "nested deeper than 16 levels" in refused(value).reason


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 30, "9" * 5_000, "-" + "9" * 19, "1e400"])
def test_a_number_that_the_state_cannot_hold_never_reaches_it(digits: str) -> None:
    value = json.dumps(make_tree("configure")).replace("0.01", digits).encode()

    reason = refused(value).reason

    assert "beyond 64 bits" in reason or "out of range" in reason


@given(_keys, st.none() | st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(key: bytes | None, value: bytes | None) -> None:
    decoded_or_answered(key, value)


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_a_damaged_command_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    value = bytearray(msgspec.json.encode(make_command(kind)))
    for place in data.draw(st.lists(st.integers(0, len(value) - 1), max_size=4)):
        value[place] = data.draw(st.integers(0, 255))

    decoded_or_answered(b"fraud", bytes(value))


@given(st.sampled_from(sorted(KINDS)), _fields, _json)
@example("configure", "change", {"a": 2**64})
@example("snooze", "until_ms", 2**63)
@example("pause", "schema_version", 10**4_000)
@example("pause", "kind", float("nan"))
def test_a_command_with_another_value_is_refused_or_can_be_kept_in_the_state(
    kind: str, field: str, value: Any
) -> None:
    tree = make_tree(kind) | {field: value}

    placed = decoded_or_answered(str(tree["model"]).encode(errors="replace"), dumped(tree))

    if placed is not None:
        msgspec.msgpack.encode(placed)


@pytest.mark.parametrize("place", ["command_id", "kind", "model", "schema_version", "change"])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [17, 200, 900, 5_000])
def test_deep_values_anywhere_are_refused(place: str, opening: str, depth: int) -> None:
    closing = "]" if opening == "[" else "}"
    tree = json.dumps(make_tree("configure") | {place: "here"})
    value = tree.replace('"here"', opening * depth + "0" + closing * depth)

    assert decoded_or_answered(b"fraud", value.encode()) is None


def test_the_examples_are_commands() -> None:
    for kind in KINDS:
        value = read_example("command", kind)
        key = json.loads(value)["model"].encode()

        assert decode_command(key, value, partition=0, offset=0).command.issued_by


def test_the_documentation_shows_every_example() -> None:
    blocks = re.findall(r"```json\n(.*?)```", Path("docs/control.md").read_text(), flags=re.DOTALL)
    shown = [msgspec.json.decode(block) for block in blocks]

    assert [tree["kind"] for tree in shown] == list(KINDS)
    for tree in shown:
        command, committed = (
            decode_command(tree["model"].encode(), value, partition=0, offset=0)
            for value in (msgspec.json.encode(tree), read_example("command", tree["kind"]))
        )
        assert command == committed


def test_each_model_and_outcome_of_a_command_has_an_answer_of_its_own() -> None:
    ids = {
        audit_id(partition, offset, model, outcome)
        for partition in (0, 1)
        for offset in (0, 1)
        for model in (None, "a", "b")
        for outcome in Outcome
    }

    assert len(ids) == 2 * 2 * 3 * len(Outcome)


@pytest.mark.parametrize("variant", ["", "accepted", "describe", "refused", "waiting"])
def test_the_example_answers_have_the_ids_that_a_job_gives(variant: str) -> None:
    audit = msgspec.json.decode(read_example("audit", variant), type=Audit)

    expected = audit_id(audit.partition, audit.offset, audit.model, audit.outcome)
    assert audit.audit_id == expected


def test_the_answer_to_a_record_without_a_model_has_an_empty_key() -> None:
    error = refused(None, key=None)

    assert encode_audit(refusal(error, partition=0, offset=0, job="loudly"))[0] == b""


def dumped(tree: Any) -> bytes:
    # Surrogates as escapes, NaN and Infinity as Python writes them: what others send.
    return json.dumps(tree).encode()
