"""Shares of a column's categories in the reference and in a window, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from plotly.graph_objects import Figure

from flink_jobs.records.alerts import CategoryShare
from flink_jobs.records.shown import shown, shown_html
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.figures import bars, figure
from flink_jobs.reports.column_words import change
from flink_jobs.reports.words import share

_MOST_BARS = 6
_MOST_ROWS = 30
_MOST_OF_A_TEXT = 40
# Longer ones would leave no room for bars in a chart that is 240 px wide.
_MOST_OF_A_LABEL = 22
_ROW_PX, _FRAME_PX = 30, 44
_ROUNDING = 1e-9
# Beside a bar that is so many times longer all others are too short to be told apart.
_TOO_LONG = 8.0
_OTHERS, _MISSING = "(all others)", "(missing)"


class Bar(NamedTuple):
    """One pair of bars; ``text`` may come from outside, ``mark`` is empty, new or gone."""

    text: str
    reference: float
    window: float
    mark: str = ""


class Bars(NamedTuple):
    """The bars that are drawn, and the longer list that a table shows."""

    drawn: list[Bar]
    listed: list[Bar]


def of(categories: Sequence[CategoryShare], missing: tuple[float, float]) -> Bars:
    """List the bars of a column: the first categories, all others together, and missing values.

    Parameters
    ----------
    categories : sequence of CategoryShare
        Those that moved most first.
    missing : tuple of float
        Shares of missing values before and now.

    Examples
    --------
    >>> shares = [CategoryShare(category="a", ref_share=0.5, test_share=0.75)]
    >>> for bar in of(shares, (0.0, 0.25)).drawn:
    ...     print(bar.text, bar.reference, bar.window)
    a 0.5 0.75
    (all others) 0.5 0.0
    (missing) 0.0 0.25
    """
    return Bars(
        _readable(_listed(categories, missing, _MOST_BARS)),
        _listed(categories, missing, _MOST_ROWS),
    )


def _listed(
    categories: Sequence[CategoryShare], missing: tuple[float, float], most: int
) -> list[Bar]:
    bars = [Bar(c.category, c.ref_share, c.test_share, change(c)) for c in categories[:most]]
    others = (
        max(0.0, 1.0 - missing[0] - sum(bar.reference for bar in bars)),
        max(0.0, 1.0 - missing[1] - sum(bar.window for bar in bars)),
    )
    if max(others) > _ROUNDING:
        bars.append(Bar(_OTHERS, *others))
    if any(missing):
        bars.append(Bar(_MISSING, *missing))
    return bars


def _readable(bars: list[Bar]) -> list[Bar]:
    """Leave out the bar of all others where it would make all others unreadable."""
    longest = max((max(bar[1:3]) for bar in bars if bar.text != _OTHERS), default=1.0)
    return [bar for bar in bars if bar.text != _OTHERS or max(bar[1:3]) <= _TOO_LONG * longest]


def chart(listed: Sequence[Bar]) -> Figure:
    """Draw a pair of bars for each, the first at the top: reference above, window below."""
    n = len(listed)
    heights = list(range(n))
    sides = (("reference", -0.19, palette.REFERENCE_COLOUR), ("window", 0.19, palette.DRIFT_COLOUR))
    texts = [shown_html(_text(bar)) for bar in listed]
    return figure(
        [
            bars(
                orientation="h",
                x=[getattr(bar, side) for bar in listed],
                y=[height + offset for height in heights],
                width=[0.36] * n,
                text=texts,
                textposition="none",
                hovertemplate=f"%{{text}}<br>{side} %{{x:.1%}}<extra></extra>",
                marker={"color": colour, "line": {"width": 0}},
            )
            for side, offset, colour in sides
        ],
        height=_FRAME_PX + _ROW_PX * n,
        barmode="overlay",
        xaxis={"tickformat": ".0%", "rangemode": "tozero", "nticks": 3, "tickangle": 0},
        yaxis={
            "tickvals": heights,
            "ticktext": [_tick(bar) for bar in listed],
            "range": [n - 0.5, -0.5],
            "showgrid": False,
        },
    )


def table(bars: Sequence[Bar]) -> list[tuple[str, str, str]]:
    """Give a row for each: text, share of the reference, share of the window."""
    return [(_text(bar), share(bar.reference), share(bar.window)) for bar in bars]


def _text(bar: Bar) -> str:
    text = shown(bar.text, _MOST_OF_A_TEXT) or "(empty)"
    return f"{text} ({bar.mark})" if bar.mark else text


def _tick(bar: Bar) -> str:
    """Write the beginning of a text: there is no room for more; what is new or gone below it."""
    label = shown(bar.text) or "(empty)"
    if len(label) > _MOST_OF_A_LABEL:
        label = f"{label[: _MOST_OF_A_LABEL - 1]}…"
    return shown_html(label) + (f"<br>({bar.mark})" if bar.mark else "")
