"""Decodes lines: one pass over each that is as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import are_named, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Names
from flink_jobs.histories.lines.finder import LineFinder, TimeMs, are_events, translator
from flink_jobs.histories.lines.shared_chunks import (
    FoundLines,
    UnplacedLine,
    UnusableLine,
    UsableNumbers,
)
from flink_jobs.intake.formats.base import Messages, ReadEvents
from flink_jobs.intake.formats.json import DECODING_FAILS, decode_tolerantly, usable_event_decoder
from flink_jobs.intake.formats.own_events import BLOCK
from flink_jobs.intake.layouts import Layouts

_KEYS = {"schema_version", "event_id", "features", "outputs", "segments"}
# In the place of an id that is a line's own place, which is known when all lines before are.
LATER_ID = "?"


class _Rows(NamedTuple):
    """Lines with a place in event time."""

    lines: NDArray[np.intp]
    models: list[str | None]
    times_ms: NDArray[np.int64]


class LineDecoder:
    """Finds model and time of lines and decodes their events.

    Parameters
    ----------
    config : DriftJobConfig
    """

    def __init__(self, config: DriftJobConfig) -> None:
        columns = config.columns
        self._finder = LineFinder(config)
        self._layouts = Layouts(config)
        self._translate = translator(columns)
        self._model = columns.model_name
        self._decode = _usable_line_decoder(config) if are_events(columns) else None

    def decode(self, lines: Sequence[bytes]) -> FoundLines:
        """What the lines of a chunk hold."""
        usable, read, others = self._usable(lines)
        rest = [lines[place].removesuffix(b"\n") for place in others]
        found, models, times = self._finder.find(rest)
        placed = _Rows(
            np.array(others, dtype=np.intp)[list(found)], models, np.array(times, dtype=np.int64)
        )
        there = set(found)
        unplaced = [
            self._unplaced(place, line)
            for number, (place, line) in enumerate(zip(others, rest, strict=True))
            if number not in there and line.strip()
        ]
        rows, order = _merged(usable, placed)
        reads = [read] if read is not None and len(usable.lines) else []
        reads += self._read([rest[number] for number in found], models, len(usable.lines))
        return _found(lines, rows, order, reads, unplaced)

    def _usable(self, lines: Sequence[bytes]) -> tuple[_Rows, ReadEvents | None, list[int]]:
        """The lines that are as they should be, their events, and the places of the others."""
        nothing = _Rows(np.empty(0, np.intp), [], np.empty(0, np.int64))
        if self._decode is None:
            return nothing, None, list(range(len(lines)))
        layout = self._layouts.of("")
        filler = layout.filler()
        x = np.empty((len(lines), layout.n_slots))
        others: list[int] = []
        event_ids: list[str] = []
        models: list[str | None] = []
        times: list[int] = []
        for first in range(0, len(lines), BLOCK):
            events = self._events(lines[first : first + BLOCK], first, others)
            x[len(times) : len(times) + len(events)] = filler.rows(events)
            event_ids += [event.event_id for event in events]
            times += [event.time for event in events]
            if not self._model:
                models += [event.model for event in events]
        places = np.arange(len(lines), dtype=np.intp)
        if others:
            places = np.delete(places, others)
        models = models or [self._model] * len(times)
        rows = _Rows(places, models, np.array(times, dtype=np.int64))
        own = np.arange(len(times), dtype=np.intp)
        read = ReadEvents(own, event_ids, x[: len(times)], {}, filler.texts)
        return rows, layout.check(read), others

    def _events(self, lines: Sequence[bytes], first: int, others: list[int]) -> list[Any]:
        assert self._decode is not None  # noqa: S101 - for the type checker
        try:
            return list(map(self._decode, lines))
        except DECODING_FAILS:
            pass
        events = []
        for place, line in enumerate(lines, start=first):
            try:
                events.append(decode_tolerantly(self._decode, line))
            except DECODING_FAILS:
                others.append(place)
        return events

    def _read(
        self, payloads: Sequence[bytes], models: Sequence[str | None], first: int
    ) -> list[ReadEvents]:
        """The events of other lines, by what those of their models must look like."""
        members: dict[int, list[int]] = {}
        layouts = {model: self._layouts.of(model or "") for model in set(models)}
        for place, model in enumerate(models):
            members.setdefault(id(layouts[model]), []).append(place)
        reads = []
        for places in members.values():
            chosen = [payloads[place] for place in places]
            if self._translate is not None:
                chosen = [self._translate(payload, LATER_ID) for payload in chosen]
            names = [LATER_ID] * len(chosen)
            read = layouts[models[places[0]]].decode(Messages(chosen, names.copy))
            rows = np.array(places, dtype=np.intp) + first
            unusable = {int(rows[place]): error for place, error in read.unusable.items()}
            reads.append(replace(read, places=rows[read.places], unusable=unusable))
        return reads

    def _unplaced(self, place: int, line: bytes) -> UnplacedLine:
        model, error = self._finder.unplaced(line)
        return UnplacedLine(UnusableLine.of(place, error), model, line)


def _usable_line_decoder(config: DriftJobConfig) -> Any:
    """Decodes a whole line; None where models differ, or where a key is to be read twice."""
    columns = config.columns
    more: dict[str, tuple[str, Any]] = {"time": (columns.time or "time_ms", TimeMs)}
    if not columns.model_name:
        more["model"] = (columns.model or "model", str)
    own = {*_KEYS, columns.label} if are_named(config) else _KEYS
    keys = own | {key for key, _ in more.values()}
    if config.overrides or len(keys) < len(own) + len(more):
        return None
    label = columns.label if are_named(config) and columns.label else "label"
    return usable_event_decoder(columns_of(config), more, label=label, has_all=True)


def _merged(first: _Rows, second: _Rows) -> tuple[_Rows, NDArray[np.intp] | None]:
    """Rows of both in the order of their lines, and that order; None where it is theirs."""
    if not len(second.lines):
        return first, None
    if not len(first.lines):
        return second, None
    lines = np.concatenate([first.lines, second.lines])
    order = np.argsort(lines)
    models = [*first.models, *second.models]
    times_ms = np.concatenate([first.times_ms, second.times_ms])
    return _Rows(lines[order], [models[row] for row in order.tolist()], times_ms[order]), order


def _found(
    lines: Sequence[bytes],
    rows: _Rows,
    order: NDArray[np.intp] | None,
    reads: Sequence[ReadEvents],
    unplaced: list[UnplacedLine],
) -> FoundLines:
    row_of = np.arange(len(rows.lines), dtype=np.intp)
    if order is not None:
        row_of[order] = row_of.copy()
    names = Names()
    names.clear()
    codes = np.fromiter(map(names.__getitem__, rows.models), np.int32, len(rows.models))
    sizes = np.fromiter(map(len, lines), np.int64, len(lines))
    if len(lines):
        sizes -= 1
        sizes[-1] += not lines[-1].endswith(b"\n")
    usable = [row_of[read.places] for read in reads]
    unusable = [
        UnusableLine.of(int(row_of[place]), error)
        for read in reads
        for place, error in read.unusable.items()
    ]
    return FoundLines(
        n_lines=len(lines),
        models=list(names),
        lines=rows.lines.astype(np.int32).tobytes(),
        model_of=codes.tobytes(),
        times_ms=rows.times_ms.tobytes(),
        sizes=sizes[rows.lines].tobytes(),
        usable=np.concatenate([row_of[:0], *usable]).astype(np.int32).tobytes(),
        event_ids=[event_id for read in reads for event_id in read.event_ids],
        numbers=[UsableNumbers.of(read) for read in reads],
        unusable=unusable,
        unplaced=unplaced,
    )
