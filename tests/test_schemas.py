"""The committed JSON Schemas say what the structs say."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from flink_jobs import schemas
from flink_jobs.schemas import RecordName, read_example, read_schema
from scripts.write_schemas import RECORDS, schema_text

NAMES: list[RecordName] = ["alert", "score", "dead_letter", "event"]


def validator(name: RecordName) -> Draft202012Validator:
    schema = json.loads(read_schema(name))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_every_committed_schema_belongs_to_a_record() -> None:
    folder = Path(schemas.__file__).parent

    assert {path.name for path in folder.glob("*.json")} == {f"{name}.v1.json" for name in NAMES}
    assert set(RECORDS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_schema_matches_its_struct(name: RecordName) -> None:
    assert read_schema(name).decode() == schema_text(name), "run scripts/write_schemas.py"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_validates(name: RecordName) -> None:
    validator(name).validate(json.loads(read_example(name)))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_struct_writes_of_its_example_validates_and_is_the_example(
    name: RecordName,
) -> None:
    record = msgspec.json.decode(read_example(name), type=RECORDS[name])

    written = json.loads(msgspec.json.encode(record))

    validator(name).validate(written)
    assert written == json.loads(read_example(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_without_its_required_keys_does_not_validate(name: RecordName) -> None:
    example = json.loads(read_example(name))
    required = next(iter(json.loads(read_schema(name))["$defs"].values()))["required"]

    for key in required:
        incomplete = {k: v for k, v in example.items() if k != key}
        with pytest.raises(ValidationError, match=f"'{key}' is a required property"):
            validator(name).validate(incomplete)


@pytest.mark.parametrize("name", ["alert", "score"])
def test_another_schema_version_does_not_validate(name: RecordName) -> None:
    example = json.loads(read_example(name)) | {"schema_version": 2}

    with pytest.raises(ValidationError, match="2 is not one of"):
        validator(name).validate(example)
