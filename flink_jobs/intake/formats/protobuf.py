"""The format ``protobuf``: messages, with the number of a schema before them or by a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig, SchemaTable
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.avro_columns import OneByOneError, Read, Wanted
from flink_jobs.intake.formats.cursors import MOST_UNCHECKED, PADDING, Cursors
from flink_jobs.intake.formats.framing import NO_NUMBER, Frame
from flink_jobs.intake.formats.leaves import Leaf
from flink_jobs.intake.formats.protobuf_columns import (
    TIMESTAMP,
    WRAPPERS,
    message_reader,
    moment,
)
from flink_jobs.intake.formats.protobuf_messages import MessageValues
from flink_jobs.intake.formats.records import SchemaRecords
from flink_jobs.intake.schemas.errors import UnusableSchemaError
from flink_jobs.intake.schemas.protobuf import MessageTypes, types_of_file, types_of_text
from flink_jobs.intake.schemas.registry import registry_of
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason

_STRUCT, _VALUE, _LIST = (f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue"))
# Records below which the package protobuf is faster.
_FEW = 100
_BYTES_PER_FIELD = 2 * MOST_UNCHECKED
_MOST_PADDING = 2**20


class Protobuf(SchemaRecords):
    """A :class:`~flink_jobs.intake.formats.base.PayloadFormat` of Protobuf.

    A column is found by the names of fields. A field that a message may lack (``optional``,
    ``oneof``, messages, wrappers) is missing where it is not written; every other one has its
    default there, as Protobuf says.

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
        own = None
        if config.input.envelope != "confluent":
            own = types_of_file(FilePath(table.file)).named(table.message)

        def make(frame: Frame, wanted: Wanted) -> ProtobufSchema:
            if frame.schema == NO_NUMBER:
                return ProtobufSchema(own, wanted)
            return ProtobufSchema(_registered(table, frame), wanted)

        super().__init__(config, read, make, have_indexes=True)


class ProtobufSchema:
    """Reads the records that are one message.

    Parameters
    ----------
    message : type
        The class of the message.
    wanted : mapping of Path to int
        The paths that are looked up, with the numbers of a vector.

    Examples
    --------
    >>> from google.protobuf.wrappers_pb2 import DoubleValue
    >>> schema = ProtobufSchema(DoubleValue, {("value",): 1})
    >>> payload = DoubleValue(value=0.5).SerializeToString()
    >>> schema.at(schema.record(payload), ("value",))
    0.5
    >>> schema.leaves(Cursors.of([payload, b""], schema.n_padding))[("value",)].values
    array([0.5, 0. ])
    """

    def __init__(self, message: Any, wanted: Wanted) -> None:
        self._message = message
        self._values = MessageValues(message.DESCRIPTOR, wanted, self.at)
        self._read: Read = _refuse_all
        self.n_padding = PADDING
        n_bytes = _BYTES_PER_FIELD * (_n_fields(message.DESCRIPTOR, wanted) + 1)
        if n_bytes <= _MOST_PADDING:
            with suppress(OneByOneError):
                self._read = message_reader(message.DESCRIPTOR, wanted)
                self.n_padding += n_bytes

    def leaves(self, cursors: Cursors) -> dict[Path, Leaf]:
        """Read many records at once."""
        leaves: dict[Path, Leaf] = {}
        if len(cursors) < _FEW:
            return self._few(cursors)
        self._read(cursors, leaves)
        return leaves

    def _few(self, cursors: Cursors) -> dict[Path, Leaf]:
        try:
            return self._values.of(list(map(self._message.FromString, cursors.rest())))
        except (DecodeError, UnicodeDecodeError, ValueError):
            cursors.is_bad[:] = True
            return {}

    def record(self, payload: bytes) -> Message:
        """Read one record with the package protobuf."""
        try:
            record: Message = self._message.FromString(payload)
        except (DecodeError, UnicodeDecodeError, ValueError) as error:
            detail = f"the record is not a {self._message.DESCRIPTOR.full_name}: {error}"
            raise UnusableEventError(Reason.UNDECODABLE, detail) from None
        return record

    def at(self, record: Message, path: Path) -> Any:
        """Look a value up in one record."""
        value: Any = record
        for step in path:
            value = _step(value, step)
            if value is None:
                return None
        return _plain(value)


def _n_fields(descriptor: Any, wanted: Wanted) -> int:
    """Return how many fields are looked at on the ways to the wanted ones."""
    inner = {path[:depth] for path in wanted for depth in range(len(path) + 1)}

    def count(message: Any, path: Path) -> int:
        total = len(message.fields)
        for field in message.fields:
            if field.message_type is not None and (*path, field.name) in inner:
                total += count(field.message_type, (*path, field.name))
        return total

    return count(descriptor, ())


def _registered(table: SchemaTable, frame: Frame) -> Any:
    number = frame.schema
    found = registry_of(table).schema(number)
    if found.kind != "PROTOBUF":
        raise UnusableSchemaError(f"schema {number} is one of {found.kind}, expected PROTOBUF")
    try:
        return _types(found.text, found.references).at(frame.indexes)
    except UnusableSchemaError as error:
        raise UnusableSchemaError(f"schema {number}: {error.detail}") from None


@lru_cache(maxsize=256)
def _types(text: str, references: tuple[tuple[str, str], ...]) -> MessageTypes:
    """Return the messages of a schema; to compile one takes half a second."""
    return types_of_text(text, references)


def _step(value: Any, step: str | int) -> Any:
    """Look up one key or place; None where there is none."""
    if isinstance(value, Message):
        value = _opened(value)
    if isinstance(value, Message):
        return _field(value, step) if isinstance(step, str) else None
    if isinstance(value, Mapping) or hasattr(value, "GetEntryClass"):
        return _entry(value, step)
    if isinstance(step, int) and hasattr(value, "__getitem__") and not isinstance(value, str):
        return value[step] if step < len(value) else None
    return None


def _entry(mapping: Any, step: str | int) -> Any:
    try:
        # To ask a map for a key that it lacks adds the key.
        return mapping[step] if step in mapping else None  # noqa: SIM401
    except (TypeError, ValueError):
        return None


def _opened(message: Message) -> Any:
    """Return what stands in messages that hold values of any shape."""
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Struct":
            return message.fields
        case "google.protobuf.ListValue":
            return message.values
        case "google.protobuf.Value":
            kind = message.WhichOneof("kind")
            inner = None if kind in (None, "null_value") else getattr(message, kind)
            return _opened(inner) if isinstance(inner, Message) else inner
        case _:
            return message


def _field(message: Message, name: str) -> Any:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        return None
    may_lack = field.has_presence and not field.has_default_value
    if may_lack and not message.HasField(name):
        return None
    value = getattr(message, name)
    if field.type == FieldDescriptor.TYPE_ENUM and field.label != FieldDescriptor.LABEL_REPEATED:
        known = field.enum_type.values_by_number.get(value)
        return str(value) if known is None else known.name
    return value


def _plain(value: Any) -> Any:
    """Return a value as JSON would have it, but for moments."""
    if isinstance(value, Message):
        name = value.DESCRIPTOR.full_name
        if name in WRAPPERS:
            return value.value
        if name == TIMESTAMP:
            return _moment_of(value)
        opened = _opened(value)
        return value if opened is value else _plain(opened)
    if isinstance(value, str | int | float | bool | bytes | type(None)):
        return value
    if hasattr(value, "GetEntryClass") or isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in value}
    return [_plain(each) for each in value]


def _moment_of(value: Any) -> Any:
    try:
        return moment(value.seconds, value.nanos)
    except OverflowError:
        return str(value.seconds)


def _refuse_all(cursors: Cursors, leaves: dict[Path, Leaf]) -> None:
    cursors.is_bad[:] = True
