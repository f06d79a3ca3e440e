"""The committed JSON Schemas say what the structs say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from flink_jobs.config.columns import Column
from flink_jobs.intake.formats.json import EventDecoder
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records import schemas
from flink_jobs.records.command_decoder import UnusableCommandError, decode_command
from flink_jobs.records.control import KINDS
from flink_jobs.records.schemas import RecordName, read_example, read_schema
from scripts.write_schemas import RECORDS, schema_text
from tests.records.commands import INVALID, make_tree

NAMES: tuple[RecordName, ...] = get_args(RecordName)
FOLDER = Path(schemas.__file__).parent
EXAMPLES = [
    (path.name.split(".")[0], path) for path in sorted((FOLDER / "examples").glob("*.json"))
]
on_every_example = pytest.mark.parametrize(
    ("name", "path"), EXAMPLES, ids=[path.name for _, path in EXAMPLES]
)


def validator(name: RecordName) -> Draft202012Validator:
    schema = json.loads(read_schema(name))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


COMMANDS = validator("command")


def test_every_committed_schema_belongs_to_a_record() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {f"{name}.v1.json" for name in NAMES}
    assert set(RECORDS) == set(NAMES)


def test_every_record_has_an_example_and_every_kind_of_command_its_own() -> None:
    files = {path.name for _, path in EXAMPLES}

    assert {name for name, _ in EXAMPLES} == set(NAMES)
    assert {f"command.{kind}.v1.json" for kind in KINDS} <= files
    for kind in KINDS:
        assert json.loads(read_example("command", kind))["kind"] == kind


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_schema_matches_its_struct(name: RecordName) -> None:
    assert read_schema(name).decode() == schema_text(name), "run scripts/write_schemas.py"


@on_every_example
def test_an_example_validates(name: RecordName, path: Path) -> None:
    validator(name).validate(json.loads(path.read_bytes()))


@on_every_example
def test_what_a_struct_writes_of_its_example_validates_and_is_the_example(
    name: RecordName, path: Path
) -> None:
    record = msgspec.json.decode(path.read_bytes(), type=RECORDS[name])

    written = json.loads(msgspec.json.encode(record))

    validator(name).validate(written)
    assert written == json.loads(path.read_bytes())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "command"])
def test_a_record_without_its_required_keys_does_not_validate(name: RecordName) -> None:
    example = json.loads(read_example(name))
    required = next(iter(json.loads(read_schema(name))["$defs"].values()))["required"]

    for key in required:
        incomplete = {k: v for k, v in example.items() if k != key}
        with pytest.raises(ValidationError, match=f"'{key}' is a required property"):
            validator(name).validate(incomplete)


def test_the_documentation_shows_the_example_of_an_alert() -> None:
    blocks = re.findall(r"```json\n(.*?)```", Path("docs/alerts.md").read_text(), flags=re.DOTALL)

    assert json.loads(blocks[0]) == json.loads(read_example("alert"))


@pytest.mark.parametrize("field", ["top_columns", "exemplars", "sample"])
def test_the_documentation_names_every_field_of_what_an_alert_shows(field: str) -> None:
    page, given = Path("docs/alerts.md").read_text(), json.loads(read_example("alert"))[field]

    assert f"`{field}`" in page
    for example in given if field == "top_columns" else []:
        assert all(f"`{name}`" in page for name in example)


@pytest.mark.parametrize("name", ["alert", "score", "audit"])
def test_another_schema_version_does_not_validate(name: RecordName) -> None:
    example = json.loads(read_example(name)) | {"schema_version": 2}

    with pytest.raises(ValidationError, match="2 is not one of"):
        validator(name).validate(example)


@pytest.mark.parametrize(("tree", "said"), INVALID)
def test_what_is_no_command_is_refused_by_the_schema_and_by_the_decoder(
    tree: Any, said: str
) -> None:
    with pytest.raises(ValidationError):
        COMMANDS.validate(tree)
    with pytest.raises(UnusableCommandError):
        decode_command(b"fraud", json.dumps(tree).encode(), partition=0, offset=0)


@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from([*make_tree("snooze"), "change", "effective_ms", "issued_by", "x"]),
    st.none() | st.booleans() | st.integers() | st.text() | st.just({}) | st.just([]),
)
def test_the_schema_and_the_decoder_agree(kind: str, field: str, value: Any) -> None:
    tree = make_tree(kind) | {field: value}

    try:
        decode_command(str(tree["model"]).encode(), msgspec.json.encode(tree), 0, 0)
        is_command = True
    except UnusableCommandError:
        is_command = False

    assert is_command == COMMANDS.is_valid(tree)


def test_a_feature_may_be_null_where_the_job_allows_it() -> None:
    event = json.loads(read_example("event"))
    event["features"][1] = None
    payload = json.dumps(event).encode()
    refusing = Column("features", "vector", "feature", size=len(event["features"]))
    allowing = replace(refusing, may_be_missing=True)

    validator("event").validate(event)

    assert EventDecoder([allowing]).decode(payload).features[1] is None
    with pytest.raises(UnusableEventError):
        EventDecoder([refusing]).decode(payload)


def test_the_values_of_an_event_may_have_names() -> None:
    event = {
        "schema_version": 1,
        "event_id": "a",
        "features": {"tenure": 3, "plan": "family", "active": True, "embedding": [0.5, None]},
        "outputs": {"p_churn": 0.25},
        "label": "left",
        "segments": {"region": None},
    }

    validator("event").validate(event)


def test_the_values_of_an_event_are_not_nested() -> None:
    event = {"schema_version": 1, "event_id": "a", "features": {"plan": {"name": "family"}}}

    with pytest.raises(ValidationError):
        validator("event").validate(event)
