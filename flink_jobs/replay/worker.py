"""One process of a backtest: reads the whole history and replays its own models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.histories.batches import Batch, Misplaced, Names, Source
from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.known_drifts.shift_table import Shift
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.intake.triage import Arrivals, Triage
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.dead_letters import DeadLetter, dead_letter
from flink_jobs.records.status import ModelStatus
from flink_jobs.replay.accuracy import AccuracyCounts
from flink_jobs.replay.columns_seen import ColumnsSeen
from flink_jobs.replay.driver import DeadLetterLog, Replay
from flink_jobs.replay.pane_builder import PaneBuilder
from flink_jobs.replay.result import ModelSummary
from flink_jobs.replay.result_folder import told_if_full
from flink_jobs.replay.sorted_records import Segment, Spool, evidence_spool
from flink_jobs.times import FOREVER_MS, NEVER_MS


@dataclass(frozen=True)
class Order:
    """The job that all processes of a backtest share."""

    config: DriftJobConfig
    source: Source
    folder: Path
    artefacts: Artefacts
    horizon_ms: int
    shifts: Sequence[Shift] = ()


@dataclass(frozen=True)
class PartResult:
    """The findings of one process.

    ``n_read`` counts all rows, ``n_events`` those that are its own, and ``n_further_events`` what
    these hold more than one event each; the first process counts the heartbeats.
    """

    n_read: int
    n_events: int
    n_further_events: int
    n_heartbeats: int
    start_ms: int
    end_ms: int
    models: dict[str, ModelSummary]
    n_by_reason: dict[str, int]
    dead_letters: list[DeadLetter]
    alerts: list[Segment]
    scores: list[Segment]
    evidence: list[Segment]
    accuracy: pa.Table
    no_accuracy: str
    n_alerts: int
    n_scores: int
    n_duplicates: int
    latest_ms: int
    references_missing: dict[str, int]
    references_unusable: dict[str, int]
    effective_shifts: set[int]
    columns_seen: set[str] = field(default_factory=set)
    columns_unseen: set[str] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)
    statuses: list[ModelStatus] = field(default_factory=list)


def run_part(order: Order, part: int, n_parts: int, tell: Callable[[int, int], None]) -> PartResult:
    """Replay every ``n_parts``-th model, counted in the order in which they appear.

    Parameters
    ----------
    order : Order
    part, n_parts : int
    tell : callable
        Told how many rows have been read, and how much of the source.
    """
    # The folder of this run lies in the one for the result.
    with told_if_full(order.folder.parent), closing(_Part(order, part, n_parts)) as runner:
        n_read = 0
        exchange = Exchange(order.folder, part, n_parts)
        for batch in order.source.batches(runner.names, order.horizon_ms, exchange):
            n_read += len(batch)
            runner.take(batch)
            tell(n_read, batch.done)
        return runner.end(n_read)


class _Part:
    def __init__(self, order: Order, part: int, n_parts: int) -> None:
        self.names = Names()
        self._order = order
        self._part, self._n_parts = part, n_parts
        self._triage = Triage(order.config, order.horizon_ms)
        self._accuracy = AccuracyCounts(order.config)
        self._builder = PaneBuilder(order.config, self.names, order.shifts, self._accuracy)
        self._log = DeadLetterLog()
        self._alerts = Spool[Alert](order.folder / f"alerts-{part}.spool")
        self._scores = Spool[Score](order.folder / f"scores-{part}.spool")
        self._evidence = evidence_spool(order.folder / f"evidence-{part}.spool")
        self._replay = Replay(
            order.config, order.artefacts, self._alerts, self._scores, self._evidence, self._log
        )
        self._columns = ColumnsSeen(order.config)
        self._n_events = self._n_heartbeats = 0
        self._start_ms, self._end_ms = FOREVER_MS, NEVER_MS

    def close(self) -> None:
        """Close the files that are written."""
        with ExitStack() as stack:
            # All of them, also where a disk is full and one cannot be closed.
            for spool in (self._alerts, self._scores, self._evidence):
                stack.callback(spool.close)

    def take(self, batch: Batch) -> None:
        """Put own rows into panes and replay what is complete."""
        self._log.add(self._misplaced(batch))
        rows = self._own(batch)
        self._n_events += len(rows)
        taken, refused = self._triage.judge(arrivals(batch, rows))
        for reason, places in refused:
            wrong = rows[places].tolist()
            self._log.add(self._builder.refusal(batch, row, reason) for row in wrong)
        rows = rows[taken]
        if len(rows):
            times_ms = batch.times_ms[rows]
            self._start_ms = min(self._start_ms, int(times_ms.min()))
            self._end_ms = max(self._end_ms, int(times_ms.max()))
            self._log.add(self._builder.add(batch, rows))
        self._advance(self._triage.watermark_ms(batch.reached_after_ms))

    def end(self, n_read: int) -> PartResult:
        """Let event time end, and sort what was written."""
        self._close_panes(FOREVER_MS)
        self._replay.end()
        folder, log, replay = self._order.folder, self._log, self._replay
        n_alerts, n_scores = len(self._alerts), len(self._scores)
        names = sorted(replay.tallies.keys() | log.n_by_model.keys())
        tallies = replay.tallies
        return PartResult(
            n_read=n_read,
            n_events=self._n_events,
            n_further_events=self._builder.n_further_events,
            n_heartbeats=self._n_heartbeats,
            start_ms=self._start_ms,
            end_ms=self._end_ms,
            models={
                name: tallies[name].summary(log.n_by_model[name])
                if name in tallies
                else ModelSummary(n_dead_letters=log.n_by_model[name])
                for name in names
            },
            n_by_reason=dict(log.n_by_reason),
            dead_letters=log.first(),
            alerts=self._alerts.sort(folder / f"alerts-{self._part}.sorted"),
            scores=self._scores.sort(folder / f"scores-{self._part}.sorted"),
            evidence=self._evidence.sort(folder / f"evidence-{self._part}.sorted"),
            accuracy=self._accuracy.table(),
            no_accuracy=self._accuracy.problem,
            n_alerts=n_alerts,
            n_scores=n_scores,
            n_duplicates=replay.n_duplicates,
            latest_ms=self._triage.latest_ms,
            references_missing={n: k for n, k in replay.references_missing.items() if k},
            references_unusable={n: k for n, k in replay.references_unusable.items() if k},
            effective_shifts=self._builder.effective_shifts,
            columns_seen=self._columns.seen,
            columns_unseen=self._columns.unseen,
            notices=replay.notices,
            statuses=replay.statuses,
        )

    def _advance(self, watermark_ms: int) -> None:
        self._close_panes(watermark_ms)
        self._replay.advance(watermark_ms)

    def _close_panes(self, watermark_ms: int) -> None:
        for closed in self._builder.close(watermark_ms):
            self._columns.take(closed)
            self._replay.take(closed)

    def _own(self, batch: Batch) -> NDArray[np.intp]:
        """Rows without a model are those of the first process; heartbeats are nobody's."""
        codes = batch.codes
        is_own = codes % self._n_parts == self._part
        is_own[codes < 0] = self._part == 0
        if HEARTBEAT_KEY in self.names:
            is_event = codes != self.names[HEARTBEAT_KEY]
            is_own &= is_event
            self._n_heartbeats += int(np.count_nonzero(~is_event)) * (self._part == 0)
        return np.flatnonzero(is_own)

    def _misplaced(self, batch: Batch) -> list[DeadLetter]:
        mine = [m for m in batch.misplaced if max(m.code, 0) % self._n_parts == self._part]
        self._n_events += len(mine)
        most_bytes = self._order.config.input.dead_letter_payload_bytes
        return misplaced_letters(batch, mine, self.names, most_bytes)


def misplaced_letters(
    batch: Batch, misplaced: Sequence[Misplaced], names: Names, most_payload_bytes: int
) -> list[DeadLetter]:
    """The dead letters of rows of a batch that have no place in event time."""
    return [
        dead_letter(
            each.reason,
            each.detail,
            model=None if each.code < 0 else names.all[each.code],
            partition=batch.partition if each.partition < 0 else each.partition,
            offset=each.offset,
            event_time_ms=each.time_ms,
            payload=each.payload,
            most_payload_bytes=most_payload_bytes,
            event_id=each.event_id,
        )
        for each in misplaced
    ]


def arrivals(batch: Batch, rows: NDArray[np.intp]) -> Arrivals:
    """The fields of the chosen rows that triage looks at."""
    sizes = batch.rows.sizes(rows) if batch.rows.has_payloads else np.zeros(len(rows), np.int64)
    return Arrivals(batch.codes[rows] >= 0, sizes, batch.times_ms[rows], batch.reached_ms[rows])
