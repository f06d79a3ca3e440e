"""Decodes lines: each is a message, read in one pass where its format can."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.own_events import are_own_events
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.lines.labels import Labels, labels_of
from flink_jobs.histories.shards import Found, found_rows
from flink_jobs.intake.formats.base import Messages, ReadEvents, joined_reads
from flink_jobs.intake.layouts import Layouts
from flink_jobs.intake.locating import Located, Locator
from flink_jobs.records.dead_letters import Reason

LATER_NAME = "\0"
"""Begins the name of an event that is called by its line: where that lies is known when all lines
before are."""
_BINARY = ("avro", "protobuf")


class UnusableLine(NamedTuple):
    """A line without a usable event: its row in the batch, and what its dead letter says.

    ``place`` is that of the event in the line, where that holds several.
    """

    row: int
    place: int
    reason: Reason
    detail: str
    event_id: str | None


class LinesFound(Struct, array_like=True, frozen=True):
    """The small things about the events of lines.

    Attributes
    ----------
    has_later_names : bool
        Whether some events are called by their lines.
    shapes : list of (int, int)
        For each group of events of one layout, how many there are and how many floats one has.
    texts : list of dict of int to list of str
        For each of these groups by slot what the codes of categories stand for.
    unusable : list of UnusableLine
        By row.
    """

    has_later_names: bool
    shapes: list[tuple[int, int]]
    texts: list[dict[int, list[str]]]
    unusable: list[UnusableLine]


class LineDecoder:
    """Finds model and time of lines and decodes their events.

    Parameters
    ----------
    config : DriftJobConfig

    What it needs is made where it is first asked for: it goes to other processes.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config

    @cached_property
    def labels(self) -> Labels | None:
        """Reads the true classes."""
        return labels_of(self._config)

    @cached_property
    def are_events(self) -> bool:
        """True where lines are events of Loudly's own."""
        return are_own_events(self._config, "lines")

    @cached_property
    def _locator(self) -> Locator:
        return line_locator(self._config)

    @cached_property
    def _layouts(self) -> Layouts:
        return Layouts(self._config)

    def decode(self, lines: Sequence[bytes]) -> Found:
        """Find what consecutive lines hold.

        Rows are the lines with a place in event time. Of these the arrays have the ``sizes`` of the
        payloads. ``usable`` has the rows of the usable events: those of one row lie side by side,
        and their floats in ``x``, group after group, and their ``event_ids``. Where lines hold
        several, ``row_in`` has the place of each in its line, and ``n_rows`` the number of each
        row; where not all are whole, ``parts`` their parts.
        """
        there = [place for place, line in enumerate(lines) if not line.isspace() and line]
        payloads = [lines[place] for place in there]
        messages = Messages(payloads, lambda: [LATER_NAME] * len(payloads))
        if self._config.overrides:
            located, reads = self._by_model(messages)
        else:
            read, located = self._layouts.of("").decode_located(messages, self._locator)
            reads = [_Read(np.arange(len(messages), dtype=np.intp), read)]
        return _found(lines, np.array(there, dtype=np.int64), located, reads)

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
    lines: Sequence[bytes], there: NDArray[np.int64], located: Located, reads: list[_Read]
) -> Found:
    rows, found = found_rows(located, there, lambda place: lines[there[place]].removesuffix(b"\n"))
    if located.problems:
        has_place = np.zeros(len(there), dtype=np.bool_)
        has_place[rows] = True
        # The number that each message has among those with a place.
        row_of = np.cumsum(has_place) - 1
        reads = [_placed(each, has_place, row_of) for each in reads]
    reads = [each for each in reads if len(each.messages)]
    joint = joined_reads(
        [each.read for each in reads], [each.messages for each in reads], len(rows)
    )
    xs = [each.read.x.reshape(-1) for each in reads]
    more = msgspec.msgpack.encode(_small_things(joint, reads))
    arrays = {
        **found.arrays,
        "sizes": _sizes(lines)[there[rows]],
        "usable": joint.message_of.astype(np.int32),
        "event_ids": pa.array(joint.event_ids, pa.string()),
        "x": xs[0] if len(xs) == 1 else np.concatenate([np.empty(0), *xs]),
    }
    if joint.messages is not None:
        arrays["row_in"] = joint.row_of
        arrays["n_rows"] = np.bincount(joint.messages, minlength=len(rows)).astype(np.int32)
    if joint.parts is not None:
        arrays["parts"] = joint.parts
    return Found(replace(found.head, n_lines=len(lines), more=more), arrays, lines=lines)


def _small_things(joint: ReadEvents, reads: list[_Read]) -> LinesFound:
    return LinesFound(
        any(name.startswith(LATER_NAME) for name in joint.event_ids)
        or any((error.event_id or "").startswith(LATER_NAME) for error in joint.unusable.values()),
        [each.read.x.shape for each in reads],
        [{slot: list(texts) for slot, texts in each.read.texts.items()} for each in reads],
        [
            UnusableLine(*joint.where(row), error.reason, error.detail, error.event_id)
            for row, error in joint.unusable.items()
        ],
    )


def _sizes(lines: Sequence[bytes]) -> NDArray[np.int64]:
    """Bytes of the lines without their ends."""
    sizes = np.fromiter(map(len, lines), np.int64, len(lines))
    if len(lines):
        sizes -= 1
        sizes[-1] += not lines[-1].endswith(b"\n")
    return sizes


def _placed(each: _Read, has_place: NDArray[np.bool_], row_of: NDArray[np.intp]) -> _Read:
    """Return what was read of the messages that have a place in event time."""
    is_kept = has_place[each.messages]
    read = each.read if is_kept.all() else each.read.of_messages(is_kept)
    return _Read(row_of[each.messages[is_kept]], read)
