"""The format ``avro``: records of Avro, with the number of a schema before them or by a file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException

from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig, SchemaTable
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.avro_columns import (
    OneByOneError,
    Read,
    Wanted,
    check_schema,
    column_reader,
    most_bytes_unchecked,
)
from flink_jobs.intake.formats.cursors import PADDING, Cursors
from flink_jobs.intake.formats.framing import NO_NUMBER, Frame
from flink_jobs.intake.formats.leaves import Leaf
from flink_jobs.intake.formats.records import SchemaRecords
from flink_jobs.intake.formats.trees import at_path
from flink_jobs.intake.schemas.errors import UnusableSchemaError
from flink_jobs.intake.schemas.registry import RegisteredSchema, registry_of
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

_MOST_PADDING = 2**20


class Avro(SchemaRecords):
    """A :class:`~flink_jobs.intake.formats.base.PayloadFormat` of Avro.

    A column is found by its path in the schema by which a record was written, whatever other
    fields there are. What a schema lacks is missing in its records, but for a field that the schema
    of ``input.schemas.file`` has with a default.

    Parameters
    ----------
    config : DriftJobConfig
    read : sequence of Column
        Those that become floats.

    Raises
    ------
    UnusableSchemaError
        When the schema's file cannot be used.
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        table = config.input.schemas
        own = parsed(FilePath(table.file).read_text(encoding="utf-8")) if table.file else None

        def make(frame: Frame, wanted: Wanted) -> AvroSchema:
            if frame.schema == NO_NUMBER:
                return AvroSchema(own, wanted)
            return AvroSchema(_registered(table, frame.schema), wanted, defaults_of=own)

        super().__init__(config, read, make)


class AvroSchema:
    r"""Reads the records that one schema describes.

    Parameters
    ----------
    schema : object
        As :func:`parsed` returns it.
    wanted : mapping of Path to int
        The paths that are looked up, with the numbers of a vector.
    defaults_of : object, optional
        Another schema, whose defaults stand for the fields that this one lacks.

    Examples
    --------
    >>> schema = AvroSchema(parsed('{"type": "record", "name": "Event", "fields": [{"name": "age",'
    ...                            '"type": "int"}]}'), {("age",): 1})
    >>> schema.at(schema.record(b"\x0e"), ("age",))
    7
    >>> schema.leaves(Cursors.of([b"\x0e", b"\x01"]))[("age",)].values
    array([ 7, -1])
    """

    def __init__(self, schema: Any, wanted: Wanted, defaults_of: Any = None) -> None:
        self._schema = schema
        self.n_padding = PADDING
        self._defaults = _defaults(schema, defaults_of, wanted) if defaults_of else {}
        self._read: Read = _refuse_all
        n_bytes = most_bytes_unchecked(schema)
        if n_bytes <= _MOST_PADDING:
            with suppress(OneByOneError):
                self._read = column_reader(schema, wanted)
                self.n_padding += n_bytes

    def leaves(self, cursors: Cursors) -> dict[Path, Leaf]:
        """Read many records at once."""
        leaves: dict[Path, Leaf] = {}
        self._read(cursors, leaves)
        for path, value in self._defaults.items():
            leaves[path] = Leaf("any", [value] * len(cursors))
        return leaves

    def record(self, payload: bytes) -> Any:
        """Read one record with fastavro, which says what is wrong with it."""
        source = io.BytesIO(payload)
        try:
            record = fastavro.schemaless_reader(source, self._schema, None)
        except Exception as error:
            raise _undecodable(f"the record is not one of its schema: {_said(error)}") from None
        if n_left := len(payload) - source.tell():
            raise _undecodable(f"{n_left} bytes are left behind the record of its schema")
        return record

    def at(self, record: Any, path: Path) -> Any:
        """Look a value up in one record."""
        if path in self._defaults:
            return self._defaults[path]
        return at_path([record], path)[0]


def parsed(text: str) -> Any:
    """Read a schema of Avro.

    Raises
    ------
    UnusableSchemaError
        When it is none, or one by which a short record could exhaust memory.
    """
    try:
        schema = fastavro.parse_schema(_without_uuids(json.loads(text)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnusableSchemaError(f"the schema is not one of Avro: {_said(error)}") from None
    except SchemaParseException as error:
        raise UnusableSchemaError(f"the schema is not one of Avro: {_said(error)}") from None
    check_schema(schema)
    return schema


def _registered(table: SchemaTable, number: int) -> Any:
    found: RegisteredSchema = registry_of(table).schema(number)
    if found.kind != "AVRO":
        raise UnusableSchemaError(f"schema {number} is one of {found.kind}, expected AVRO")
    try:
        return parsed_with(found.text, [text for _, text in found.references])
    except UnusableSchemaError as error:
        raise UnusableSchemaError(f"schema {number}: {error.detail}") from None


def parsed_with(text: str, references: Sequence[str]) -> Any:
    """Read a schema of Avro that uses types of others, which come before it."""
    if not references:
        return parsed(text)
    named: dict[str, Any] = {}
    try:
        for each in references:
            fastavro.parse_schema(_without_uuids(json.loads(each)), named_schemas=named)
        schema = fastavro.schema.expand_schema(
            fastavro.parse_schema(_without_uuids(json.loads(text)), named_schemas=named)
        )
    except Exception as error:
        raise UnusableSchemaError(f"the schema is not one of Avro: {_said(error)}") from None
    return parsed(json.dumps(schema, default=str))


def _without_uuids(schema: Any) -> Any:
    """Return a schema in which UUIDs are the texts that they are written as."""
    if isinstance(schema, list):
        return [_without_uuids(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    is_uuid = schema.get("type") == "string" and schema.get("logicalType") == "uuid"
    return {
        key: value if key == "default" else _without_uuids(value)
        for key, value in schema.items()
        if not (is_uuid and key == "logicalType") and not key.startswith("__")
    }


def _defaults(schema: Any, other: Any, wanted: Wanted) -> dict[Path, Any]:
    found = {}
    for path in wanted:
        if _field(schema, path) is None and (field := _field(other, path)) and "default" in field:
            found[path] = field["default"]
    return found


def _field(schema: Any, path: Path) -> Any:
    """Return the field at a path of a schema; None where there is none."""
    field = None
    for step in path:
        inner = schema if field is None else field["type"]
        branches = inner if isinstance(inner, list) else [inner]
        fields = [each for branch in branches if isinstance(branch, dict)
                  for each in branch.get("fields", ())]  # fmt: skip
        field = next((each for each in fields if each["name"] == step), None)
        if field is None:
            return None
    return field


def _refuse_all(cursors: Cursors, leaves: dict[Path, Leaf]) -> None:
    cursors.is_bad[:] = True


def _undecodable(detail: str) -> UnusableEventError:
    return UnusableEventError(Reason.UNDECODABLE, detail)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
