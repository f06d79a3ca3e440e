"""Writes a configuration as a ``job.toml`` that people can read and the job can run."""

from __future__ import annotations

from typing import Any

import msgspec
import tomlkit
from msgspec import Struct

from flink_jobs.config.job import DriftJobConfig


def job_toml(config: DriftJobConfig, comment: str = "") -> str:
    """The configuration as TOML, without the keys that have their default; kinds always stand.

    Parameters
    ----------
    config : DriftJobConfig
        Decoding the text gives it again.
    comment : str
        Put at the top, each line after a ``#``.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> text = job_toml(decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092", bounded = false}
    ... input = {n_outputs = 10}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "count", size = 1000, slide = 200}
    ... reference = {kind = "first_events", n_events = 1000}
    ... '''), "chosen among 2")
    >>> text.splitlines()[:4]
    ['# chosen among 2', '', 'version = 1', '']
    """
    document = tomlkit.document()
    for line in comment.splitlines():
        document.add(tomlkit.comment(line))
    if comment:
        document.add(tomlkit.nl())
    for name, value in _without_defaults(config).items():
        document.add(name, tomlkit.item(value))
        if not isinstance(value, dict):
            document.add(tomlkit.nl())
    return tomlkit.dumps(document)


def _without_defaults(struct: Struct) -> dict[str, Any]:
    tag_field, tag = struct.__struct_config__.tag_field, struct.__struct_config__.tag
    tree: dict[str, Any] = {tag_field: tag} if tag_field else {}
    for field in msgspec.structs.fields(struct):
        value, default = getattr(struct, field.name), _default(field)
        if value is None:
            continue
        plain = _plain(value)
        says_more = bool(plain) if isinstance(value, Struct) else value != default
        if says_more or default is msgspec.NODEFAULT:
            tree[field.encode_name] = plain
    return tree


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return _without_defaults(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return msgspec.to_builtins(value)
