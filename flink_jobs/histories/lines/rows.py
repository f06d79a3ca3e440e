"""Rows that are messages: still encoded, or decoded by this process or another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flink_jobs.histories.lines.decoder import LATER_NAME, LineDecoder, LinesFound, UnusableLine
from flink_jobs.histories.lines.labels import Labels
from flink_jobs.histories.shards import Found
from flink_jobs.intake.formats.base import Messages, ReadEvents, Unusable
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import Texts
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


_small_things = msgspec.msgpack.Decoder(LinesFound)


class DecodedRows:
    """Lines of a batch.

    Parameters
    ----------
    found : Found
    decoder : LineDecoder
        What found it.
    lines : callable
        The lines themselves, asked for only where a dead letter or a label needs one.
    """

    has_payloads = True

    def __init__(
        self,
        found: Found,
        decoder: LineDecoder,
        lines: Callable[[], Sequence[bytes]],
    ) -> None:
        self.are_events = decoder.are_events
        self._arrays = found.arrays
        self._small = _small_things.decode(found.head.more)
        self._read_lines = lines
        self._label = decoder.labels
        usable = self._arrays["usable"]
        n = len(self._arrays["codes"])
        # Of each row how many usable events it holds, and the first of them.
        self._n_events = np.bincount(usable, minlength=n)
        self._first = np.zeros(n, dtype=np.intp)
        self._first[usable[::-1]] = np.arange(len(usable) - 1, -1, -1)

    def payload(self, row: int) -> bytes:
        """The line of a row."""
        return self._lines[int(self._arrays["offsets"][row])].removesuffix(b"\n")

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Bytes of the chosen lines."""
        return np.asarray(self._arrays["sizes"][rows])

    def read(
        self, layout: Layout, rows: NDArray[np.intp], names: Callable[[], list[str]]
    ) -> ReadEvents:
        """The events of the chosen rows; ``names`` is asked where events have no ids."""
        counts = self._n_events[rows]
        messages = np.repeat(np.arange(len(rows), dtype=np.intp), counts)
        ends = np.cumsum(counts)
        events = np.arange(len(messages)) + (self._first[rows] - (ends - counts))[messages]
        ids = self._arrays["event_ids"].take(pa.array(events))
        event_ids: list[str] = ids.to_numpy(zero_copy_only=False).tolist()
        called = names() if self._small.has_later_names else []
        if called:
            pairs = zip(event_ids, messages.tolist(), strict=True)
            event_ids = [_named(event_id, called[message]) for event_id, message in pairs]
        x, texts = self._slots(events, layout)
        numbered = self._numbered(rows)
        places = messages
        if numbered is not None:
            places = numbered.firsts[messages] + self._arrays["row_in"][events]
        return ReadEvents(
            places,
            event_ids,
            x,
            self._unusable(rows, called, numbered),
            texts,
            messages=None if numbered is None else numbered.messages,
            rows=None if numbered is None else numbered.rows,
            parts=self._arrays["parts"][events] if "parts" in self._arrays else None,
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
        for line in self._small.unusable:
            errors[line.row].append(line)
        return dict(errors)

    def _numbered(self, rows: NDArray[np.intp]) -> _Numbered | None:
        """Number the events of the chosen lines through; None where a line is one event."""
        if "n_rows" not in self._arrays:
            return None
        counts = self._arrays["n_rows"][rows].astype(np.intp)
        firsts = np.cumsum(counts) - counts
        messages = np.repeat(np.arange(len(rows), dtype=np.intp), counts)
        inner = (np.arange(len(messages)) - firsts[messages]).astype(np.int32)
        return _Numbered(firsts, messages, inner)

    def _unusable(
        self, rows: NDArray[np.intp], called: Sequence[str], numbered: _Numbered | None
    ) -> Unusable:
        if not self._small.unusable:
            return {}
        unusable: Unusable = {}
        for place, row in enumerate(rows.tolist()):
            for line in self._errors.get(row, ()):
                name = line.event_id
                if called and name is not None:
                    name = _named(name, called[place])
                error = UnusableEventError(line.reason, line.detail, name)
                first = place if numbered is None else int(numbered.firsts[place])
                unusable[first + line.place] = error
        return unusable

    def _slots(self, events: NDArray[np.intp], layout: Layout) -> tuple[NDArray[np.float64], Texts]:
        """The floats of the chosen events, which lie in the group of their layout, and texts."""
        first, begin = 0, 0
        for (n, n_slots), texts in zip(self._small.shapes, self._small.texts, strict=True):
            end = begin + n * n_slots
            if len(events) and first <= events[0] < first + n:
                return self._arrays["x"][begin:end].reshape(n, n_slots)[events - first], texts
            first, begin = first + n, end
        nothing = layout.nothing()
        return nothing.x, nothing.texts


class _Numbered(NamedTuple):
    """Events of several lines, numbered through."""

    firsts: NDArray[np.intp]
    messages: NDArray[np.intp]
    rows: NDArray[np.int32]


def _named(event_id: str, name: str) -> str:
    """Call an event after its line where it has no other name."""
    return name + event_id[1:] if event_id.startswith(LATER_NAME) else event_id
