"""The look of figures in a notebook: titles, room for them, and several charts side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from plotly.graph_objects import Figure
from plotly.subplots import make_subplots

from flink_jobs.records.shown import shown_html, shown_lines
from flink_jobs.reports.incidents import IncidentView

_PER_ROW = 3
# Above what moved: the names of the columns, and a line of the title.
_TOP_PX, _LINE_PX = 30, 24
# Between charts side by side, of the figure's width: names of categories stand there.
_BESIDE = 0.15
_ROW_PX, _AXIS_PX, _TITLE_LINE_PX, _TITLE_CHARACTERS = 150, 64, 17, 40
_AT_THE_TOP = {"y": 1, "yanchor": "top", "yref": "container", "pad_t": 24}
_LOOK: dict[str, Any] = {
    "template": "plotly_white",
    "showlegend": False,
    "hovermode": "closest",
    "bargap": 0,
    "margin": {"t": 80, "b": 50, "l": 60, "r": 20},
}


def side_by_side(seen: IncidentView, said: Sequence[str]) -> Figure:
    """Put the columns of an incident next to each other, with lines of a title above."""
    drawn = _of_columns(seen)
    n_lines = drawn.layout.meta or 0
    top_px = _TOP_PX + _LINE_PX * len(said) + _TITLE_LINE_PX * n_lines
    height = drawn.layout.height + top_px + _LOOK["margin"]["b"]
    return finished(drawn, "<br>".join(said)).update_layout(
        title=_AT_THE_TOP, margin_t=top_px, height=height, meta=None
    )


def with_its_size(drawn: Figure, title: str) -> Figure:
    """Finish a figure that says how high it is, and how wide its margins are."""
    margin, top_px = drawn.layout.margin.to_plotly_json(), _TOP_PX + _LINE_PX
    return finished(drawn, title).update_layout(
        # A sentence of 100 characters takes 700 px so.
        title=_AT_THE_TOP | {"font_size": 14},
        margin=_LOOK["margin"] | margin | {"t": top_px},
        height=drawn.layout.height + top_px,
    )


def finished(figure: Figure, title: str) -> Figure:
    """Give a figure plotly's own look. Plotly checks it, since users change it further."""
    checked = Figure(figure.data, figure.layout)
    return checked.update_layout(title={"text": title}, **_LOOK)


def _of_columns(seen: IncidentView) -> Figure:
    charts = [(each, each.chart) for each in seen.columns if each.chart is not None]
    if not charts:
        return _effect_sizes(seen)
    titles = [_wrapped(f"{each.short_name}: {each.words}") for each, _ in charts]
    heights = _row_heights([chart for _, chart in charts])
    # What stands between rows: an axis' numbers, its unit, and the lines of the title below.
    n_lines = max(title.count("<br>") + 1 for title in titles)
    between = _AXIS_PX + _TITLE_LINE_PX * n_lines
    height = sum(heights) + between * (len(heights) - 1)
    figure = make_subplots(
        len(heights),
        min(_PER_ROW, len(charts)),
        subplot_titles=titles,
        row_heights=heights,
        horizontal_spacing=_BESIDE,
        vertical_spacing=between / height if len(heights) > 1 else 0.0,
    )
    figure.update_annotations(font_size=12)
    for place, (_, chart) in enumerate(charts):
        row, column = divmod(place, _PER_ROW)
        at = {"row": row + 1, "col": column + 1}
        figure.add_traces(chart.data, rows=at["row"], cols=at["col"])
        figure.update_xaxes(chart.layout.xaxis, **at)
        figure.update_yaxes(chart.layout.yaxis, **at)
    # Bars of two samples stand where they are told to.
    figure.update_layout(height=height, barmode="overlay", meta=n_lines)
    return figure


def _row_heights(charts: Sequence[Figure]) -> list[int]:
    """Give each row of charts what its highest one needs."""
    each = [max(_ROW_PX, chart.layout.height or 0) for chart in charts]
    return [max(each[start : start + _PER_ROW]) for start in range(0, len(each), _PER_ROW)]


def _wrapped(text: str) -> str:
    """Break a title where the one beside it begins."""
    return "<br>".join(map(shown_html, textwrap.wrap(shown_lines(text), _TITLE_CHARACTERS)))


def _effect_sizes(seen: IncidentView) -> Figure:
    """Draw how far each column moved, where nothing is known of its values."""
    names = [shown_html(each.name) for each in seen.columns]
    sizes = [each.moved.statistic for each in seen.columns]
    figure = Figure({"type": "bar", "orientation": "h", "x": sizes, "y": names})
    figure.update_xaxes(title="effect size", range=[0, 1])
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure.update_layout(height=40 + 30 * len(names), bargap=0.4)
