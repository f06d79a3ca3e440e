"""Structs nested as paths are, into which a payload is decoded in one step."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from flink_jobs.config.paths import Path

# What the keys of a msgspec struct cannot hold.
_UNREADABLE = re.compile(r'["\\\x00-\x1f]')
_FLOATS = (float, float | None)
Kind = tuple[Any, bool]
"""A type, and whether a value may be absent; it is then None."""
Values = Any
"""One value of each payload: a sequence, or an array of floats with NaN for None."""


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
    [[4.0, 5.0], ['pro', None]]
    """

    def __init__(self, kinds: Mapping[Path, Kind], paths: Sequence[Path]) -> None:
        self._holders: list[_Holder] = []
        root, _ = self._struct((), (), kinds)
        self._paths = list(paths)
        decoder: Any = msgspec.json.Decoder(root)
        self.decode: Callable[[bytes], Any] = decoder.decode

    def columns(self, structs: Sequence[Any]) -> list[Values]:
        """Return for each path its value in each struct."""
        found: dict[Path, Values] = {}
        for holder in self._holders:
            found |= holder.columns(structs)
        return [found[path] for path in self._paths]

    def _struct(
        self, at: Path, names: tuple[str, ...], kinds: Mapping[Path, Kind]
    ) -> tuple[Any, bool]:
        """Make the struct of an object, and say whether it may be absent."""
        children: dict[str, dict[Path, Kind]] = {}
        for path, kind in kinds.items():
            step = path[len(at)] if len(path) > len(at) else None
            if not isinstance(step, str) or _UNREADABLE.search(step):
                raise NotNestedError
            children.setdefault(step, {})[path] = kind
        fields: list[Any] = []
        own: list[Path | None] = []
        for place, (step, below) in enumerate(children.items()):
            path, name = (*at, step), f"f{place}"
            is_value = path in below
            if is_value and len(below) > 1:
                raise NotNestedError
            made = below[path] if is_value else self._struct(path, (*names, name), below)
            kind, may_be_absent = made
            kind = kind if is_value or not may_be_absent else kind | None
            fields.append((name, kind, None) if may_be_absent else (name, kind))
            own.append(path if is_value else None)
        if any(path is not None for path in own):
            kinds_of = [field[1] for field in fields]
            self._holders.append(_Holder(names, own, kinds_of))
        keys = {f"f{place}": step for place, step in enumerate(children)}
        node = msgspec.defstruct("Node", fields, rename=keys, kw_only=True, gc=False)
        return node, all(len(field) == 3 for field in fields)


class _Holder:
    """An object that holds values.

    Parameters
    ----------
    names : sequence of str
        The fields that lead to it.
    paths : sequence of (Path or None)
        Of its fields; None where one is an object itself.
    kinds : sequence of type
        Of its fields.
    """

    def __init__(
        self, names: Sequence[str], paths: Sequence[Path | None], kinds: Sequence[Any]
    ) -> None:
        self._names = names
        self._n_fields = len(paths)
        places = [place for place, path in enumerate(paths) if path is not None]
        self._only = (places[0], paths[places[0]]) if len(places) == 1 else None
        way = [*names, f"f{places[0]}"] if self._only is not None else list(names)
        self._get: Callable[[Any], Any] | None = attrgetter(".".join(way)) if way else None
        floats = [place for place in places if kinds[place] in _FLOATS]
        others = [place for place in places if place not in floats]
        self._floats = _Chosen(floats, paths) if len(floats) > 1 else None
        self._others = _Chosen(others if self._floats else places, paths)

    def columns(self, structs: Sequence[Any]) -> Iterator[tuple[Path, Values]]:
        """Give the values of each path."""
        if self._only is not None:
            place, path = self._only
            yield path, self._values(structs, f"f{place}")  # type: ignore[misc]
            return
        rows = self._rows(structs)
        if self._floats is not None:
            numbers = _matrix(self._floats.of(rows), len(rows), len(self._floats.paths))
            yield from zip(self._floats.paths, numbers.T, strict=True)
        columns = list(zip(*self._others.of(rows), strict=True))
        yield from zip(self._others.paths, columns or [()] * len(self._others.paths), strict=True)

    def _values(self, structs: Sequence[Any], field: str) -> Values:
        try:
            return list(map(self._get, structs))  # type: ignore[arg-type]
        except AttributeError:
            return [getattr(each, field, None) for each in self._objects(structs)]

    def _rows(self, structs: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return list(map(astuple, map(self._get, structs) if self._get else structs))
        except (AttributeError, TypeError):
            nothing = (None,) * self._n_fields
            objects = self._objects(structs)
            return [nothing if each is None else astuple(each) for each in objects]

    def _objects(self, structs: Sequence[Any]) -> Sequence[Any]:
        """Return the objects where some, or those that hold them, are absent."""
        for name in self._names:
            structs = [getattr(each, name, None) for each in structs]
        return structs


class _Chosen:
    """Some fields of each object."""

    def __init__(self, places: Sequence[int], paths: Sequence[Path | None]) -> None:
        self.paths: list[Path] = [paths[place] for place in places]  # type: ignore[misc]
        self._get: Callable[[Any], Any] | None = None
        if len(places) == len(paths):
            return
        first, end = (places[0], places[-1] + 1) if places else (0, 0)
        if end - first == len(places):
            # A third of the time of taking them one by one.
            self._get = itemgetter(slice(first, end))
        else:
            self._get = itemgetter(*places)

    def of(self, rows: Sequence[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
        """Return the fields of each row."""
        return rows if self._get is None else map(self._get, rows)


def _matrix(rows: Iterable[tuple[Any, ...]], n: int, width: int) -> NDArray[np.float64]:
    """Return rows of floats, of which some may be None, as an array; None becomes NaN."""
    rows = list(rows)
    try:
        # Column by column it took twice as long.
        packed = struct.pack(f"{n * width}d", *chain.from_iterable(rows))
    except struct.error:
        return np.array(rows, dtype=np.float64).reshape(n, width)
    return np.frombuffer(packed).reshape(n, width)
