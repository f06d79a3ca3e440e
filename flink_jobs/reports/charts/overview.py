"""All models in one picture: a row for each, time from left to right, the worst at the top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Bar, Figure, Heatmap, Scatter

from flink_jobs.records.alerts import AlertKind
from flink_jobs.records.shown import shown, shown_html
from flink_jobs.records.wording import count
from flink_jobs.reports import streams
from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.words import clock

Floats = NDArray[np.float64]
States = NDArray[np.uint8]

NOTHING, QUIET, UNTESTED, DRIFTS = range(4)
"""States of a stretch of time, the worse the higher."""
MOST_NAMED = 40
"""Rows with a name; others are strips."""
_N_BINS = 160
_MOST_OF_A_NAME = 22
_ROW_PX, _STRIP_PX, _FRAME_PX, _GAP_PX = 22, 3, 46, 26
_MOST_STRIPS_PX = 900
_LETTER_PX, _BESIDE_PX = 6.8, 12
_DAY_MS = 86_400_000


class Windows(NamedTuple):
    """The windows of one detector of a model.

    Attributes
    ----------
    start_ms, end_ms : ndarray of float64, shape (n,)
        By their end.
    states : ndarray of uint8, shape (n,)
    """

    start_ms: Floats
    end_ms: Floats
    states: States

    @classmethod
    def of(cls, windows: streams.Windows) -> Windows:
        """Give each window of a stream its state."""
        tested = np.where(windows.is_drift > 0, DRIFTS, QUIET)
        states = np.where(windows.is_tested, tested, UNTESTED).astype(np.uint8)
        return cls(windows.start_ms, windows.end_ms, states)


class Row(NamedTuple):
    """One model.

    Attributes
    ----------
    name : str
        May come from outside.
    link : str
        Tells a page which model this is.
    windows : list of Windows
        Of each detector of each view.
    started_ms, recovered_ms : list of float
        When incidents of drift began and ended.
    """

    name: str
    link: str
    windows: Sequence[Windows]
    started_ms: Sequence[float] = ()
    recovered_ms: Sequence[float] = ()

    @classmethod
    def of(cls, name: str, link: str, views: Sequence[streams.StreamView]) -> Row:
        """Put all that watches a model in one row."""
        return cls(
            name,
            link,
            [Windows.of(view.windows) for view in views],
            [alert.window.closed_ms for view in views for alert in view.started],
            [alert.window.closed_ms for view in views for alert in view.recovered],
        )


class Overview:
    """The states of all models in stretches of equal length.

    Parameters
    ----------
    rows : sequence of Row
        The worst first.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        starts = [side.start_ms.min() for row in rows for side in row.windows if len(side.states)]
        ends = [side.end_ms.max() for row in rows for side in row.windows if len(side.states)]
        begin_ms, end_ms = min(starts, default=0.0), max(ends, default=1.0)
        self.edges_ms = np.linspace(begin_ms, max(end_ms, begin_ms + 1.0), _N_BINS + 1)
        self.states = np.zeros((len(rows), _N_BINS), dtype=np.uint8)
        for row, states in zip(rows, self.states, strict=True):
            for windows in row.windows:
                _put(windows, self.edges_ms, states)

    @property
    def sentence(self) -> str:
        """The picture in words."""
        n_drifting = int((self.states == DRIFTS).any(axis=1).sum())
        return (
            f"{count(len(self.rows), 'model')} from {clock(self.edges_ms[0])} to "
            f"{clock(self.edges_ms[-1])} UTC, the worst first; {n_drifting:,} with windows that "
            "drift"
        )

    def table(self) -> list[tuple[str, str, str]]:
        """Give a row for each named model: how much of its time drifts, and when it began."""
        return [
            (
                shown(row.name),
                _share_of(states, DRIFTS),
                ", ".join(map(clock, sorted(row.started_ms)[:6])) or "–",
            )
            for row, states in zip(self.rows[:MOST_NAMED], self.states, strict=False)
        ]

    def figure(self) -> Figure:
        """Draw bars for the worst models, with their names, and strips for all others."""
        n_named, n_strips = min(MOST_NAMED, len(self.rows)), max(0, len(self.rows) - MOST_NAMED)
        named_px = _ROW_PX * max(1, n_named)
        strips_px = min(_STRIP_PX * n_strips, _MOST_STRIPS_PX)
        gap_px = _GAP_PX if n_strips else 0
        inner_px = named_px + gap_px + strips_px
        strips = [self._strips()] if n_strips else []
        cut = [_cut(row.name) for row in self.rows[:n_named]]
        names, longest = (
            list(map(shown_html, cut)),
            round(_LETTER_PX * max(map(len, cut), default=0)),
        )
        axes = {
            "yaxis": {
                "domain": [1 - named_px / inner_px, 1],
                "range": [n_named - 0.5, -0.5],
                "tickvals": list(range(n_named)),
                "ticktext": names,
                "showgrid": False,
                # To measure 40 names takes plotly as long as to draw all else.
                "automargin": False,
                "ticklabeloverflow": "allow",
            }
        }
        if n_strips:
            axes["yaxis2"] = {
                "domain": [0, strips_px / inner_px],
                "range": [n_strips - 0.5, -0.5],
                "tickvals": [],
                "title": {"text": f"{n_strips:,} more"},
            }
        return figures.figure(
            [*self._stretches(n_named), *self._marks(n_named), *strips],
            barmode="overlay",
            height=_FRAME_PX + inner_px,
            margin={"l": _BESIDE_PX + longest, "r": 12, "t": 4, "b": _FRAME_PX - 4},
            xaxis={
                "type": "date",
                "automargin": False,
                "range": [float(self.edges_ms[0]), float(self.edges_ms[-1])],
                "anchor": "free",
                "position": 0,
            },
            **axes,
        )

    def _stretches(self, n_named: int) -> Iterator[Bar]:
        places, starts, ends = _runs(self.states[:n_named])
        states = self.states[places, starts]
        for state in (QUIET, UNTESTED, DRIFTS):
            chosen = states == state
            if not chosen.any():
                continue
            look = palette.STATES[state]
            begin, end = self.edges_ms[starts[chosen]], self.edges_ms[ends[chosen]]
            rows = places[chosen]
            yield figures.bars(
                orientation="h",
                base=begin,
                x=end - begin,
                y=rows,
                width=0.72,
                text=[shown_html(self.rows[place].name) for place in rows.tolist()],
                textposition="none",
                customdata=[clock(each) for each in end.tolist()],
                hovertemplate=f"%{{text}}<br>{look.name} from %{{base|%Y-%m-%d %H:%M}}<br>"
                "to %{customdata}<extra></extra>",
                marker=look.marker,
                meta={"links": [row.link for row in self.rows[:n_named]]},
            )

    def _marks(self, n_named: int) -> Iterator[Scatter]:
        for kind, name in (
            (AlertKind.STARTED, "started_ms"),
            (AlertKind.RECOVERED, "recovered_ms"),
        ):
            symbol = palette.KINDS[kind]
            at = [(t, y) for y, row in enumerate(self.rows[:n_named]) for t in getattr(row, name)]
            if at:
                yield figures.points(
                    x=[time_ms for time_ms, _ in at],
                    y=[place for _, place in at],
                    hovertemplate=f"{symbol.sign} {symbol.name}<br>%{{x|%Y-%m-%d %H:%M}}"
                    "<extra></extra>",
                    marker={
                        "symbol": symbol.plotly,
                        "size": 11,
                        "color": palette.INK,
                        "line": {"width": 1, "color": "white"},
                    },
                    meta={"links": [row.link for row in self.rows[:n_named]]},
                )

    def _strips(self) -> Heatmap:
        return figures.heatmap(
            x=(self.edges_ms[:-1] + self.edges_ms[1:]) / 2,
            z=self.states[MOST_NAMED:],
            zmin=NOTHING,
            zmax=DRIFTS,
            colorscale=palette.scale([palette.STATES[state].colour for state in range(4)]),
            showscale=False,
            text=[[shown_html(row.name)] * _N_BINS for row in self.rows[MOST_NAMED:]],
            hovertemplate="%{text}<br>%{x|%Y-%m-%d %H:%M}<extra></extra>",
            yaxis="y2",
            meta={"links": [row.link for row in self.rows[MOST_NAMED:]]},
        )


def _put(windows: Windows, edges_ms: Floats, states: States) -> None:
    """Keep the worst state of each stretch; a window speaks for what none before it covered."""
    if not len(windows.states):
        return
    begin = np.maximum(windows.start_ms, np.concatenate([[-np.inf], windows.end_ms[:-1]]))
    last = len(states) - 1
    first = np.clip(np.searchsorted(edges_ms, begin, side="right") - 1, 0, last)
    until = np.clip(np.searchsorted(edges_ms, windows.end_ms, side="left") - 1, first, last)
    lengths = until - first + 1
    within = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    places = np.repeat(first, lengths) + within
    np.maximum.at(states, places, np.repeat(windows.states, lengths))


def _runs(states: States) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Give row, first and one past the last place of each run of equal states.

    Examples
    --------
    >>> rows, starts, ends = _runs(np.array([[1, 1, 3], [2, 2, 2]], dtype=np.uint8))
    >>> rows.tolist(), starts.tolist(), ends.tolist()
    ([0, 0, 1], [0, 2, 0], [2, 3, 3])
    """
    is_new = np.ones_like(states, dtype=np.bool_)
    is_new[:, 1:] = states[:, 1:] != states[:, :-1]
    rows, starts = np.nonzero(is_new)
    n_columns = states.shape[1]
    is_last = np.append(rows[1:] != rows[:-1], True) if len(rows) else np.empty(0, dtype=np.bool_)
    ends = np.where(is_last, n_columns, np.append(starts[1:], 0))
    return rows, starts, ends


def _share_of(states: States, state: int) -> str:
    known = int((states != NOTHING).sum())
    return f"{100 * int((states == state).sum()) / known:.3g} %" if known else "–"


def _cut(name: str) -> str:
    """Keep both ends of a name: where many are alike they differ at the end."""
    name = shown(name)
    if len(name) <= _MOST_OF_A_NAME:
        return name
    return f"{name[: _MOST_OF_A_NAME - 9]}…{name[-8:]}"
