"""Rows that are messages: still encoded, or decoded by this process or another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.lines.decoder import LATER_NAME
from flink_jobs.histories.lines.labels import Labels
from flink_jobs.histories.lines.shared_chunks import FoundLines, UnusableLine, integers
from flink_jobs.intake.formats.base import Messages, ReadEvents, Unusable
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import Texts, joined
from flink_jobs.intake.unusable import UnusableEventError


class PayloadRows:
    """Messages as they lie on the inference topic or in lines.

    Parameters
    ----------
    payloads : sequence of bytes or None
    label : Labels, optional
        Reads the true classes.
    record_parts : sequence of sequence of (str or None), optional
        As :class:`~flink_jobs.intake.formats.base.Messages` has them.
    are_events : bool
        Whether payloads are Loudly's own events.
    """

    has_payloads = True

    def __init__(
        self,
        payloads: Sequence[bytes | None],
        label: Labels | None = None,
        record_parts: Sequence[Sequence[str | None]] | None = None,
        *,
        are_events: bool = True,
    ) -> None:
        self.are_events = are_events
        self._payloads = payloads
        self._label = label
        self._parts = record_parts

    def payload(self, row: int) -> bytes | None:
        """The payload of a row."""
        return self._payloads[row]

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Bytes of the chosen payloads; -1 where there is none."""
        chosen = (self._payloads[row] for row in rows.tolist())
        return np.fromiter((-1 if p is None else len(p) for p in chosen), np.int64, len(rows))

    def read(
        self, layout: Layout, rows: NDArray[np.intp], names: Callable[[], list[str]]
    ) -> ReadEvents:
        """Decode the chosen rows; ``names`` is asked where events have no ids."""
        return layout.decode(self._messages(rows, names))

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """Return the true classes of the chosen rows; only numbers and texts are classes."""
        return None if self._label is None else self._label.of(self._messages(rows, list))

    def _messages(self, rows: NDArray[np.intp], names: Callable[[], Sequence[str]]) -> Messages:
        chosen = rows.tolist()
        parts = None if self._parts is None else [self._parts[row] for row in chosen]
        return Messages([self._payloads[row] or b"" for row in chosen], names, parts)


class DecodedRows:
    """Lines of a chunk.

    Parameters
    ----------
    found : FoundLines
    lines : callable
        The lines themselves, asked for only where a dead letter or a label needs one.
    label : Labels, optional
        Reads the true classes.
    are_events : bool
        Whether lines are Loudly's own events.
    """

    has_payloads = True

    def __init__(
        self,
        found: FoundLines,
        lines: Callable[[], Sequence[bytes]],
        *,
        label: Labels | None,
        are_events: bool,
    ) -> None:
        self.are_events = are_events
        self._found = found
        self._read_lines = lines
        self._label = label
        self._line_of = integers(found.lines, np.int32)
        self._sizes = integers(found.sizes, np.int64)
        usable = integers(found.usable, np.int32)
        n = len(self._line_of)
        # Of each row how many usable events it holds, and the first of them.
        self._n_events = np.bincount(usable, minlength=n)
        self._first = np.zeros(n, dtype=np.intp)
        self._first[usable[::-1]] = np.arange(len(usable) - 1, -1, -1)

    def payload(self, row: int) -> bytes:
        """The line of a row."""
        return self._lines[int(self._line_of[row])].removesuffix(b"\n")

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Bytes of the chosen lines."""
        return np.asarray(self._sizes[rows])

    def read(
        self, layout: Layout, rows: NDArray[np.intp], names: Callable[[], list[str]]
    ) -> ReadEvents:
        """The events of the chosen rows; ``names`` is asked where events have no ids."""
        counts = self._n_events[rows]
        messages = np.repeat(np.arange(len(rows), dtype=np.intp), counts)
        ends = np.cumsum(counts)
        events = np.arange(len(messages)) + (self._first[rows] - (ends - counts))[messages]
        ids = self._found.event_ids
        event_ids = [ids[event] for event in events.tolist()]
        called = names() if self._found.has_later_names else []
        if called:
            pairs = zip(event_ids, messages.tolist(), strict=True)
            event_ids = [_named(event_id, called[message]) for event_id, message in pairs]
        x, texts = self._slots(events, layout)
        numbered = self._numbered(rows)
        places = messages
        if numbered is not None:
            places = numbered.firsts[messages] + integers(self._found.row_in, np.int32)[events]
        return ReadEvents(
            places,
            event_ids,
            x,
            self._unusable(rows, called, numbered),
            texts,
            messages=None if numbered is None else numbered.messages,
            rows=None if numbered is None else numbered.rows,
            parts=integers(self._found.parts, np.int8)[events] if self._found.parts else None,
        )

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """Return the true classes of the chosen rows; only numbers and texts are classes."""
        if self._label is None:
            return None
        payloads = [self.payload(row) for row in rows.tolist()]
        return self._label.of(Messages(payloads, list))

    @cached_property
    def _lines(self) -> Sequence[bytes]:
        return self._read_lines()

    @cached_property
    def _errors(self) -> dict[int, list[UnusableLine]]:
        errors: defaultdict[int, list[UnusableLine]] = defaultdict(list)
        for line in self._found.unusable:
            errors[line.place].append(line)
        return dict(errors)

    def _numbered(self, rows: NDArray[np.intp]) -> _Numbered | None:
        """Number the events of the chosen lines through; None where a line is one event."""
        if not self._found.n_rows:
            return None
        counts = integers(self._found.n_rows, np.int32)[rows].astype(np.intp)
        firsts = np.cumsum(counts) - counts
        messages = np.repeat(np.arange(len(rows), dtype=np.intp), counts)
        inner = (np.arange(len(messages)) - firsts[messages]).astype(np.int32)
        return _Numbered(firsts, messages, inner)

    def _unusable(
        self, rows: NDArray[np.intp], called: Sequence[str], numbered: _Numbered | None
    ) -> Unusable:
        if not self._found.unusable:
            return {}
        unusable: Unusable = {}
        for place, row in enumerate(rows.tolist()):
            for line in self._errors.get(row, ()):
                error = line.error
                if called and error.event_id is not None:
                    name = _named(error.event_id, called[place])
                    error = UnusableEventError(error.reason, error.detail, name)
                first = place if numbered is None else int(numbered.firsts[place])
                unusable[first + line.row] = error
        return unusable

    def _slots(self, events: NDArray[np.intp], layout: Layout) -> tuple[NDArray[np.float64], Texts]:
        """Of events that look alike."""
        if len(self._found.numbers) == 1:
            numbers = self._found.numbers[0]
            return numbers.matrix[events], numbers.texts
        xs, all_texts = [np.empty((0, layout.n_slots))], [layout.nothing().texts]
        places = [np.empty(0, dtype=np.intp)]
        first = 0
        for numbers in self._found.numbers:
            matrix = numbers.matrix
            here = np.flatnonzero((first <= events) & (events < first + len(matrix)))
            if len(here):
                xs.append(matrix[events[here] - first])
                all_texts.append(numbers.texts)
                places.append(here)
            first += len(matrix)
        joint, texts = joined(xs, all_texts)
        x = np.empty_like(joint)
        x[np.concatenate(places)] = joint
        return x, texts


class _Numbered:
    """Events of several lines, numbered through."""

    def __init__(
        self, firsts: NDArray[np.intp], messages: NDArray[np.intp], rows: NDArray[np.int32]
    ) -> None:
        self.firsts = firsts
        self.messages = messages
        self.rows = rows


def _named(event_id: str, name: str) -> str:
    """Call an event after its line where it has no other name."""
    return name + event_id[1:] if event_id.startswith(LATER_NAME) else event_id
