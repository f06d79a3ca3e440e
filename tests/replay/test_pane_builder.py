"""How rows are put into panes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.replay.pane_builder import _grouped

WIDTH_MS = 10
# Near each other, and so far apart that panes cannot be counted through.
starts = st.sampled_from([-20, 0, 10, 20, 650_000, 10**15]).map(
    lambda ms: ms // WIDTH_MS * WIDTH_MS
)
rows = st.lists(st.tuples(st.sampled_from([0, 1, 2, 40_000]), starts), max_size=60)


@given(rows)
def test_rows_of_a_pane_are_side_by_side_in_the_order_in_which_they_came(
    rows: list[tuple[int, int]],
) -> None:
    codes = np.array([code for code, _ in rows], dtype=np.int32)
    starts_ms = np.array([start for _, start in rows], dtype=np.int64)

    order, edges = _grouped(codes, starts_ms, WIDTH_MS)

    expected = sorted(range(len(rows)), key=lambda row: (rows[row][1], rows[row][0]))
    keys = [rows[row] for row in expected]
    changes = [n for n in range(1, len(keys)) if keys[n] != keys[n - 1]]
    assert order.tolist() == expected
    assert edges.tolist() == ([0, *changes, len(rows)] if rows else [0])
