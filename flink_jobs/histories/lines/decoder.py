"""Decodes lines: each is a message, read in one pass where its format can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Names
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.lines.shared_chunks import (
    FoundLines,
    UnplacedLine,
    UnusableLine,
    UsableNumbers,
)
from flink_jobs.intake.formats.base import Messages, ReadEvents, joined_reads
from flink_jobs.intake.layouts import Layouts
from flink_jobs.intake.locating import Located, Locator

LATER_NAME = "\0"
"""Begins the name of an event that is called by its line: where that lies is known when all lines
before are."""
_BINARY = ("avro", "protobuf")


class LineDecoder:
    """Finds model and time of lines and decodes their events.

    Parameters
    ----------
    config : DriftJobConfig

    Raises
    ------
    SourceError
        When the format is not one of lines.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._locator = line_locator(config)
        self._layouts = Layouts(config)
        self._has_overrides = bool(config.overrides)

    def decode(self, lines: Sequence[bytes]) -> FoundLines:
        """Find what the lines of a chunk hold."""
        there = [place for place, line in enumerate(lines) if not line.isspace() and line]
        payloads = [lines[place] for place in there]
        messages = Messages(payloads, lambda: [LATER_NAME] * len(payloads))
        if self._has_overrides:
            located, reads = self._by_model(messages)
        else:
            read, located = self._layouts.of("").decode_located(messages, self._locator)
            reads = [_Read(np.arange(len(messages), dtype=np.intp), read)]
        return _found(lines, np.array(there, dtype=np.intp), located, reads)

    def _by_model(self, messages: Messages) -> tuple[Located, list[_Read]]:
        """Read messages by what those of their models must look like."""
        located = self._locator.locate(messages)
        members: dict[int, list[int]] = {}
        layouts = {model: self._layouts.of(model or "") for model in set(located.models)}
        for place, model in enumerate(located.models):
            if place not in located.problems:
                members.setdefault(id(layouts[model]), []).append(place)
        reads = []
        for places in members.values():
            layout = layouts[located.models[places[0]]]
            own = np.array(places, dtype=np.intp)
            reads.append(_Read(own, layout.decode(messages.at(places))))
        return located, reads


class _Read(NamedTuple):
    """Results of reading some messages."""

    messages: NDArray[np.intp]
    read: ReadEvents


def line_locator(config: DriftJobConfig) -> Locator:
    """Make what finds model and time of lines.

    Raises
    ------
    SourceError
        When the format is not one of lines.
    """
    if config.input.format in _BINARY:
        raise SourceError(
            f"input.format = {config.input.format!r} is not one of lines: JSON lines need another"
        )
    return Locator(config, "lines")


def _found(
    lines: Sequence[bytes], there: NDArray[np.intp], located: Located, reads: list[_Read]
) -> FoundLines:
    problems = located.problems
    has_place = np.ones(len(there), dtype=np.bool_)
    has_place[list(problems)] = False
    placed = np.flatnonzero(has_place)
    # The number that each message has among those with a place.
    row_of = np.cumsum(has_place) - 1
    reads = [_placed(each, has_place, row_of) for each in reads] if problems else reads
    reads = [each for each in reads if len(each.messages)]
    joint = joined_reads(
        [each.read for each in reads], [each.messages for each in reads], len(placed)
    )
    names = Names()
    names.clear()
    models = [located.models[place] for place in placed.tolist()] if problems else located.models
    codes = np.fromiter(map(names.__getitem__, models), np.int32, len(models))
    sizes = np.fromiter(map(len, lines), np.int64, len(lines))
    if len(lines):
        sizes -= 1
        sizes[-1] += not lines[-1].endswith(b"\n")
    return FoundLines(
        n_lines=len(lines),
        models=list(names),
        lines=there[placed].astype(np.int32).tobytes(),
        model_of=codes.tobytes(),
        times_ms=located.times_ms[placed].tobytes(),
        sizes=sizes[there[placed]].tobytes(),
        usable=joint.message_of.astype(np.int32).tobytes(),
        row_in=b"" if joint.rows is None else joint.row_of.tobytes(),
        n_rows=_n_rows(joint, len(placed)),
        parts=b"" if joint.parts is None else joint.parts.tobytes(),
        event_ids=joint.event_ids,
        has_later_names=any(name.startswith(LATER_NAME) for name in joint.event_ids)
        or any((error.event_id or "").startswith(LATER_NAME) for error in joint.unusable.values()),
        numbers=[UsableNumbers.of(each.read) for each in reads],
        unusable=[
            UnusableLine.of(*joint.where(row), error) for row, error in joint.unusable.items()
        ],
        unplaced=[
            UnplacedLine(
                UnusableLine.of(int(there[place]), 0, error),
                located.models[place],
                lines[there[place]].removesuffix(b"\n"),
            )
            for place, error in sorted(problems.items())
        ],
    )


def _placed(each: _Read, has_place: NDArray[np.bool_], row_of: NDArray[np.intp]) -> _Read:
    """Return what was read of the messages that have a place in event time."""
    is_kept = has_place[each.messages]
    read = each.read if is_kept.all() else each.read.of_messages(is_kept)
    return _Read(row_of[each.messages[is_kept]], read)


def _n_rows(read: ReadEvents, n: int) -> bytes:
    """Return how many rows each of ``n`` messages has; nothing where each has one."""
    if read.messages is None:
        return b""
    return np.bincount(read.messages, minlength=n).astype(np.int32).tobytes()
