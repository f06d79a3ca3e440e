"""The records that go into a pane: one rule, as SQL for the job and as NumPy for backtests.

A record is late when the end of its pane minus 1 ms is at or below the watermark: the rule by which
Flink's window operator drops rows. Before the first record nothing is late.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.finding import FOUND, Found, found_query
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.records.dead_letters import Reason
from flink_jobs.times import NEVER_MS

HEARTBEAT = "heartbeat"
"""The verdict of SQL on a heartbeat, which becomes neither an event nor a dead letter."""


def shard_sql(config: DriftJobConfig) -> str:
    """Write which shard a model belongs to: a number from 0, the same on each machine."""
    n_shards = config.job.max_parallelism
    return f"MOD(MOD(HASH_CODE(model), {n_shards}) + {n_shards}, {n_shards})"


def interval_sql(length_ms: int) -> str:
    """Write a length of time; the planner reads no literal of more than 999 days."""
    return f"{length_ms} * INTERVAL '0.001' SECOND(1, 3)"


def arrivals_query(config: DriftJobConfig) -> str:
    """Judge each record alone, and refuse those that come when a pane is full.

    The count of a pane's records, in order of arrival, bounds what the window holds of them. It
    also brings them to one subtask behind a shuffle, whose watermark is that of all sources: there,
    and not before, it can be told which of them the windows would drop.

    The cast cuts an oversized payload off, and hands any other on as it is, so that no byte of it
    is looked at; SQL has no length of bytes. Refused records are counted and taken off, since an
    expression that looks at a verdict would have the planner compute it again.
    """
    limits, panes, found = config.input, config.panes, Found.of(config)
    names = ", ".join(["model", *FOUND, *found.part_names, "detail"])
    return f"""
        SELECT shard, {names}, COALESCE(
                verdict,
                CASE WHEN n_came - n_refused > {panes.max_raw_events} THEN '{Reason.PANE_FULL}' END
            ) AS verdict
        FROM (
            SELECT *, COUNT(*) OVER pane AS n_came, COUNT(verdict) OVER pane AS n_refused
            FROM (
                SELECT {shard_sql(config)} AS shard, {names}, CASE
                    WHEN model = '{HEARTBEAT_KEY}' THEN '{HEARTBEAT}'
                    {found.before_reading}
                    WHEN payload IS NULL THEN '{Reason.MISSING_PAYLOAD}'
                    WHEN CAST(payload AS VARBINARY({limits.max_payload_bytes})) <> payload
                        THEN '{Reason.OVERSIZED_PAYLOAD}'
                    {found.after_reading}
                    WHEN ts > CURRENT_TIMESTAMP + {interval_sql(limits.max_future_ms)}
                        THEN '{Reason.FAR_FUTURE}'
                END AS verdict
                FROM ({found_query(config)})
            )
            WINDOW pane AS (
                PARTITION BY model, event_ms / {panes.width_ms} ORDER BY PROCTIME()
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            )
        )
    """  # noqa: S608 - the numbers and names in it are ours


def triage_query(config: DriftJobConfig) -> str:
    """Decide once which of the ``arrivals`` go into a pane.

    ``verdict`` is NULL for those, ``heartbeat``, or the reason of a dead letter. A record is late
    when the end of its pane minus 1 ms is at or below the watermark: the rule by which the window
    operator drops rows.
    """
    width_ms = config.panes.width_ms
    # MOD has the sign of what is divided, and event times in payloads may lie before 1970.
    in_pane_ms = f"MOD(MOD(event_ms, {width_ms}) + {width_ms}, {width_ms})"
    names = ", ".join(["model", *FOUND, *Found.of(config).part_names, "detail"])
    return f"""
        SELECT shard, {names}, CASE
            WHEN (verdict IS NULL OR verdict = '{Reason.PANE_FULL}')
                AND TO_TIMESTAMP_LTZ(event_ms - {in_pane_ms} + {width_ms - 1}, 3)
                    <= CURRENT_WATERMARK(ts) THEN '{Reason.LATE}'
            ELSE verdict
        END AS verdict
        FROM arrivals
    """  # noqa: S608 - the numbers and names in it are ours


class Arrivals(NamedTuple):
    """Records in the order of their arrival, as arrays of shape (n,).

    Attributes
    ----------
    has_model : ndarray of bool
    sizes : ndarray of int64
        Bytes of the payload; negative where there is none.
    times_ms : ndarray of int64
        Event times.
    reached_ms : ndarray of int64
        The latest event time that had come before the record, in any partition.
    """

    has_model: NDArray[np.bool_]
    sizes: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    reached_ms: NDArray[np.int64]


class Triage:
    """Judges rows one by one, in their order.

    Parameters
    ----------
    config : DriftJobConfig
    horizon_ms : int
        Times beyond it are too far in the future.

    Attributes
    ----------
    latest_ms : int
        How late the row came that came latest of those that were too late.
    """

    def __init__(self, config: DriftJobConfig, horizon_ms: int) -> None:
        self._input = config.input
        self._width_ms = config.panes.width_ms
        self._horizon_ms = horizon_ms
        self.latest_ms = 0

    def watermark_ms(self, reached_ms: int) -> int:
        """The watermark where event time has come so far."""
        if reached_ms == NEVER_MS:
            return NEVER_MS
        return reached_ms - self._input.max_out_of_orderness_ms

    def judge(
        self, came: Arrivals
    ) -> tuple[NDArray[np.intp], list[tuple[Reason, NDArray[np.intp]]]]:
        """Return the places of those that go into panes, and those of the others by reason."""
        refused = []
        width_ms = self._width_ms
        ends_ms = came.times_ms - came.times_ms % width_ms + width_ms
        is_late = ends_ms - 1 <= came.reached_ms - self._input.max_out_of_orderness_ms
        is_taken = np.ones(len(came.times_ms), dtype=np.bool_)
        for reason, is_wrong in (
            (Reason.MISSING_KEY, ~came.has_model),
            (Reason.MISSING_PAYLOAD, came.sizes < 0),
            (Reason.OVERSIZED_PAYLOAD, came.sizes > self._input.max_payload_bytes),
            (Reason.FAR_FUTURE, came.times_ms > self._horizon_ms),
            (Reason.LATE, is_late),
        ):
            wrong = np.flatnonzero(is_taken & is_wrong)
            if len(wrong):
                refused.append((reason, wrong))
                is_taken[wrong] = False
                if reason is Reason.LATE:
                    late_ms = came.reached_ms[wrong] - came.times_ms[wrong]
                    self.latest_ms = max(self.latest_ms, int(late_ms.max()))
        return np.flatnonzero(is_taken), refused
