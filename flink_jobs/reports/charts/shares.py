"""Shares of a column's categories in the reference and in a window, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flink_jobs.records.alerts import CategoryShare
from flink_jobs.records.shown import shown, shown_html
from flink_jobs.reports.charts import palette
from flink_jobs.reports.words import share

_MOST_BARS = 6
_MOST_OF_A_TEXT = 40
# Longer ones would leave no room for bars in a chart that is 240 px wide.
_MOST_OF_A_LABEL = 22
_ROW_PX, _FRAME_PX = 30, 44
_ROUNDING = 1e-9


class Bar(NamedTuple):
    """One pair of bars; ``text`` may come from outside."""

    text: str
    reference: float
    window: float


def of(categories: Sequence[CategoryShare], missing: tuple[float, float]) -> list[Bar]:
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
    >>> for bar in of(shares, (0.0, 0.25)):
    ...     print(*bar)
    a 0.5 0.75
    (all others) 0.5 0.0
    (missing) 0.0 0.25
    """
    bars = [Bar(c.category, c.ref_share, c.test_share) for c in categories[:_MOST_BARS]]
    others = (
        max(0.0, 1.0 - missing[0] - sum(bar.reference for bar in bars)),
        max(0.0, 1.0 - missing[1] - sum(bar.window for bar in bars)),
    )
    if max(others) > _ROUNDING:
        bars.append(Bar("(all others)", *others))
    if any(missing):
        bars.append(Bar("(missing)", *missing))
    return bars


def chart(bars: Sequence[Bar]) -> dict[str, Any]:
    """Draw a pair of bars for each, the first at the top: reference above, window below."""
    n = len(bars)
    heights = list(range(n))
    sides = (("reference", -0.19, palette.REFERENCE_COLOUR), ("window", 0.19, palette.DRIFT_COLOUR))
    texts = [shown_html(_text(bar)) for bar in bars]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": [getattr(bar, side) for bar in bars],
                "y": [height + offset for height in heights],
                "width": [0.36] * n,
                "text": texts,
                "textposition": "none",
                "hovertemplate": f"%{{text}}<br>{side} %{{x:.1%}}<extra></extra>",
                "marker": {"color": colour, "line": {"width": 0}},
            }
            for side, offset, colour in sides
        ],
        "layout": {
            "height": _FRAME_PX + _ROW_PX * n,
            "barmode": "overlay",
            "xaxis": {"tickformat": ".0%", "rangemode": "tozero", "nticks": 4},
            "yaxis": {
                "tickvals": heights,
                "ticktext": [shown_html(_label(bar.text)) for bar in bars],
                "range": [n - 0.5, -0.5],
                "showgrid": False,
            },
        },
    }


def table(bars: Sequence[Bar]) -> list[tuple[str, str, str]]:
    """Give a row for each: text, share of the reference, share of the window."""
    return [(_text(bar), share(bar.reference), share(bar.window)) for bar in bars]


def _text(bar: Bar) -> str:
    return shown(bar.text, _MOST_OF_A_TEXT) or "(empty)"


def _label(text: str) -> str:
    """The beginning of a text: there is no room for more."""
    label = shown(text) or "(empty)"
    return label if len(label) <= _MOST_OF_A_LABEL else f"{label[: _MOST_OF_A_LABEL - 1]}…"
