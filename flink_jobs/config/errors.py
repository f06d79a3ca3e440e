"""Says in the words of the configuration why a tree of values is none."""

from __future__ import annotations

import difflib
import re
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_STEP = re.compile(r"\[(?P<entry>\.{3}|\d+)\]|(?P<name>[^.\[]+)")
_PATH = re.compile(r" - at (?P<is_name>`key` in )?`\$\.?(?P<path>[^`]*)`$")


class _Place(NamedTuple):
    """A place in a configuration: its key, what stands there, and the types that may."""

    key: str
    value: Any
    types: list[Any]


def explain(message: str, tree: Any) -> Problem:
    """Turn the message of a failed conversion into key, what is wrong and what is allowed.

    Parameters
    ----------
    message : str
        Of :class:`msgspec.ValidationError`.
    tree : dict
        What was to become a configuration.
    """
    match = _PATH.search(message)
    places = _places(match["path"] if match else "", tree)
    key = places[-1].key
    text = message[: match.start()] if match else message
    if unknown := _UNKNOWN.search(text):
        return _unknown_key(places[-1], unknown["field"])
    if missing := _MISSING.search(text):
        return Problem(_joined(key, missing["field"]), "is missing", "a value; it has no default")
    if text.startswith("Invalid "):
        wrong = f"{places[-1].value!r} is not one of them"
        return Problem(key, wrong, _choices(places))
    expected, _, got = text.partition(", got ")
    allowed = expected.removeprefix("Expected ")
    if match and match["is_name"]:
        return Problem(key, "a name in it is out of range", f"names of type {allowed}")
    wrong = f"is {got}" if got else f"{places[-1].value!r} is out of range"
    return Problem(key or "the file", wrong, allowed)


def _unknown_key(place: _Place, field: str) -> Problem:
    known = _known_keys(place)
    close = difflib.get_close_matches(field, known, n=1)
    hint = f"is unknown; did you mean {close[0]!r}?" if close else "is unknown"
    return Problem(_joined(place.key, field), hint, ", ".join(known))


def _choices(places: list[_Place]) -> str:
    """The allowed values of an enumeration or of a ``kind``."""
    types = places[-1].types
    tags = [repr(tag) for t in places[-2].types if (tag := _tag(t))] if len(places) > 1 else []
    if tags and not types:
        return ", ".join(tags)
    values = [repr(value) for t in types if get_origin(t) is Literal for value in get_args(t)]
    return ", ".join([*values, "a number"] if len(types) > len(values) else values)


def _known_keys(place: _Place) -> list[str]:
    types = _structs(_narrow(place.types, place.value))
    keys = {field.encode_name for t in types for field in msgspec.structs.fields(t)}
    if any(_tag(t) for t in types):
        keys.add("kind")
    return sorted(keys)


def _places(path: str, tree: Any) -> list[_Place]:
    """Walk down a path of a message; ``[...]`` in it is an entry of a table with free names."""
    places = [_Place("", tree, [DriftJobConfig])]
    for step in _STEP.finditer(path):
        key, value, types = places[-1]
        if step["name"]:
            fields = _fields(_narrow(types, value), step["name"])
            below = value.get(step["name"]) if isinstance(value, dict) else None
            places.append(_Place(_joined(key, step["name"]), below, fields))
        elif step["entry"] == "...":
            places.append(_refused_entry(places[-1]))
        else:
            number = int(step["entry"])
            below = value[number] if isinstance(value, list) else None
            entries = _entries(types, list)
            places.append(_Place(f"{key}[{number}]", below, entries))
    return places


def _refused_entry(place: _Place) -> _Place:
    """The first entry of a table that is not of the type of its entries; messages do not say it."""
    types = _entries(place.types, dict)
    for name, value in place.value.items() if isinstance(place.value, dict) else ():
        try:
            msgspec.convert(value, Union[tuple(types)])  # noqa: UP007 - of a list
        except msgspec.ValidationError:
            return _Place(_joined(place.key, str(name)), value, types)
    return place._replace(types=types)


def _fields(types: list[Any], name: str) -> list[Any]:
    """The types of a field of any of some types."""
    return [
        option
        for t in _structs(types)
        for field in msgspec.structs.fields(t)
        if field.encode_name == name
        for option in _options(field.type)
    ]


def _entries(types: list[Any], kind: type) -> list[Any]:
    """The types of the entries of lists or tables."""
    return [option for t in types if get_origin(t) is kind for option in _options(get_args(t)[-1])]


def _narrow(types: list[Any], value: Any) -> list[Any]:
    kind = value.get("kind") if isinstance(value, dict) else None
    chosen = [t for t in types if kind and _tag(t) == kind]
    return chosen or types


def _structs(types: list[Any]) -> list[Any]:
    return [t for t in types if isinstance(t, type) and issubclass(t, msgspec.Struct)]


def _tag(annotation: Any) -> Any:
    return annotation.__struct_config__.tag if _structs([annotation]) else None


def _options(annotation: Any) -> tuple[Any, ...]:
    """The types of a field, without None."""
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return tuple(option for option in get_args(annotation) if option is not type(None))
    return (annotation,)


def _joined(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
