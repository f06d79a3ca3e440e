"""Structs nested as paths are, into which a payload is decoded in one step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import astuple

from flink_jobs.config.paths import Path

# What the keys of a msgspec struct cannot hold.
_UNREADABLE = re.compile(r'["\\\x00-\x1f]')
Kind = tuple[Any, bool]
"""A type, and whether a value may be absent; it is then None."""


class NotNestedError(ValueError):
    """Paths that structs cannot follow: into lists, to the payload itself, or through a value."""


class NestedStructs:
    """Decodes JSON objects into structs, and gives the values at some paths, column by column.

    No Python runs for a value. What does not have the types that are asked for fails to decode.

    Parameters
    ----------
    kinds : mapping of Path to (type, bool)
        The type at each path, and whether it may be absent.
    paths : sequence of Path
        In the order in which :meth:`columns` gives their values; keys of ``kinds``.

    Attributes
    ----------
    decode : callable
        From a payload to a struct; raises as msgspec does.

    Raises
    ------
    NotNestedError
        When no structs can follow the paths.

    Examples
    --------
    >>> paths = ("age",), ("request", "plan")
    >>> structs = NestedStructs({paths[0]: (float, False), paths[1]: (str | None, True)}, paths)
    >>> payloads = [b'{"request": {"plan": "pro"}, "age": 4, "x": []}', b'{"age": 5}']
    >>> structs.columns([structs.decode(payload) for payload in payloads])
    [(4.0, 5.0), ('pro', None)]
    """

    def __init__(self, kinds: Mapping[Path, Kind], paths: Sequence[Path]) -> None:
        self._root = _Node((), kinds)
        self._paths = list(paths)
        decoder: Any = msgspec.json.Decoder(self._root.struct)
        self.decode: Callable[[bytes], Any] = decoder.decode

    def columns(self, structs: Sequence[Any]) -> list[Sequence[Any]]:
        """Return for each path its value in each struct."""
        found: dict[Path, Sequence[Any]] = {}
        self._root.take(structs, found)
        return [found[path] for path in self._paths]


class _Node:
    """An object on the way to values."""

    def __init__(self, at: Path, kinds: Mapping[Path, Kind]) -> None:
        self._at = at
        children: dict[str, dict[Path, Kind]] = {}
        for path, kind in kinds.items():
            step = path[len(at)] if len(path) > len(at) else None
            if not isinstance(step, str) or _UNREADABLE.search(step):
                raise NotNestedError
            children.setdefault(step, {})[path] = kind
        self._nodes: dict[str, _Node] = {}
        fields: list[Any] = []
        for place, (step, below) in enumerate(children.items()):
            fields.append((f"f{place}", *self._kind(step, below)))
        self.may_be_absent = all(len(field) == 3 for field in fields)
        self._steps = list(children)
        names = {f"f{place}": step for place, step in enumerate(self._steps)}
        self.struct = msgspec.defstruct("Node", fields, rename=names, kw_only=True, gc=False)
        self._nothing = (None,) * len(fields)

    def _kind(self, step: str, below: Mapping[Path, Kind]) -> tuple[Any, ...]:
        path = (*self._at, step)
        if path in below:
            if len(below) > 1:
                raise NotNestedError
            kind, may_be_absent = below[path]
            return (kind, None) if may_be_absent else (kind,)
        node = self._nodes[step] = _Node(path, below)
        return (node.struct | None, None) if node.may_be_absent else (node.struct,)

    def take(self, structs: Sequence[Any], found: dict[Path, Sequence[Any]]) -> None:
        """Put the values below this object into ``found``."""
        columns = list(zip(*self._tuples(structs), strict=True)) or [()] * len(self._steps)
        for step, column in zip(self._steps, columns, strict=True):
            if step in self._nodes:
                self._nodes[step].take(column, found)
            else:
                found[*self._at, step] = column

    def _tuples(self, structs: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return list(map(astuple, structs))
        except TypeError:
            # Objects that are absent.
            return [self._nothing if each is None else astuple(each) for each in structs]
