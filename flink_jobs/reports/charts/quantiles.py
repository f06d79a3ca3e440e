"""The quantiles of a column in the reference and in a window: what an alert itself says of it."""

from __future__ import annotations

from collections.abc import Sequence

from plotly.graph_objects import Figure

from flink_jobs.records.shown import shown_html
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.figures import figure, line
from flink_jobs.reports.words import number

_NAMES = ("5 %", "median", "95 %")
_HEIGHT_PX, _TITLE_PX = 110, 22


def chart(reference: Sequence[float], window: Sequence[float], unit: str = "") -> Figure:
    """Draw a line from the 5 % to the 95 % quantile with a mark at the median, for each side."""
    unit = shown_html(unit)
    sides = (
        ("reference", reference, palette.REFERENCE_COLOUR, "circle-open"),
        ("window", window, palette.DRIFT_COLOUR, "diamond"),
    )
    return figure(
        [
            line(
                mode="lines+markers",
                x=list(quantiles),
                y=[height] * len(quantiles),
                text=[f"{side}, {name}" for name in _NAMES],
                hovertemplate="%{text}: %{x:.4~g}<extra></extra>",
                line={"color": colour, "width": 3},
                marker={
                    "color": colour,
                    "symbol": ["line-ns-open", symbol, "line-ns-open"],
                    "size": [10, 11, 10],
                    "line": {"color": colour, "width": 2},
                },
            )
            for height, (side, quantiles, colour, symbol) in enumerate(sides)
        ],
        height=_HEIGHT_PX + (_TITLE_PX if unit else 0),
        xaxis={"nticks": 5} | ({"title": {"text": unit}} if unit else {}),
        yaxis={
            "tickvals": [0, 1],
            "ticktext": [side for side, *_ in sides],
            "range": [1.6, -0.6],
            "showgrid": False,
        },
    )


def table(reference: Sequence[float], window: Sequence[float]) -> list[tuple[str, str, str]]:
    """Give a row for each quantile."""
    return [
        (name, number(before, 4), number(now, 4))
        for name, before, now in zip(_NAMES, reference, window, strict=True)
    ]
