"""Reads ``job.toml``: errors that name the key, what is wrong and what is allowed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from flink_jobs.config.artefacts import verify_artefacts, with_absolute_artefacts
from flink_jobs.config.checks import cross_check
from flink_jobs.config.errors import explain
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.kafka_properties import DEFAULTS, SECRET, check_properties
from flink_jobs.config.overrides import check_overrides
from flink_jobs.config.tables.base import ConfigError, Problem

BOOTSTRAP_VARIABLE = "LOUDLY_BOOTSTRAP_SERVERS"


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> DriftJobConfig:
    """Read, decode and check a configuration file and the files that it names.

    Parameters
    ----------
    path : Path
        The TOML file. Relative paths of artefacts and schemas are taken from its folder.
    environ : mapping, default ``os.environ``
        ``LOUDLY_BOOTSTRAP_SERVERS`` here takes the place of ``kafka.bootstrap_servers``.

    Raises
    ------
    ConfigError
        With one :class:`~flink_jobs.config.job.Problem` for each thing wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        wrong = error.strerror or type(error).__name__
        raise ConfigError([Problem(str(path), wrong, "a readable TOML file")]) from error
    config = decode_config(data)
    config = _with_address(config, environ.get(BOOTSTRAP_VARIABLE))
    config = _with_absolute_schemas(config, path.parent)
    config = with_absolute_artefacts(config, path.parent)
    verify_artefacts(config)
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
    except RecursionError as error:
        raise ConfigError([Problem("the file", "nested too deeply", "fewer brackets")]) from error
    try:
        config = msgspec.convert(tree, DriftJobConfig)
    except msgspec.ValidationError as error:
        raise ConfigError([explain(str(error), tree)]) from error
    problems = cross_check(config) or check_overrides(config)
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
    match = SECRET.match(value)
    if match is None:
        return value
    where, name = match.groups()
    try:
        return environ[name] if where == "env" else Path(name).read_text().strip()
    except (KeyError, OSError) as error:
        wrong = f"{value} cannot be resolved"
        allowed = "a set environment variable or a readable file"
        raise ConfigError([Problem("kafka.properties", wrong, allowed)]) from error


def resolve_properties(
    properties: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Fill in defaults and secrets of the properties of Kafka clients, and check them.

    Raises
    ------
    ConfigError
        With all that is wrong; never with a secret.

    Examples
    --------
    >>> resolve_properties({"client.id": "${env:ME}"}, {"ME": "on-call"})
    {'isolation.level': 'read_committed', 'client.id': 'on-call'}
    """
    problems, resolved = [], dict(DEFAULTS)
    for key, value in properties.items():
        try:
            resolved[key] = resolve_secret(value, environ)
        except ConfigError as error:
            resolved[key] = value
            problems += error.problems
    if problems := problems + check_properties(resolved):
        raise ConfigError(problems)
    return resolved


def _with_address(config: DriftJobConfig, address: str | None) -> DriftJobConfig:
    if not address:
        return config
    kafka = msgspec.structs.replace(config.kafka, bootstrap_servers=address)
    return msgspec.structs.replace(config, kafka=kafka)


def _with_absolute_schemas(config: DriftJobConfig, folder: Path) -> DriftJobConfig:
    """Return the configuration with absolute paths of the schema and of certificates."""
    schemas, problems = config.input.schemas, []
    for name in ("file", "registry_ca"):
        if not (text := getattr(schemas, name)):
            continue
        path = (folder / text).resolve()
        if not path.is_file():
            problems.append(Problem(f"input.schemas.{name}", f"{path} is not there", "a file"))
        schemas = msgspec.structs.replace(schemas, **{name: str(path)})
    if problems:
        raise ConfigError(problems)
    read = msgspec.structs.replace(config.input, schemas=schemas)
    return msgspec.structs.replace(config, input=read)
