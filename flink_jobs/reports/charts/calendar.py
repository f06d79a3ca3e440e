"""A model's windows as a calendar: a row for each day, a column for each hour of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.streams import Windows
from flink_jobs.reports.words import clock

Floats = NDArray[np.float64]

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_N_HOURS = 24
LEAST_DAYS = 3
"""A shorter history has nothing to compare."""
_MOST_ROWS = 62
_ROW_PX, _FRAME_PX = 16, 44
_EMPTY, _UNTESTED, _LOW, _HIGH, _DRIFTS = range(5)


class Calendar(NamedTuple):
    """Results of the windows that ended in each hour.

    Attributes
    ----------
    first_day, days_a_row : int
        Days since 1970; rows of a long history are several days.
    cells : ndarray of uint8, shape (n_rows, 24)
    n_windows, n_drifting : ndarray of int64, shape (n_rows, 24)
    highest : ndarray of float64, shape (n_rows, 24)
        The largest statistic as a share of its threshold; NaN without one.
    """

    first_day: int
    days_a_row: int
    cells: NDArray[np.uint8]
    n_windows: NDArray[np.int64]
    n_drifting: NDArray[np.int64]
    highest: Floats

    def day(self, row: int) -> str:
        """The first day of a row."""
        return clock(float(self.first_day + row * self.days_a_row) * _DAY_MS)[:10]


def of(end_ms: Floats, ratio: Floats, is_drift: Floats) -> Calendar | None:
    """Count windows by the hour in which they end.

    None for fewer than three days, and where all windows end in one hour of the day.

    Parameters
    ----------
    end_ms : ndarray of float64, shape (n,)
    ratio : ndarray of float64, shape (n,)
        The statistic as a share of its threshold; NaN where none was tested.
    is_drift : ndarray of float64, shape (n,)

    Examples
    --------
    >>> ends = np.arange(1.0, 97.0) * _HOUR_MS
    >>> drawn = of(ends, np.full(96, 0.2), (ends == 50 * _HOUR_MS).astype(float))
    >>> drawn.cells.shape, drawn.day(2), np.argwhere(drawn.n_drifting).tolist()
    ((4, 24), '1970-01-03', [[2, 1]])
    """
    if not len(end_ms):
        return None
    # A window that ends with the hour tells of the hour before.
    hours = (np.ceil(end_ms / _HOUR_MS) - 1).astype(np.int64)
    days = hours // _N_HOURS
    first, n_days = int(days.min()), int(np.ptp(days)) + 1
    if n_days < LEAST_DAYS or np.ptp(hours % _N_HOURS) == 0:
        return None
    days_a_row = -(-n_days // _MOST_ROWS)
    shape = -(-n_days // days_a_row), _N_HOURS
    places = (days - first) // days_a_row, hours % _N_HOURS
    n_windows, n_drifting = np.zeros((2, *shape), dtype=np.int64)
    highest = np.full(shape, -np.inf)
    np.add.at(n_windows, places, 1)
    np.add.at(n_drifting, places, is_drift > 0)
    np.maximum.at(highest, places, np.where(np.isnan(ratio), -np.inf, ratio))
    cells = np.select(
        [n_windows == 0, n_drifting > 0, np.isneginf(highest), highest < 0.5],
        [_EMPTY, _DRIFTS, _UNTESTED, _LOW],
        _HIGH,
    ).astype(np.uint8)
    highest[np.isneginf(highest)] = np.nan
    return Calendar(first, days_a_row, cells, n_windows, n_drifting, highest)


def of_windows(windows: Windows) -> Calendar | None:
    """Count the windows of a stream; None where :func:`of` gives none."""
    return of(windows.end_ms, windows.statistic / windows.threshold, windows.is_drift)


def chart(drawn: Calendar) -> Figure:
    """Draw the cells; what drifts and what was not tested has a sign, too."""
    n_rows = len(drawn.cells)
    signs = np.array(["", palette.STATES[2].sign, "", "", palette.STATES[3].sign])
    custom = np.stack([drawn.n_drifting, drawn.n_windows, drawn.highest], axis=-1)
    step = -(-n_rows // 20)
    return figures.figure(
        [
            figures.heatmap(
                x=np.arange(_N_HOURS),
                y=np.arange(n_rows),
                z=drawn.cells,
                zmin=_EMPTY,
                zmax=_DRIFTS,
                colorscale=palette.scale(palette.CALENDAR),
                showscale=False,
                xgap=1,
                ygap=1,
                text=signs[drawn.cells].tolist(),
                texttemplate="%{text}",
                textfont={"size": 10, "color": palette.INK},
                customdata=figures.short(custom),
                hoverongaps=False,
                hovertemplate="hour %{x}: %{customdata[0]} of %{customdata[1]} windows drift"
                "<br>highest statistic %{customdata[2]:.2f} of its threshold<extra></extra>",
            )
        ],
        height=_FRAME_PX + _ROW_PX * n_rows,
        xaxis={
            "title": {"text": "hour (UTC)"},
            "tickvals": list(range(0, _N_HOURS, 3)),
            "range": [-0.5, _N_HOURS - 0.5],
        },
        yaxis={
            "tickvals": list(range(0, n_rows, step)),
            "ticktext": [drawn.day(row) for row in range(0, n_rows, step)],
            "range": [n_rows - 0.5, -0.5],
            "showgrid": False,
            "automargin": True,
        },
    )


def sentence(drawn: Calendar) -> str:
    """The calendar in words."""
    by_hour = drawn.n_drifting.sum(axis=0)
    n_drifting, n = int(by_hour.sum()), int(drawn.n_windows.sum())
    said = f"{n_drifting:,} of {n:,} windows drift"
    if n_drifting:
        hour = int(by_hour.argmax())
        said += f", most of them in the hour from {hour:02}:00 UTC ({by_hour[hour]:,})"
    return f"{said}; each row is {drawn.days_a_row} days" if drawn.days_a_row > 1 else said


def table(drawn: Calendar) -> list[tuple[str, str, str, str]]:
    """Give a row for each day: windows, those that drift, and the hours of these."""
    rows = []
    for row, (n_windows, n_drifting) in enumerate(
        zip(drawn.n_windows, drawn.n_drifting, strict=True)
    ):
        hours = ", ".join(f"{hour:02}" for hour in np.flatnonzero(n_drifting).tolist())
        counts = f"{n_windows.sum():,}", f"{n_drifting.sum():,}"
        rows.append((drawn.day(row), *counts, hours or "–"))
    return rows
