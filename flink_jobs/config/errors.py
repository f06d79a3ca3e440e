"""Says in the words of the configuration why a tree of values is not one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_PART = re.compile(r"(?P<name>[^\[]*)(\[(?P<place>\d+)\])?")
_ANY_ENTRY = "[*]"
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


class _Entry(str):
    """A part of a path that is a name of the user's own, such as a column's."""


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
    path = _named(path_match["path"] if path_match else "", tree)
    text = message[: path_match.start()] if path_match else message
    if unknown := _UNKNOWN.search(text):
        return _unknown_key(path, unknown["field"], tree)
    if missing := _MISSING.search(text):
        key = ".".join([*path, missing["field"]])
        return Problem(key, "is missing", "a value; it has no default")
    if text.startswith("Invalid "):
        wrong = _value_text(path, tree, "is not one of them")
        return Problem(".".join(path), wrong, _choices(path, tree))
    expected, _, got = text.partition(", got ")
    allowed = expected.removeprefix("Expected ")
    return Problem(
        ".".join(path) or "the file",
        f"is {got}" if got else _value_text(path, tree, "is out of range"),
        allowed,
    )


def _named(path_text: str, tree: Any) -> list[str]:
    """Put names in the place of ``[...]``, by which the message leaves out which entry it means."""
    path: list[str] = []
    for part in filter(None, path_text.replace("[...]", _ANY_ENTRY).split(".")):
        path.append(part.removesuffix(_ANY_ENTRY))
        if part.endswith(_ANY_ENTRY):
            path.append(_Entry(_first_wrong_entry(path, tree)))
    return path


def _first_wrong_entry(path: Sequence[str], tree: Any) -> str:
    tables = [t for t in _types_at(path, tree, follow_kind=True) if get_origin(t) is dict]
    for name, value in _value_at(path, tree).items():
        try:
            msgspec.convert({name: value}, Union[tuple(tables)])  # noqa: UP007
        except msgspec.ValidationError:
            return str(name)
    return "..."


def _value_at(path: Sequence[str], tree: Any) -> Any:
    value = tree
    for part in path:
        value = _value_below(value, part)
    return value


def _value_text(path: Sequence[str], tree: Any, verdict: str) -> str:
    return f"{_value_at(path, tree)!r} {verdict}"


def _unknown_key(path: Sequence[str], field: str, tree: Any) -> Problem:
    known = _known_keys(path, tree)
    close = difflib.get_close_matches(field, known, n=1)
    hint = f"is unknown; did you mean {close[0]!r}?" if close else "is unknown"
    return Problem(".".join([*path, field]), hint, ", ".join(known))


def _choices(path: Sequence[str], tree: Any) -> str:
    """The allowed values of an enumeration or of a ``kind``."""
    types = _types_at(path, tree, follow_kind=False)
    if not types:  # the kind of a table that is chosen by its kind is not a field of it
        tables = _types_at(path[:-1], tree, follow_kind=False)
        return ", ".join(repr(tag) for t in tables if (tag := _tag(t)))
    values = [repr(value) for t in types if get_origin(t) is Literal for value in get_args(t)]
    others = ["a table" if _is_table(t) else "a number" for t in types if get_origin(t) != Literal]
    return ", ".join(values + others)


def _known_keys(path: Sequence[str], tree: Any) -> list[str]:
    types = [t for t in _types_at(path, tree, follow_kind=True) if _is_table(t)]
    keys = {field.encode_name for t in types for field in msgspec.structs.fields(t)}
    if any(_tag(t) for t in types):
        keys.add("kind")
    return sorted(keys)


def _types_at(path: Sequence[str], tree: Any, *, follow_kind: bool) -> list[Any]:
    """The types that the schema allows at a path."""
    types: list[Any] = [DriftJobConfig]
    value = tree
    for place, part in enumerate(path):
        value = _value_below(value, part)
        types = [option for t in types for option in _types_below(t, part)]
        if follow_kind or place < len(path) - 1:
            types = _narrow(types, value)
    return types


def _types_below(annotation: Any, part: str) -> list[Any]:
    if isinstance(part, _Entry):
        return list(_options(get_args(annotation)[1])) if get_origin(annotation) is dict else []
    if not _is_table(annotation):
        return []
    name = part.partition("[")[0]
    return [
        option
        for field in msgspec.structs.fields(annotation)
        if field.encode_name == name
        for option in _options(field.type)
    ]


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _tag(annotation: Any) -> Any:
    """The kind that chooses a table among several, or None."""
    return annotation.__struct_config__.tag if _is_table(annotation) else None


def _narrow(types: list[Any], value: Any) -> list[Any]:
    kind = value.get("kind") if isinstance(value, dict) else None
    return [t for t in types if kind and _tag(t) == kind] or types


def _value_below(value: Any, part: str) -> Any:
    """What stands at one part of a path, ``name`` or ``name[place]``; None where nothing does."""
    if isinstance(part, _Entry):
        return value.get(str(part)) if isinstance(value, dict) else None
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
