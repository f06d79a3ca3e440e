"""From rows in the order of a history to panes in the order of event time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, Names
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.known_drifts.shift_table import Shift
from flink_jobs.histories.known_drifts.simulator import EventBatch, simulate
from flink_jobs.intake.event_columns import EventColumns, concatenate, in_order
from flink_jobs.intake.formats.base import ReadEvents
from flink_jobs.intake.layouts import Layout, Layouts
from flink_jobs.intake.panes import Pane, events_at, without_rows
from flink_jobs.intake.refusals import refusal
from flink_jobs.intake.texts import in_order_of_appearance
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import DeadLetter, Reason, dead_letter
from flink_jobs.replay.accuracy import NONE_JUDGED, AccuracyCounts, Judged

# NumPy sorts 16-bit integers by counting.
_FEW_KEYS = 2**16


@dataclass
class _OpenPane:
    n_taken: int = 0
    n_rows: int = 0
    parts: list[EventColumns] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    right: Judged = NONE_JUDGED


class PaneBuilder:
    """Collects the rows of open panes.

    Parameters
    ----------
    config : DriftJobConfig
    names : Names
        Of the models.
    shifts : sequence of Shift
        Applied to the events that can be used, before they go into panes: to the numbers of the
        first view, where columns are counted without its categories. Event time stays that of the
        rows: an event that a shift delays is never late.
    accuracy : AccuracyCounts, optional
        Counts the labelled events that reach a pane.

    Attributes
    ----------
    effective_shifts : set of int
        The places of those that changed an event.
    n_further_events : int
        Events of rows that hold several, without the first of each.
    """

    def __init__(
        self,
        config: DriftJobConfig,
        names: Names,
        shifts: Sequence[Shift] = (),
        accuracy: AccuracyCounts | None = None,
    ) -> None:
        self._config = config
        self._width_ms = config.panes.width_ms
        self._most = config.panes.max_raw_events
        self._names = names
        self._layouts = Layouts(config)
        self._shifts = shifts
        self._accuracy = accuracy or AccuracyCounts(config)
        self._open: dict[int, dict[int, _OpenPane]] = {}
        self.effective_shifts: set[int] = set()
        self.n_further_events = 0

    def add(self, batch: Batch, rows: NDArray[np.intp]) -> list[DeadLetter]:
        """Put the chosen rows into panes; returns the dead letters of those that find no room."""
        rows, refused = self._within_room(batch, rows)
        for layout, of_layout in self._by_layout(batch, rows):
            self._add(batch, of_layout, layout)
        return refused

    def close(self, watermark_ms: int) -> Iterator[Pane]:
        """The panes that the watermark has passed, oldest first."""
        ends_ms = (start for start in self._open if start + self._width_ms - 1 <= watermark_ms)
        for start_ms in sorted(ends_ms):
            for code, pane in sorted(self._open.pop(start_ms).items()):
                yield self._closed(self._names.all[code], start_ms, pane)

    def _within_room(
        self, batch: Batch, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], list[DeadLetter]]:
        """In order of arrival, as the job counts."""
        codes, starts = batch.codes[rows], self._starts(batch.times_ms[rows])
        order, edges = _grouped(codes, starts, self._width_ms)
        is_kept = np.ones(len(rows), dtype=np.bool_)
        for begin, end in itertools.pairwise(edges.tolist()):
            members = order[begin:end]
            pane = self._pane(int(starts[members[0]]), int(codes[members[0]]))
            room = max(0, self._most - pane.n_taken)
            pane.n_taken += len(members)
            is_kept[members[room:]] = False
        refused = [self.refusal(batch, row, Reason.PANE_FULL) for row in rows[~is_kept].tolist()]
        return rows[is_kept], refused

    def refusal(self, batch: Batch, row: int, reason: Reason) -> DeadLetter:
        """The dead letter of a row that reaches no pane."""
        code = int(batch.codes[row])
        return refusal(
            self._config,
            reason,
            model=None if code < 0 else self._names.all[code],
            payload=batch.rows.payload(row),
            partition=int(batch.partitions[row]),
            offset=int(batch.offsets[row]),
            event_time_ms=int(batch.times_ms[row]),
        )

    def _by_layout(
        self, batch: Batch, rows: NDArray[np.intp]
    ) -> Iterator[tuple[Layout, NDArray[np.intp]]]:
        codes = batch.codes[rows]
        there = np.flatnonzero(np.bincount(codes)).tolist()
        of_codes = {code: self._layouts.of(self._names.all[code]) for code in there}
        layouts = {id(layout): layout for layout in of_codes.values()}
        if len(layouts) == 1:
            yield next(iter(layouts.values())), rows
            return
        for layout in layouts.values():
            mine = [code for code, other in of_codes.items() if other is layout]
            yield layout, rows[np.isin(codes, mine)]

    def _add(self, batch: Batch, rows: NDArray[np.intp], layout: Layout) -> None:
        """The rows of each pane side by side, in the order in which they came."""
        codes, starts = batch.codes[rows], self._starts(batch.times_ms[rows])
        order, edges = _grouped(codes, starts, self._width_ms)
        rows, codes, starts = rows[order], codes[order], starts[order]

        def names() -> list[str]:
            pairs = zip(batch.partitions[rows].tolist(), batch.offsets[rows].tolist(), strict=True)
            return [f"{partition}:{offset}" for partition, offset in pairs]

        read = batch.rows.read(layout, rows, names)
        read = self._with_room(read, starts, codes, edges)
        for row, error in read.unusable.items():
            message, place = read.where(row)
            pane = self._pane(int(starts[message]), int(codes[message]))
            pane.dead_letters.append(self.unusable(batch, int(rows[message]), error, place))
        kept = rows[read.message_of]
        places = batch.partitions[rows], batch.offsets[rows], batch.times_ms[rows]
        events = events_at(read, *places)
        labels = None
        if self._shifts or self._accuracy.needs_labels:
            labels = batch.rows.labels(kept)
        ends = np.searchsorted(read.message_of, edges).tolist()
        firsts = edges[:-1]
        groups = zip(
            starts[firsts].tolist(), codes[firsts].tolist(), ends[:-1], ends[1:], strict=True
        )
        for start_ms, code, begin, end in groups:
            if begin == end:
                # None of the rows can be used.
                continue
            part = events if end - begin == len(events) else _part(events, begin, end)
            own = None if labels is None else labels[begin:end]
            if self._shifts:
                self._add_shifted(part, code, layout, own)
            else:
                self._put(part, start_ms, code, layout, own)

    def _with_room(
        self,
        read: ReadEvents,
        starts: NDArray[np.int64],
        codes: NDArray[np.int32],
        edges: NDArray[np.intp],
    ) -> ReadEvents:
        """Refuse events of messages that hold several, where their pane is full.

        Messages were counted before they were read, each as one.
        """
        if read.messages is None:
            return read
        self.n_further_events += len(read.messages) - len(starts)
        is_refused = np.zeros(len(read.messages), dtype=np.bool_)
        row_edges = np.searchsorted(read.messages, edges).tolist()
        firsts = edges[:-1]
        for start_ms, code, (begin, end) in zip(
            starts[firsts].tolist(),
            codes[firsts].tolist(),
            itertools.pairwise(row_edges),
            strict=True,
        ):
            pane = self._pane(start_ms, code)
            is_refused[begin + max(0, self._most - pane.n_rows) : end] = True
            pane.n_rows += end - begin
        return without_rows(read, is_refused, self._config)

    def _add_shifted(
        self,
        part: EventColumns,
        code: int,
        layout: Layout,
        labels: NDArray[np.object_] | None,
    ) -> None:
        model = self._names.all[code]
        slots = list(layout.first_numbers)
        if not slots:
            raise BacktestError(
                f"simulated shifts act on the numbers of the first view, and that of {model!r} has "
                "none: name a column of numbers first"
            )
        whole = EventBatch(model, part.times_ms, part.event_ids, part.x[:, slots], labels)
        shifted = next(simulate([whole], self._shifts))
        assert shifted.rows is not None  # noqa: S101 - simulate says which rows are left
        self.effective_shifts |= shifted.changed_by
        own = None if labels is None else labels[shifted.rows]
        part = replace(part.take(shifted.rows), times_ms=shifted.times_ms)
        x = part.x.copy()
        x[:, slots] = shifted.x
        part = part.with_x(x, part.texts)
        places = np.arange(len(part), dtype=np.intp)
        read = layout.check_numbers(
            ReadEvents(places, part.event_ids, part.x, {}, part.texts, parts=part.parts)
        )
        starts = self._starts(part.times_ms)
        for row, error in read.unusable.items():
            letter = self._dead_letter_of(model, part, row, error)
            self._pane(int(starts[row]), code).dead_letters.append(letter)
        for start_ms in np.unique(starts[read.places]).tolist():
            kept = read.places[starts[read.places] == start_ms]
            of_kept = None if own is None else own[kept]
            self._put(part.take(kept), start_ms, code, layout, of_kept)

    def _put(
        self,
        part: EventColumns,
        start_ms: int,
        code: int,
        layout: Layout,
        labels: NDArray[np.object_] | None,
    ) -> None:
        pane = self._pane(start_ms, code)
        pane.parts.append(part)
        if self._accuracy.is_counted:
            of_part = None if labels is None else labels.tolist()
            pane.right = pane.right.and_also(self._accuracy.judge(layout, part, of_part))

    def _closed(self, model: str, start_ms: int, pane: _OpenPane) -> Pane:
        self._accuracy.add(model, start_ms, pane.right)
        parts = pane.parts or [self._layouts.of(model).nothing()]
        events, n_duplicates = in_order(concatenate(parts))
        end_ms = start_ms + self._width_ms
        return Pane(model, start_ms, end_ms, events, pane.dead_letters, n_duplicates)

    def _pane(self, start_ms: int, code: int) -> _OpenPane:
        return self._open.setdefault(start_ms, {}).setdefault(code, _OpenPane())

    def _starts(self, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(times_ms - times_ms % self._width_ms)

    def unusable(
        self, batch: Batch, row: int, error: UnusableEventError, place: int = 0
    ) -> DeadLetter:
        """The dead letter of a row that cannot be read, or of one of the events that it holds."""
        return dead_letter(
            error.reason,
            error.detail,
            model=self._names.all[int(batch.codes[row])],
            partition=int(batch.partitions[row]),
            offset=int(batch.offsets[row]),
            row=place,
            event_time_ms=int(batch.times_ms[row]),
            payload=batch.rows.payload(row),
            most_payload_bytes=self._config.input.dead_letter_payload_bytes,
            event_id=error.event_id,
        )

    def _dead_letter_of(
        self, model: str, events: EventColumns, row: int, error: UnusableEventError
    ) -> DeadLetter:
        """Of an event that a shift made unusable."""
        return dead_letter(
            error.reason,
            error.detail,
            model=model,
            partition=int(events.partitions[row]),
            offset=int(events.offsets[row]),
            row=int(events.rows[row]),
            event_time_ms=int(events.times_ms[row]),
            event_id=error.event_id,
        )


def _part(events: EventColumns, begin: int, end: int) -> EventColumns:
    """Return the events of one pane; a dictionary that is larger is cut to what they hold."""
    part = events.take(slice(begin, end))
    if all(len(texts) <= len(part) for texts in part.texts.values()):
        return part
    return part.with_x(*in_order_of_appearance(part.x, part.texts))


def _grouped(
    codes: NDArray[np.int32], starts: NDArray[np.int64], width_ms: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order that brings the rows of each pane together, and where the panes begin and end."""
    n_rows = len(codes)
    if not n_rows:
        return np.empty(0, dtype=np.intp), np.zeros(1, dtype=np.intp)
    first_ms, n_codes = int(starts.min()), int(codes.max()) + 1
    are_few = (int(starts.max()) - first_ms) // width_ms < _FEW_KEYS // n_codes
    # Sorting the starts takes longer than all else here.
    panes = (
        (starts - first_ms) // width_ms if are_few else np.unique(starts, return_inverse=True)[1]
    )
    keys = panes * n_codes + codes
    order = np.argsort(keys.astype(np.uint16) if are_few else keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    return order, np.concatenate([[0], edges, [n_rows]])
