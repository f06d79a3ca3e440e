"""Segments of the traffic to which a move is confined: what moved there did not move elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import ColumnMove, ColumnShifts, ranking
from flink_jobs.config.columns import Slot
from flink_jobs.records.alerts import SegmentMove

# A column of an alert that is compared within segments; the first moved most.
_MOST_COLUMNS = 3
_MOST_NAMED = 3
# On each side, inside and outside: fewer rows tell nothing.
_FEWEST_ROWS = 20
_MOVED, _BY_CHANCE = 0.001, 0.01
# A move that is so many times what chance gives on average would have been seen.
_SEEN = 3.0


class Side(NamedTuple):
    """Rows of a reference or of a window.

    Attributes
    ----------
    x : ndarray of float64, shape (n, n_slots)
        What detectors see.
    segments : ndarray of float64, shape (n, n_segments)
        Codes of texts, the same on both sides; NaN is missing.
    """

    x: NDArray[np.float64]
    segments: NDArray[np.float64]


class Segments(NamedTuple):
    """The segment columns of a view.

    Attributes
    ----------
    names : sequence of str
    texts : sequence of sequence of str
        Of each column: what its codes stand for.
    """

    names: Sequence[str]
    texts: Sequence[Sequence[str]]


def confined_moves(
    reference: Side,
    window: Side,
    moves: Sequence[ColumnMove],
    slots: Sequence[Slot],
    segments: Segments,
) -> list[SegmentMove]:
    """Name the segments outside of which a column did not move; the clearest first, at most three.

    Inside a segment the column moved (p at most 0.001, corrected for the pairs that are compared),
    and outside it no more than chance lets it (p above 0.01), where a move as large would have been
    seen. Segments with fewer than 20 rows of either sample, inside or outside, are passed over.

    Parameters
    ----------
    reference, window : Side
    moves : sequence of ColumnMove
        One for each column of ``x``.
    slots : sequence of Slot
        Those of ``x``.
    segments : Segments
    """
    pairs = [
        (place, column, code)
        for place in ranking(moves)[:_MOST_COLUMNS]
        if moves[place].p_value <= _MOVED
        for column in range(len(segments.names))
        for code in _common(reference.segments[:, column], window.segments[:, column])
    ]
    found = []
    for place, column, code in pairs:
        masks = [side.segments[:, column] == code for side in (reference, window)]
        columns = [side.x[:, [place]] for side in (reference, window)]
        inside = _move(columns, masks, slots[place])
        if inside.p_value > _MOVED / len(pairs):
            continue
        outside = _move(columns, [~mask for mask in masks], slots[place])
        if outside.p_value <= _BY_CHANCE or inside.statistic < _SEEN * outside.by_chance:
            continue
        found.append(
            SegmentMove(
                segment=segments.names[column],
                category=segments.texts[column][code],
                column=slots[place].name,
                statistic=inside.statistic,
                p_value=inside.p_value,
                elsewhere=outside.statistic,
                n_ref=int(masks[0].sum()),
                n_test=int(masks[1].sum()),
            )
        )
    # Stable: equal ones stay in the order of columns, then of texts.
    return sorted(found, key=lambda each: -each.statistic)[:_MOST_NAMED]


def _common(ref: NDArray[np.float64], test: NDArray[np.float64]) -> Iterator[int]:
    """The codes that enough rows of both samples have, and enough have not."""
    codes, counts = np.unique(ref[~np.isnan(ref)], return_counts=True)
    for code, n_ref in zip(codes.tolist(), counts.tolist(), strict=True):
        n_test = int((test == code).sum())
        sizes = (n_ref, n_test, len(ref) - n_ref, len(test) - n_test)
        if min(sizes) >= _FEWEST_ROWS:
            yield int(code)


def _move(
    columns: Sequence[NDArray[np.float64]], masks: Sequence[NDArray[np.bool_]], slot: Slot
) -> ColumnMove:
    x_ref, x_test = (x[mask] for x, mask in zip(columns, masks, strict=True))
    shifts = ColumnShifts([0] if slot.is_category else []).fit(x_ref)
    (move,) = shifts.compare(x_test)
    return move
