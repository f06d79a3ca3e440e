"""The format ``json``: JSON of any shape, one event in each message.

A good event is decoded in one step into structs that are nested as the columns' paths are, so that
no Python runs for any of its values. What those do not take, and all where paths lead into lists,
becomes objects of Python, of which the columns are read one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.parts import have_parts
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import Messages, ReadEvents, Unusable
from flink_jobs.intake.formats.json import DECODING_FAILS, lenient_tree, without_nan
from flink_jobs.intake.formats.json_structs import Kind, NestedStructs, NotNestedError
from flink_jobs.intake.formats.json_values import SINGLE, JsonValues
from flink_jobs.intake.formats.names import EventNames
from flink_jobs.intake.formats.own_events import BLOCK
from flink_jobs.intake.formats.parts import as_optional, parts_found, refuse_incomplete
from flink_jobs.intake.formats.trees import ColumnValues, TreeReader, at_path
from flink_jobs.intake.slots import ColumnFiller
from flink_jobs.intake.unusable import UnusableEventError


class _Block(NamedTuple):
    """Some messages: values by column, names, single values by path, and what is wrong."""

    values: ColumnValues
    event_ids: list[str]
    singles: list[Sequence[Any]]
    unusable: Unusable


class AnyJson:
    """A :class:`~flink_jobs.intake.formats.base.PayloadFormat`.

    Parameters
    ----------
    config : DriftJobConfig
    read : sequence of Column
        Those that become floats.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> from flink_jobs.config.views import columns_read
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json"}
    ... columns = {features_at = "request", features = {age = "number", plan = "category"}}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> payloads = [b'{"request": {"age": 41, "plan": "pro"}}', b'{"request": {"age": "many"}}']
    >>> found = AnyJson(config, columns_read(config)).read(Messages(payloads, lambda: ["a", "b"]))
    >>> found.x[0], found.texts, str(found.unusable[1])
    (array([41.,  0.]), {1: ['pro']}, "invalid_event: request.age is 'many', expected a number")
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        self._names = EventNames(config)
        self._columns = columns_of(config)
        self._have_parts = have_parts(config)
        self._asked = as_optional(self._columns) if self._have_parts else self._columns
        chosen = {column.name for column in read}
        self._read = [column for column in self._asked if column.name in chosen]
        self._trees = TreeReader(self._asked)
        self._plans: dict[tuple[Path, ...], _Plan | None] = {}

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look single values up."""
        return JsonValues(paths).of(messages.payloads)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the event of each message."""
        return self.read_located(messages, ())[0]

    def read_located(
        self, messages: Messages, paths: Sequence[Path]
    ) -> tuple[ReadEvents, list[Sequence[Any]]]:
        """Read events and look single values up, in one pass.

        Parameters
        ----------
        messages : Messages
        paths : sequence of Path
            As of :meth:`values`.
        """
        n = len(messages)
        filler = ColumnFiller(self._read)
        x = np.empty((n, filler.n_slots))
        event_ids: list[str] = []
        unusable: Unusable = {}
        singles: list[list[Any]] = [[] for _ in paths]
        parts = np.zeros(n, dtype=np.int8)
        for first in range(0, n, BLOCK):
            block = self._block(messages.part(first, first + BLOCK), tuple(paths))
            end = first + len(block.event_ids)
            x[first:end] = filler.rows(block.values, end - first)
            if self._have_parts:
                parts[first:end] = self._parts(block)
            event_ids += block.event_ids
            unusable |= {first + place: error for place, error in block.unusable.items()}
            for all_values, values in zip(singles, block.singles, strict=True):
                all_values += values
        places = np.arange(n, dtype=np.intp)
        own_parts = parts if self._have_parts else None
        found = ReadEvents(places, event_ids, x, unusable, filler.texts, parts=own_parts)
        return found, list(singles)

    def _parts(self, block: _Block) -> NDArray[np.int8]:
        parts = parts_found(self._asked, block.values, len(block.event_ids))
        refuse_incomplete(self._columns, block.values, parts, block.event_ids, block.unusable)
        return parts

    def _block(self, messages: Messages, paths: tuple[Path, ...]) -> _Block:
        plan = self._plan(paths)
        if plan is None:
            return self._from_trees(messages, paths)
        decode = plan.structs.decode
        try:
            return self._from_structs(plan, list(map(decode, messages.payloads)), messages)
        except DECODING_FAILS:
            pass
        structs: list[Any] = []
        others: list[int] = []
        for place, payload in enumerate(messages.payloads):
            try:
                structs.append(decode(payload))
            except DECODING_FAILS as error:
                try:
                    structs.append(decode(without_nan(payload, error)))
                except DECODING_FAILS:
                    others.append(place)
        few = self._from_trees(messages.at(others), paths)
        if not structs:
            return few
        there = np.delete(np.arange(len(messages)), others).tolist()
        most = self._from_structs(plan, structs, messages.at(there))
        return _interleaved(most, there, few, others)

    def _from_structs(self, plan: _Plan, structs: list[Any], messages: Messages) -> _Block:
        columns = plan.structs.columns(structs)
        event_ids, unusable = self._names.of(columns[0] if plan.has_names else None, messages)
        at = int(plan.has_names)
        singles = columns[at : at + plan.n_singles]
        at += plan.n_singles
        values: ColumnValues = {}
        for column in self._asked:
            own = columns[at : at + len(column.paths)]
            at += len(column.paths)
            values[column] = own[0] if len(own) == 1 else list(zip(*own, strict=True))
        return _Block(values, event_ids, singles, unusable)

    def _from_trees(self, messages: Messages, paths: tuple[Path, ...]) -> _Block:
        trees: list[Any] = []
        unreadable: Unusable = {}
        for place, payload in enumerate(messages.payloads):
            try:
                trees.append(_tree(payload))
            except UnusableEventError as error:
                unreadable[place] = error
                trees.append(None)
        named = None if self._names.path is None else at_path(trees, self._names.path)
        event_ids, nameless = self._names.of(named, messages)
        known: list[str | None] = [event_id or None for event_id in event_ids]
        values, unusable = self._trees.read(trees, known)
        singles: list[Sequence[Any]] = [at_path(trees, path) for path in paths]
        for each in singles:
            for place, why_not in unreadable.items():
                each[place] = why_not  # type: ignore[index]
        return _Block(values, event_ids, singles, unusable | nameless | unreadable)

    def _plan(self, paths: tuple[Path, ...]) -> _Plan | None:
        if paths not in self._plans:
            try:
                self._plans[paths] = _Plan(self._names, self._asked, paths)
            except NotNestedError:
                self._plans[paths] = None
        return self._plans[paths]


class _Plan:
    """The structs into which events are decoded with all that is asked of them."""

    def __init__(
        self, names: EventNames, columns: Sequence[Column], singles: Sequence[Path]
    ) -> None:
        kinds: dict[Path, Kind] = {}
        paths: list[Path] = []
        if names.path is not None:
            kinds[names.path] = str | int | None, True
            paths.append(names.path)
        for path in singles:
            kinds[path] = _shared(kinds.get(path), (SINGLE, True))
            paths.append(path)
        for column in columns:
            kind = _kind(column), column.may_be_missing
            for path in column.paths:
                kinds[path] = _shared(kinds.get(path), kind)
                paths.append(path)
            if not column.paths:
                raise NotNestedError
        self.has_names = names.path is not None
        self.n_singles = len(singles)
        self.structs = NestedStructs(kinds, paths)


def _shared(known: Kind | None, kind: Kind) -> Kind:
    """Return the kind of a place that two columns read, which has to be one."""
    if known is not None and known != kind:
        raise NotNestedError
    return kind


def _kind(column: Column) -> Any:
    kinds: dict[str, Any] = {
        "number": float,
        "category": str | int | bool,
        "boolean": bool | Literal[0, 1],
    }
    if column.type != "vector":
        kind = kinds[column.type]
    elif len(column.paths) > 1:
        kind = float
    else:
        number = float | None if column.may_be_missing else float
        # A tuple of as many numbers says the length, and takes a tenth less time than a list.
        kind = tuple.__class_getitem__((number,) * column.size)
    return kind | None if column.may_be_missing else kind


def _tree(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except DECODING_FAILS as error:
        return lenient_tree(payload, str(error) or type(error).__name__)


def _interleaved(most: _Block, there: Sequence[int], few: _Block, others: Sequence[int]) -> _Block:
    """Put two blocks together as one, in the order of their messages."""
    order = np.argsort([*there, *others], kind="stable")
    chosen = order.tolist()

    def both(first: Any, second: Any) -> list[Any]:
        joined = [*first, *second]
        return [joined[place] for place in chosen]

    unusable = {there[place]: error for place, error in most.unusable.items()}
    unusable |= {others[place]: error for place, error in few.unusable.items()}
    return _Block(
        {column: both(values, few.values[column]) for column, values in most.values.items()},
        both(most.event_ids, few.event_ids),
        [both(*pair) for pair in zip(most.singles, few.singles, strict=True)],
        unusable,
    )
