"""Which rows go into a pane, by the rules by which the job decides it on the JVM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Batch
from flink_jobs.records.dead_letters import Reason
from flink_jobs.times import NEVER_MS


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
        self, batch: Batch, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], list[tuple[Reason, NDArray[np.intp]]]]:
        """Those of the chosen rows that go into panes, and the others by reason."""
        refused = []
        sizes = batch.rows.sizes(rows) if batch.rows.has_payloads else np.zeros(len(rows), np.int64)
        times_ms = batch.times_ms[rows]
        ends_ms = times_ms - times_ms % self._width_ms + self._width_ms
        # The window operator's own rule; before the first row nothing is late.
        is_late = ends_ms - 1 <= batch.reached_ms[rows] - self._input.max_out_of_orderness_ms
        open_rows = np.ones(len(rows), dtype=np.bool_)
        for reason, is_wrong in (
            (Reason.MISSING_KEY, batch.codes[rows] < 0),
            (Reason.MISSING_PAYLOAD, sizes < 0),
            (Reason.OVERSIZED_PAYLOAD, sizes > self._input.max_payload_bytes),
            (Reason.FAR_FUTURE, times_ms > self._horizon_ms),
            (Reason.LATE, is_late),
        ):
            wrong = open_rows & is_wrong
            if wrong.any():
                refused.append((reason, rows[wrong]))
                open_rows &= ~wrong
                if reason is Reason.LATE:
                    late_ms = batch.reached_ms[rows[wrong]] - times_ms[wrong]
                    self.latest_ms = max(self.latest_ms, int(late_ms.max()))
        return rows[open_rows], refused
