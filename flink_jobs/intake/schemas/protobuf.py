"""Messages of Protobuf from the text of ``.proto`` files, or from what ``protoc`` makes of them."""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from flink_jobs.intake.schemas.errors import UnusableSchemaError

_TIMEOUT_S = 30
_SHOWN_CHARACTERS = 200
_MAIN = "loudly_schema.proto"
_WELL_KNOWN = ("any", "api", "descriptor", "duration", "empty", "field_mask", "source_context",
               "struct", "timestamp", "type", "wrappers")  # fmt: skip
# What Confluent's registry has without being asked: its schemas import these.
_CONFLUENT = {
    "confluent/meta.proto": """
syntax = "proto3";
package confluent;
import "google/protobuf/descriptor.proto";
message Meta {
  string doc = 1;
  map<string, string> params = 2;
  repeated string tags = 3;
}
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
""",
    "confluent/type/decimal.proto": """
syntax = "proto3";
package confluent.type;
message Decimal {
  bytes value = 1;
  uint32 precision = 2;
  int32 scale = 3;
}
""",
}


class MessageTypes:
    """The messages of a schema.

    Parameters
    ----------
    files : sequence of FileDescriptorProto
        Each behind those that it imports; the last one is the schema itself.

    Raises
    ------
    UnusableSchemaError
        When they do not go together.
    """

    def __init__(self, files: Sequence[FileDescriptorProto]) -> None:
        if not files:
            raise UnusableSchemaError("the schema holds no file of Protobuf")
        self._main = files[-1]
        self._pool = descriptor_pool.DescriptorPool()
        try:
            for each in files:
                self._pool.AddSerializedFile(each.SerializeToString())
        except (TypeError, ValueError, KeyError) as error:
            raise _unusable(error) from None

    def named(self, name: str) -> Any:
        """Return the class of a message by its full name; of the only one where it is empty."""
        if not name:
            own = [each.name for each in self._main.message_type]
            if len(own) != 1:
                listed = ", ".join(own[:10]) or "none"
                wrong = f"the schema has {len(own)} messages ({listed})"
                raise UnusableSchemaError(f"{wrong}: input.schemas.message says which one")
            name = self._full(own)
        try:
            return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))
        except (KeyError, TypeError):
            raise UnusableSchemaError(f"the schema has no message {name}") from None

    def at(self, indexes: Sequence[int]) -> Any:
        """Return the class of a message by its place in the file, and in those that hold it."""
        names: list[str] = []
        places: Sequence[DescriptorProto] = self._main.message_type
        for index in indexes:
            if not 0 <= index < len(places):
                shown = ", ".join(map(str, indexes))
                raise UnusableSchemaError(f"the schema has no message at [{shown}]")
            names.append(places[index].name)
            # What stands for an entry of a map has no place: it is not in the text.
            places = [each for each in places[index].nested_type if not each.options.map_entry]
        return self.named(self._full(names))

    def _full(self, names: Sequence[str]) -> str:
        package = self._main.package
        return ".".join([package, *names] if package else names)


def types_of_file(path: Path) -> MessageTypes:
    """Read a ``.proto`` file, with what it imports from its folder, or a set of descriptors.

    Raises
    ------
    UnusableSchemaError
        When it cannot be used.
    OSError
        When it cannot be read.
    """
    if path.suffix == ".proto":
        path.read_bytes()
        return MessageTypes(_compiled(path.parent, path.name))
    return MessageTypes(_descriptors(path.read_bytes()))


def types_of_text(text: str, references: Sequence[tuple[str, str]] = ()) -> MessageTypes:
    """Read a schema as registries have it: the text of a file, or its descriptor in base64.

    Parameters
    ----------
    text : str
    references : sequence of (str, str)
        Name and text of each file that is imported, those before that others import.

    Raises
    ------
    UnusableSchemaError
        When it cannot be used.
    """
    main = _of_base64(text)
    if main is not None:
        return MessageTypes([*_well_known(), *(_reference(*each) for each in references), main])
    with tempfile.TemporaryDirectory(prefix="loudly-proto-") as folder:
        for name, each in {**_CONFLUENT, **dict(references), _MAIN: text}.items():
            _write(Path(folder), name, each)
        return MessageTypes(_compiled(Path(folder), _MAIN))


def _write(folder: Path, name: str, text: str) -> None:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\0" in name or not place.name:
        raise UnusableSchemaError(f"the schema refers to {name!r}, which is not a name of a file")
    path = folder / place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unusable(error) from None


def _compiled(folder: Path, name: str) -> Sequence[FileDescriptorProto]:
    """Run ``protoc`` in a process of its own: what it is given comes from outside."""
    with tempfile.TemporaryDirectory(prefix="loudly-protoc-") as made:
        output = Path(made) / "descriptors"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", "--include_imports",
                   f"--descriptor_set_out={output}", name]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise UnusableSchemaError(f"protoc took more than {_TIMEOUT_S} s") from None
        if done.returncode or not output.exists():
            said = _without_warnings(done.stderr.decode(errors="replace"))
            said = "it needs the package grpcio-tools" if "No module named" in said else said
            raise _unusable(said or f"protoc ended with {done.returncode}")
        return _descriptors(output.read_bytes())


def _without_warnings(said: str) -> str:
    lines = [line for line in said.splitlines() if "WARNING" not in line and line[:2] != "W0"]
    return " ".join(lines).strip()


def _descriptors(data: bytes) -> Sequence[FileDescriptorProto]:
    try:
        return list(FileDescriptorSet.FromString(data).file)
    except DecodeError:
        allowed = "a .proto file, or what protoc --descriptor_set_out --include_imports writes"
        raise UnusableSchemaError(f"the schema is not {allowed}") from None


def _of_base64(text: str) -> FileDescriptorProto | None:
    """Return the descriptor that a text is; None for the text of a file."""
    try:
        return FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except (ValueError, DecodeError):
        return None


def _reference(name: str, text: str) -> FileDescriptorProto:
    found = _of_base64(text)
    if found is None:
        wrong = f"the schema refers to {name} as text, and is a descriptor itself"
        raise UnusableSchemaError(wrong)
    found.name = name
    return found


def _well_known() -> Sequence[FileDescriptorProto]:
    """Return the files that come with Protobuf."""
    from importlib import import_module

    modules = [import_module(f"google.protobuf.{name}_pb2") for name in _WELL_KNOWN]
    files = {each.DESCRIPTOR.name: each.DESCRIPTOR for each in modules}
    ordered: dict[str, FileDescriptorProto] = {}

    def add(descriptor: Any) -> None:
        for each in descriptor.dependencies:
            add(each)
        if descriptor.name not in ordered:
            ordered[descriptor.name] = FileDescriptorProto.FromString(descriptor.serialized_pb)

    for descriptor in files.values():
        add(descriptor)
    return list(ordered.values())


def _unusable(said: object) -> UnusableSchemaError:
    text = " ".join(str(said).split())
    text = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
    return UnusableSchemaError(f"the schema is not one of Protobuf: {text}")
