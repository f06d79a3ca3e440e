"""Reads ``job.toml``: errors that name the key, what is wrong and what is allowed."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from flink_jobs.config import ConfigError, DriftJobConfig, TrainingSet, cross_check
from flink_jobs.tables import Problem
from flink_jobs.training_set import read_verified

BOOTSTRAP_VARIABLE = "LOUDLY_BOOTSTRAP_SERVERS"
_SECRET = re.compile(r"^\$\{(env|file):([^}]+)\}$")


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> DriftJobConfig:
    """Read, decode and check a configuration file and the artefact it names.

    Parameters
    ----------
    path : Path
        The TOML file. A relative artefact path is taken from the file's folder.
    environ : mapping, default ``os.environ``
        ``LOUDLY_BOOTSTRAP_SERVERS`` here takes the place of ``kafka.bootstrap_servers``.

    Raises
    ------
    ConfigError
        With one :class:`~flink_jobs.config.Problem` for each thing wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        wrong = error.strerror or type(error).__name__
        raise ConfigError([Problem(str(path), wrong, "a readable TOML file")]) from error
    config = decode_config(data)
    config = _with_address(config, environ.get(BOOTSTRAP_VARIABLE))
    config = _with_absolute_artefact(config, path.parent)
    if isinstance(config.reference, TrainingSet):
        read_verified(config.reference)
    return config


def decode_config(data: bytes) -> DriftJobConfig:
    """Decode TOML text into a configuration and check all that needs no file.

    Raises
    ------
    ConfigError
        When the text is not TOML, a key is unknown, a value has the wrong type or range, or keys
        do not fit together.
    """
    try:
        tree = msgspec.toml.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("the file", str(error), "TOML 1.0 text")]) from error
    try:
        config = msgspec.convert(tree, DriftJobConfig)
    except msgspec.ValidationError as error:
        raise ConfigError([_explain(str(error), tree)]) from error
    problems = cross_check(config)
    if problems:
        raise ConfigError(problems)
    return config


def resolve_secret(value: str, environ: Mapping[str, str] = os.environ) -> str:
    """Replace ``${env:NAME}`` or ``${file:PATH}`` by what it points to; other text stays.

    Raises
    ------
    ConfigError
        When the variable or file is missing. The message never holds the secret.
    """
    match = _SECRET.match(value)
    if match is None:
        return value
    where, name = match.groups()
    try:
        return environ[name] if where == "env" else Path(name).read_text().strip()
    except (KeyError, OSError) as error:
        wrong = f"{value} cannot be resolved"
        allowed = "a set environment variable or a readable file"
        raise ConfigError([Problem("kafka.properties", wrong, allowed)]) from error


def _with_address(config: DriftJobConfig, address: str | None) -> DriftJobConfig:
    if not address:
        return config
    kafka = msgspec.structs.replace(config.kafka, bootstrap_servers=address)
    return msgspec.structs.replace(config, kafka=kafka)


def _with_absolute_artefact(config: DriftJobConfig, folder: Path) -> DriftJobConfig:
    if not isinstance(config.reference, TrainingSet):
        return config
    path = str((folder / config.reference.path).resolve())
    return msgspec.structs.replace(
        config, reference=msgspec.structs.replace(config.reference, path=path)
    )


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def _explain(message: str, tree: Any) -> Problem:
    """Turn msgspec's message into key, what is wrong and what is allowed."""
    path_match = _PATH.search(message)
    path = path_match["path"] if path_match else ""
    text = message[: path_match.start()] if path_match else message
    if unknown := _UNKNOWN.search(text):
        return _unknown_key(_joined(path, unknown["field"]), path, unknown["field"], tree)
    if missing := _MISSING.search(text):
        return Problem(_joined(path, missing["field"]), "is missing", "a value; it has no default")
    if text.startswith("Invalid "):
        return Problem(path, _value_text(path, tree, "is not one of them"), _choices(path, tree))
    expected, _, got = text.partition(", got ")
    allowed = expected.removeprefix("Expected ")
    return Problem(
        path or "the file",
        f"is {got}" if got else _value_text(path, tree, "is out of range"),
        allowed,
    )


def _value_text(path: str, tree: Any, verdict: str) -> str:
    value = tree
    for part in filter(None, path.split(".")):
        value = value.get(part) if isinstance(value, dict) else None
    return f"{value!r} {verdict}"


def _unknown_key(key: str, path: str, field: str, tree: Any) -> Problem:
    known = _known_keys(path, tree)
    close = difflib.get_close_matches(field, known, n=1)
    hint = f"is unknown; did you mean {close[0]!r}?" if close else "is unknown"
    return Problem(key, hint, ", ".join(known))


def _choices(path: str, tree: Any) -> str:
    """The allowed values of an enumeration or of a ``kind``."""
    *parents, last = path.split(".")
    types = _types_at(".".join(parents) if last == "kind" else path, tree, follow_kind=False)
    if last == "kind":
        return ", ".join(repr(t.__struct_config__.tag) for t in types)
    values = [repr(value) for t in types if get_origin(t) is Literal for value in get_args(t)]
    return ", ".join([*values, "a number"] if len(types) > len(values) else values)


def _known_keys(path: str, tree: Any) -> list[str]:
    types = _types_at(path, tree, follow_kind=True)
    keys = {field.encode_name for t in types for field in msgspec.structs.fields(t)}
    if any(t.__struct_config__.tag for t in types):
        keys.add("kind")
    return sorted(keys)


def _types_at(path: str, tree: Any, *, follow_kind: bool) -> list[Any]:
    """The types that the schema allows at a dotted path."""
    types: list[Any] = [DriftJobConfig]
    value = tree
    for part in filter(None, path.split(".")):
        value = value.get(part) if isinstance(value, dict) else None
        types = [
            option
            for t in types
            for field in msgspec.structs.fields(t)
            if field.encode_name == part
            for option in _options(field.type)
        ]
        if follow_kind or part != path.rsplit(".", 1)[-1]:
            types = _narrow(types, value)
    return types


def _narrow(types: list[Any], value: Any) -> list[Any]:
    kind = value.get("kind") if isinstance(value, dict) else None
    chosen = [t for t in types if kind and t.__struct_config__.tag == kind]
    return chosen or types


def _options(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return get_args(annotation)
    return (annotation,)


def _joined(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
