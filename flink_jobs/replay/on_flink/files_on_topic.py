"""Files as a topic, in the order in which an in-process backtest reads them, and the way back."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch, Names, Source
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.intake.formats.base import WHOLE
from flink_jobs.intake.formats.json import (
    HEARTBEAT_KEY,
    encode_event,
)
from flink_jobs.intake.layouts import Layouts
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
    Other rows are read here and go as events, of which the job sees only what its reducers read;
    what cannot be read goes as a record that the job refuses too, and its dead letter is kept here.
    Rows without a place in event time cannot be on a topic: only their dead letters are kept.

    Parameters
    ----------
    source : Source
    config : DriftJobConfig
    names : Names
        Those with which the source is read.
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
        payloads = self._payloads(batch)
        codes, times_ms = batch.codes.tolist(), batch.times_ms.tolist()
        keys = [name.encode(errors="replace") for name in self._names.all]
        self._places.add(batch)
        for row, (code, time_ms, value) in enumerate(zip(codes, times_ms, payloads, strict=True)):
            if time_ms < 0:
                where = self._source.place(int(batch.partitions[row]), int(batch.offsets[row]))
                raise SourceError(f"{where} lies before 1970, which no Kafka record can")
            yield None if code < 0 else keys[code], value, time_ms

    def alert(self, alert: Alert) -> Alert:
        """The alert with the places of its exemplars in the files."""
        moved = []
        for each in alert.exemplars:
            partition, offset = self._places.row(each.offset)
            moved.append(msgspec.structs.replace(each, partition=partition, offset=offset))
        return msgspec.structs.replace(alert, exemplars=moved)

    def letters(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """Dead letters of the job with their places in the files."""
        for letter in letters:
            kept = self._kept.of(letter) if letter.reason in _OF_PAYLOADS else None
            if kept is not None:
                yield kept
                continue
            partition, offset = self._places.row(letter.offset)
            yield msgspec.structs.replace(letter, partition=partition, offset=offset)

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

    def _payloads(self, batch: Batch) -> list[bytes]:
        letters: dict[int, DeadLetter] = {}
        rows = np.arange(len(batch.codes))
        payloads = (
            [batch.rows.payload(row) or b"" for row in rows.tolist()]
            if batch.rows.are_events
            else self._as_events(batch, letters)
        )
        most = self._config.input.max_payload_bytes
        # Nothing but its size is looked at, and the broker has a limit of its own.
        if batch.rows.has_payloads:
            for row in np.flatnonzero(batch.rows.sizes(rows) > most).tolist():
                payloads[row], self._are_as_they_were = b" " * (most + 1), False
                letters[row] = self._builder.refusal(batch, row, Reason.OVERSIZED_PAYLOAD)
        for row, letter in sorted(letters.items()):
            self._kept.add(self._places.n + row, letter)
        return payloads

    def _as_events(self, batch: Batch, letters: dict[int, DeadLetter]) -> list[bytes]:
        self._are_as_they_were = False
        payloads = [_UNREADABLE] * len(batch.codes)
        is_event = batch.codes != self._names.get(HEARTBEAT_KEY, -2)
        for code in np.unique(batch.codes[is_event & (batch.codes >= 0)]).tolist():
            self._read(batch, code, payloads, letters)
        return payloads

    def _read(
        self, batch: Batch, code: int, payloads: list[bytes], letters: dict[int, DeadLetter]
    ) -> None:
        model = self._names.all[code]
        rows, layout = np.flatnonzero(batch.codes == code), self._layouts.of(model)

        def names() -> list[str]:
            pairs = zip(batch.partitions[rows].tolist(), batch.offsets[rows].tolist(), strict=True)
            return [f"{partition}:{offset}" for partition, offset in pairs]

        read = batch.rows.read(layout, rows, names)
        for place, error in read.unusable.items():
            row = int(rows[place])
            letters[row] = self._builder.unusable(batch, row, error)
        write = EventWriter(layout)
        parts = [WHOLE] * len(read.places) if read.parts is None else read.parts.tolist()
        for row, event_id, x, own in zip(
            rows[read.message_of].tolist(), read.event_ids, read.x.tolist(), parts, strict=True
        ):
            event = write.event(event_id, x, read.texts, own)
            payloads[row] = self._checked(encode_event(event))

    def _checked(self, payload: bytes) -> bytes:
        most = self._config.input.max_payload_bytes
        if len(payload) > most:
            raise BacktestError(
                f"an event takes {len(payload):,} bytes as JSON and input.max_payload_bytes is "
                f"{most:,}: raise it"
            )
        return payload


class _Places:
    """Which row of the files each record is: runs of consecutive rows."""

    def __init__(self) -> None:
        self.n = 0
        self._firsts, self._partitions, self._rows = array("q"), array("i"), array("q")

    def add(self, batch: Batch) -> None:
        partitions, offsets = batch.partitions, batch.offsets
        if not len(offsets):
            return
        is_new = (np.diff(offsets) != 1) | (np.diff(partitions) != 0)
        for start in [0, *(np.flatnonzero(is_new) + 1).tolist()]:
            self._firsts.append(self.n + start)
            self._partitions.append(int(partitions[start]))
            self._rows.append(int(offsets[start]))
        self.n += len(offsets)

    def row(self, offset: int) -> tuple[int, int]:
        run = bisect_right(self._firsts, offset) - 1
        return self._partitions[run], self._rows[run] + offset - self._firsts[run]


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
