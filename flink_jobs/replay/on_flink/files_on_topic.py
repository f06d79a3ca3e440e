"""Files as a topic, in the order in which an in-process backtest reads them, and the way back."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, Names, Source
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.intake.formats.base import WHOLE, ReadEvents
from flink_jobs.intake.formats.json import (
    HEARTBEAT_KEY,
    encode_event,
)
from flink_jobs.intake.layouts import Layout, Layouts
from flink_jobs.intake.writing import EventWriter
from flink_jobs.records.alerts import Alert
from flink_jobs.records.dead_letters import DeadLetter, Reason
from flink_jobs.replay.driver import DeadLetterLog
from flink_jobs.replay.pane_builder import PaneBuilder
from flink_jobs.replay.result import MOST_DEAD_LETTERS
from flink_jobs.replay.worker import misplaced_letters

_UNREADABLE = b"{"
# Decided on what is in a payload; all others hold for the row whatever it holds.
_OF_PAYLOADS = frozenset(
    {
        Reason.OVERSIZED_PAYLOAD,
        Reason.UNDECODABLE,
        Reason.UNKNOWN_SCHEMA_VERSION,
        Reason.INVALID_EVENT,
        Reason.WRONG_LENGTH,
        Reason.NOT_FINITE,
        Reason.NOT_A_DISTRIBUTION,
    }
)


class FilesOnTopic:
    """The rows of files as records: the key is the model, the timestamp the event time.

    Lines that are events as they are go as they are, and it is the job that refuses the bad ones.
    Other rows are read here and go as Loudly's own events, one for each event that a row holds, of
    which the job sees only what its views read; what cannot be read goes as a record that the job
    refuses too, and its dead letter is kept here.
    Rows without a place in event time cannot be on a topic: only their dead letters are kept.

    Parameters
    ----------
    source : Source
    config : DriftJobConfig
    names : Names
        Those with which the source is read.

    Attributes
    ----------
    misplaced : DeadLetterLog
        Of the rows that have no place on the topic.
    n_more : Counter
        By model the events beyond the first one that rows held.
    """

    def __init__(self, source: Source, config: DriftJobConfig, names: Names) -> None:
        self._source = source
        self._config = config
        self._names = names
        self._layouts = Layouts(config)
        self._builder = PaneBuilder(config, names)
        self._places = _Places()
        self._kept = _Kept()
        self._are_as_they_were = True
        self.n_more: Counter[str] = Counter()
        self.misplaced = DeadLetterLog()

    @property
    def n_records(self) -> int:
        """Records so far."""
        return self._places.n

    def records(self, batch: Batch) -> Iterator[tuple[bytes | None, bytes, int]]:
        """Key, value and timestamp of the rows of a batch, in their order.

        Raises
        ------
        SourceError
            When Kafka has no timestamp for an event time.
        """
        limit = self._config.input.dead_letter_payload_bytes
        self.misplaced.add(misplaced_letters(batch, batch.misplaced, self._names, limit))
        written = self._written(batch)
        codes, times_ms = batch.codes.tolist(), batch.times_ms.tolist()
        keys = [name.encode(errors="replace") for name in self._names.all]
        self._places.add(batch, [len(values) for values in written])
        for row, (code, time_ms, values) in enumerate(zip(codes, times_ms, written, strict=True)):
            if time_ms < 0:
                where = self._source.place(int(batch.partitions[row]), int(batch.offsets[row]))
                raise SourceError(f"{where} lies before 1970, which no Kafka record can")
            for value in values:
                yield None if code < 0 else keys[code], value, time_ms

    def alert(self, alert: Alert) -> Alert:
        """The alert with the places of its exemplars in the files."""
        moved = []
        for each in alert.exemplars:
            place = self._places.of(each.offset)
            moved.append(msgspec.structs.replace(each, **place._asdict()))
        return msgspec.structs.replace(alert, exemplars=moved)

    def letters(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """Dead letters of the job with their places in the files."""
        for letter in letters:
            kept = self._kept.of(letter) if letter.reason in _OF_PAYLOADS else None
            if kept is not None:
                yield kept
                continue
            place = self._places.of(letter.offset)
            yield msgspec.structs.replace(letter, **place._asdict())

    def with_payloads(self, letters: list[DeadLetter]) -> list[DeadLetter]:
        """Letters with the payloads of the files, where the topic had others."""
        wanted = {
            (letter.partition, letter.offset): place
            for place, letter in enumerate(letters)
            if letter.reason not in _OF_PAYLOADS
        }
        if self._are_as_they_were or not wanted:
            return letters
        found = list(letters)
        for batch in self._source.batches(Names(), 0):
            pairs = zip(batch.partitions.tolist(), batch.offsets.tolist(), strict=True)
            for row, pair in enumerate(pairs):
                if (place := wanted.get(pair)) is not None:
                    found[place] = self._with_payload(letters[place], batch.rows.payload(row))
        return found

    def _with_payload(self, letter: DeadLetter, payload: bytes | None) -> DeadLetter:
        most = self._config.input.dead_letter_payload_bytes
        return msgspec.structs.replace(
            letter,
            payload=None if payload is None else payload[:most],
            payload_bytes=len(payload or b""),
        )

    def _written(self, batch: Batch) -> list[list[bytes]]:
        """The values of the records that each row becomes: most often one."""
        letters: dict[tuple[int, int], DeadLetter] = {}
        rows = np.arange(len(batch.codes))
        written = (
            [[batch.rows.payload(row) or b""] for row in rows.tolist()]
            if batch.rows.are_events
            else self._as_events(batch, letters)
        )
        most = self._config.input.max_payload_bytes
        # Nothing but its size is looked at, and the broker has a limit of its own.
        if batch.rows.has_payloads:
            for row in np.flatnonzero(batch.rows.sizes(rows) > most).tolist():
                written[row], self._are_as_they_were = [b" " * (most + 1)], False
                letters[row, 0] = self._builder.refusal(batch, row, Reason.OVERSIZED_PAYLOAD)
        firsts = np.cumsum([self._places.n, *map(len, written)]).tolist()
        for (row, place), letter in sorted(letters.items(), key=lambda item: item[0]):
            if place < len(written[row]):
                self._kept.add(firsts[row] + place, letter)
        return written

    def _as_events(
        self, batch: Batch, letters: dict[tuple[int, int], DeadLetter]
    ) -> list[list[bytes]]:
        self._are_as_they_were = False
        written = [[_UNREADABLE]] * len(batch.codes)
        is_event = batch.codes != self._names.get(HEARTBEAT_KEY, -2)
        for code in np.unique(batch.codes[is_event & (batch.codes >= 0)]).tolist():
            self._read(batch, code, written, letters)
        return written

    def _read(
        self,
        batch: Batch,
        code: int,
        written: list[list[bytes]],
        letters: dict[tuple[int, int], DeadLetter],
    ) -> None:
        model = self._names.all[code]
        rows, layout = np.flatnonzero(batch.codes == code), self._layouts.of(model)

        def names() -> list[str]:
            pairs = zip(batch.partitions[rows].tolist(), batch.offsets[rows].tolist(), strict=True)
            return [f"{partition}:{offset}" for partition, offset in pairs]

        read = batch.rows.read(layout, rows, names)
        values = [_UNREADABLE] * (len(rows) if read.messages is None else len(read.messages))
        for number, error in read.unusable.items():
            message, place = read.where(number)
            row = int(rows[message])
            letters[row, place] = self._builder.unusable(batch, row, error, place)
        for number, value in zip(read.places.tolist(), self._events(layout, read), strict=True):
            values[number] = value
        if read.messages is None:
            for row, value in zip(rows.tolist(), values, strict=True):
                written[row] = [value]
            return
        edges = np.searchsorted(read.messages, np.arange(len(rows) + 1)).tolist()
        for row, (begin, end) in zip(rows.tolist(), pairwise(edges), strict=True):
            written[row] = values[begin:end]
        self.n_more[model] += len(values) - len(rows)

    def _events(self, layout: Layout, read: ReadEvents) -> Iterator[bytes]:
        write = EventWriter(layout)
        parts = [WHOLE] * len(read.event_ids) if read.parts is None else read.parts.tolist()
        for event_id, x, has in zip(read.event_ids, read.x.tolist(), parts, strict=True):
            yield self._checked(encode_event(write.event(event_id, x, read.texts, has)))

    def _checked(self, payload: bytes) -> bytes:
        most = self._config.input.max_payload_bytes
        if len(payload) > most:
            raise BacktestError(
                f"an event takes {len(payload):,} bytes as JSON and input.max_payload_bytes is "
                f"{most:,}: raise it"
            )
        return payload


class _Place(NamedTuple):
    """A row of a file, and an event of those that it holds."""

    partition: int
    offset: int
    row: int


class _Places:
    """The rows of the files that records are: runs of consecutive rows, or of events of one row."""

    def __init__(self) -> None:
        self.n = 0
        self._firsts, self._partitions, self._rows = array("q"), array("i"), array("q")
        self._is_one_row = array("b")

    def add(self, batch: Batch, n_events: Sequence[int]) -> None:
        partitions, offsets = batch.partitions, batch.offsets
        if not len(offsets):
            return
        counts = np.array(n_events, dtype=np.int64)
        are_many = counts != 1
        is_new = (np.diff(offsets) != 1) | (np.diff(partitions) != 0)
        # A row that holds several events is a run of its own.
        is_new |= are_many[1:] | are_many[:-1]
        firsts = self.n + np.cumsum(counts) - counts
        for start in [0, *(np.flatnonzero(is_new) + 1).tolist()]:
            if counts[start]:
                self._firsts.append(int(firsts[start]))
                self._partitions.append(int(partitions[start]))
                self._rows.append(int(offsets[start]))
                self._is_one_row.append(bool(are_many[start]))
        self.n += int(counts.sum())

    def of(self, offset: int) -> _Place:
        run = bisect_right(self._firsts, offset) - 1
        partition, row, place = self._partitions[run], self._rows[run], offset - self._firsts[run]
        if self._is_one_row[run]:
            return _Place(partition, row, place)
        return _Place(partition, row + place, 0)


class _Kept:
    """Dead letters that are known here: of all the reason, of the first ones everything.

    A letter among the first of all is among the first of these.
    """

    def __init__(self) -> None:
        self._reasons: dict[int, Reason] = {}
        self._first: dict[int, DeadLetter] = {}

    def add(self, offset: int, letter: DeadLetter) -> None:
        self._reasons[offset] = letter.reason
        if len(self._first) < MOST_DEAD_LETTERS:
            self._first[offset] = letter

    def of(self, letter: DeadLetter) -> DeadLetter | None:
        if (kept := self._first.get(letter.offset)) is not None:
            return kept
        reason = self._reasons.get(letter.offset)
        return None if reason is None else msgspec.structs.replace(letter, reason=reason)
