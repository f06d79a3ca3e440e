"""Says in the words of the configuration why a tree of values is none."""

from __future__ import annotations

import difflib
import re
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_PART = re.compile(r"(?P<name>[^\[]*)(\[(?P<place>\d+)\])?")
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def explain(message: str, tree: Any) -> Problem:
    """Turn the message of a failed conversion into key, what is wrong and what is allowed.

    Parameters
    ----------
    message : str
        Of :class:`msgspec.ValidationError`.
    tree : dict
        What was to become a configuration.
    """
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
        value = _value_below(value, part)
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
        value = _value_below(value, part)
        types = [
            option
            for t in types
            for field in msgspec.structs.fields(t)
            if field.encode_name == part.partition("[")[0]
            for option in _options(field.type)
        ]
        if follow_kind or part != path.rsplit(".", 1)[-1]:
            types = _narrow(types, value)
    return types


def _narrow(types: list[Any], value: Any) -> list[Any]:
    kind = value.get("kind") if isinstance(value, dict) else None
    chosen = [t for t in types if kind and t.__struct_config__.tag == kind]
    return chosen or types


def _value_below(value: Any, part: str) -> Any:
    """What stands at one part of a path, ``name`` or ``name[place]``; None where nothing does."""
    match = _PART.match(part)
    below = value.get(match["name"]) if match and isinstance(value, dict) else None
    if match and match["place"] is not None:
        return below[int(match["place"])] if isinstance(below, list) else None
    return below


def _options(annotation: Any) -> tuple[Any, ...]:
    """The types of a field, without None; those of its entries where it is a list."""
    if get_origin(annotation) is list:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return tuple(option for option in get_args(annotation) if option is not type(None))
    return (annotation,)


def _joined(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
