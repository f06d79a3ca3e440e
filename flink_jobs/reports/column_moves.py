"""How every column of a view moved between two sides, as alerts say it of a few."""

from __future__ import annotations

from detectors import ColumnShifts
from flink_jobs.config.views import View
from flink_jobs.core.record_parts import Named, column_shifts
from flink_jobs.core.views.encoding import Encoder
from flink_jobs.records.alerts import ColumnShift
from flink_jobs.reports.evidence import Side

_MOST_VALUES, _FEWEST_ROWS = 2_000_000, 1_000


def moves_of(view: View, reference: Side, window: Side) -> list[ColumnShift]:
    """Compare all columns, the one that moved most first.

    The job does the same with samples of at most 1,000 events. Here up to 2 million values of the
    window are looked at: of 200 columns 10,000 events, evenly spread.

    Parameters
    ----------
    view : View
        Names the columns of both sides.
    reference, window : Side
        At least one event each.
    """
    window = _spread(window)
    encoder = Encoder.fit(view, reference.x, reference.texts)
    shifts = ColumnShifts(view.categorical).fit(encoder.encode(reference.x, reference.texts))
    moves = shifts.compare(encoder.encode(window.x, window.texts))
    others = encoder.other_shares(window.x, window.texts)
    return column_shifts(moves, view.slots, Named(encoder, others, len(window)), len(moves))


def _spread(side: Side) -> Side:
    """Leave out events of a side that is too large to be looked at whole."""
    most = max(_FEWEST_ROWS, _MOST_VALUES // max(1, side.x.shape[1]))
    return Side(side.x[:: -(-len(side) // most)], side.texts)
