"""What overlapping windows can share of the test of their rows."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from detectors import DriftDetector, KSTest, PlacedRows, TwoSampleResult, join_placed
from flink_jobs.core.closed_window import ClosedWindow
from flink_jobs.core.segments import Segment

# 16 MB; windows of 1,000 events of 100 models take half of it in 10 dimensions.
_MOST_VALUES = 2_000_000
# Counting goes over all cells, of which each event of the reference makes one: with more of them a
# small window is compared faster by itself.
_MOST_CELLS_PER_EVENT = 4


class _Kept(NamedTuple):
    n_values: int
    x_bytes: bytes
    rows: PlacedRows | None


class SharedRows:
    """Keeps the rows of recent panes as the Kolmogorov–Smirnov test has looked them up.

    Each row is looked up among the reference once, not once for each window that holds it. What is
    kept is compared with the pane's own bytes before it is used, so it can never disagree with the
    state; results are those of a test without it, to the last bit.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, int], _Kept] = OrderedDict()
        self._n_values = 0

    def test(
        self, model: str, window: ClosedWindow, detector: DriftDetector, fingerprint: str
    ) -> TwoSampleResult | None:
        """The result for a window of reduced rows, without the shifts of the dimensions.

        None where the window has to be tested by itself.
        """
        test = detector.two_sample_test
        if not isinstance(test, KSTest):
            return None
        if detector.n_ref > _MOST_CELLS_PER_EVENT * window.n_tested:
            return None
        parts = [self._placed(model, segment, test, fingerprint) for segment in window.segments]
        placed = [part for part in parts if part is not None]
        if len(placed) < len(parts):
            return None
        return test.test_placed(join_placed(placed).take(window.rows))

    def _placed(
        self, model: str, segment: Segment, test: KSTest, fingerprint: str
    ) -> PlacedRows | None:
        key = (model, fingerprint, segment.start_ms)
        kept = self._kept.get(key)
        if kept is not None and kept.x_bytes == segment.x_bytes:
            self._kept.move_to_end(key)
            return kept.rows
        if kept is not None:
            self._forget(key)
        x = segment.x
        rows = test.place(x)
        self._kept[key] = _Kept(x.size, segment.x_bytes, rows)
        self._n_values += x.size
        while self._n_values > _MOST_VALUES:
            self._forget(next(iter(self._kept)))
        return rows

    def _forget(self, key: tuple[str, str, int]) -> None:
        self._n_values -= self._kept.pop(key).n_values
