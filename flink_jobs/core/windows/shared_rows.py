"""What overlapping windows can share of the test of their rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from operator import is_
from typing import NamedTuple

from detectors import DriftDetector, KSTest, PlacedRows, TwoSampleResult, join_placed
from flink_jobs.core.state.segments import Segment
from flink_jobs.core.windows.closed_window import ClosedWindow

# 8 MB; windows of 1,000 events of 100 models take half of it in 10 dimensions.
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
        self._last_parts: list[PlacedRows | None] = []
        self._last_joined: PlacedRows | None = None

    def test(
        self, model: str, window: ClosedWindow, detector: DriftDetector, fingerprint: str
    ) -> TwoSampleResult | None:
        """The result for a window of reduced rows, without p-values and shifts of dimensions.

        None where the window has to be tested by itself.
        """
        test = detector.two_sample_test
        if not isinstance(test, KSTest):
            return None
        if detector.n_ref > _MOST_CELLS_PER_EVENT * window.n_tested:
            return None
        rows = self._joined(model, window.segments, test, fingerprint)
        return None if rows is None else test.test_placed(rows.take(window.rows))

    def _joined(
        self, model: str, segments: Sequence[Segment], test: KSTest, fingerprint: str
    ) -> PlacedRows | None:
        """The rows of some panes, one after the other; None where one of them has no places.

        Most windows lie in the panes of the one before.
        """
        parts = [self._placed(model, segment, test, fingerprint) for segment in segments]
        if not _are_same(parts, self._last_parts):
            placed = [part for part in parts if part is not None]
            self._last_joined = join_placed(placed) if len(placed) == len(parts) else None
            self._last_parts = parts
        return self._last_joined

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


def _are_same(parts: Sequence[PlacedRows | None], others: Sequence[PlacedRows | None]) -> bool:
    return len(parts) == len(others) and all(map(is_, parts, others))
