"""Rows that are payloads: still encoded, or decoded by this process or another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.batches import class_names
from flink_jobs.histories.lines.shared_chunks import FoundLines, integers
from flink_jobs.intake.formats.base import Messages, ReadEvents
from flink_jobs.intake.formats.json import DECODING_FAILS, decode_tolerantly
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import Texts, joined
from flink_jobs.intake.unusable import UnusableEventError


class PayloadRows:
    """Payloads as they lie on the inference topic.

    Parameters
    ----------
    payloads : sequence of bytes or None
    translate : callable, optional
        From a payload and what its event is called to one with the keys of the event schema.
    label : str
        The key of the true class; empty where there is none.
    """

    has_payloads = True

    def __init__(
        self,
        payloads: Sequence[bytes | None],
        translate: Callable[[bytes, str], bytes] | None = None,
        label: str = "",
    ) -> None:
        self.are_events = translate is None
        self._payloads = payloads
        self._translate = translate
        self._label = label

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
        payloads = [self._payloads[row] or b"" for row in rows.tolist()]
        if self._translate is not None:
            pairs = zip(payloads, names(), strict=True)
            payloads = [self._translate(payload, name) for payload, name in pairs]
        return layout.decode(Messages(payloads, names))

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """Return the true classes of the chosen rows; only numbers and texts are classes."""
        if not self._label:
            return None
        decode = _label_decoder(self._label)
        return class_names([_label(decode, self._payloads[row] or b"") for row in rows.tolist()])


@cache
def _label_decoder(key: str) -> Callable[[bytes], Any]:
    fields: list[tuple[str, Any, Any]] = [("label", bool | int | float | str | None, None)]
    labelled = msgspec.defstruct("Labelled", fields, rename={"label": key})
    decoder: Any = msgspec.json.Decoder(labelled)
    return decoder.decode  # type: ignore[no-any-return]


def _label(decode: Callable[[bytes], Any], payload: bytes) -> Any:
    try:
        return decode_tolerantly(decode, payload).label
    except DECODING_FAILS:
        return None


class DecodedRows:
    """Lines of a chunk.

    Parameters
    ----------
    found : FoundLines
    lines : callable
        The lines themselves, asked for only where a dead letter or a label needs one.
    are_events : bool
        Whether lines have the keys of the event schema.
    has_ids : bool
        Whether lines hold event ids; they are called by their places if not.
    label : str
        The key of the true class; empty where there is none.
    """

    has_payloads = True

    def __init__(
        self,
        found: FoundLines,
        lines: Callable[[], Sequence[bytes]],
        *,
        are_events: bool,
        has_ids: bool,
        label: str,
    ) -> None:
        self.are_events = are_events
        self._found = found
        self._read_lines = lines
        self._has_ids = has_ids
        self._label = label
        self._line_of = integers(found.lines, np.int32)
        self._sizes = integers(found.sizes, np.int64)
        usable = integers(found.usable, np.int32)
        # Which of the usable events each row is, -1 where it is none.
        self._event_of = np.full(len(self._line_of), -1, dtype=np.intp)
        self._event_of[usable] = np.arange(len(usable))

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
        events = self._event_of[rows]
        places = np.flatnonzero(events >= 0)
        unusable = {}
        if len(places) < len(rows):
            unusable = {
                place: self._errors[int(rows[place])]
                for place in np.flatnonzero(events < 0).tolist()
            }
        events = events[places]
        if self._has_ids:
            ids = self._found.event_ids
            event_ids = [ids[event] for event in events.tolist()]
        else:
            called = names()
            event_ids = [called[place] for place in places.tolist()]
            unusable = {place: _named(error, called[place]) for place, error in unusable.items()}
        x, texts = self._slots(events, layout)
        return ReadEvents(places, event_ids, x, unusable, texts)

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """Return the true classes of the chosen rows; only numbers and texts are classes."""
        if not self._label:
            return None
        payloads = PayloadRows([self.payload(row) for row in rows.tolist()], label=self._label)
        return payloads.labels(np.arange(len(rows), dtype=np.intp))

    @cached_property
    def _lines(self) -> Sequence[bytes]:
        return self._read_lines()

    @cached_property
    def _errors(self) -> dict[int, UnusableEventError]:
        return {line.place: line.error for line in self._found.unusable}

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


def _named(error: UnusableEventError, name: str) -> UnusableEventError:
    """The error of an event that is called by its place, where it was read that far."""
    event_id = None if error.event_id is None else name
    return UnusableEventError(error.reason, error.detail, event_id)
