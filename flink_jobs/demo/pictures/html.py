"""The picture as one HTML file that needs no network, drawn by plotly."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from flink_jobs.demo.pictures import contents as look
from flink_jobs.demo.pictures.contents import Line, Panel, Picture
from flink_jobs.records.alerts import AlertKind
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.plots import PLOT_CONFIG

_MARKERS = {
    AlertKind.STARTED: ("triangle-up", palette.DRIFT_COLOUR, "alert"),
    AlertKind.RECOVERED: ("triangle-down", palette.RECOVERED_COLOUR, "recovered"),
}


def write_html(picture: Picture, path: Path) -> None:
    """Draw one panel under the other, on a common axis of event time."""
    headings = [f"<b>{panel.heading}</b>  ({panel.verdict})" for panel in picture.panels]
    figure = make_subplots(
        rows=len(picture.panels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.07,
        subplot_titles=headings,
    )
    for row, panel in enumerate(picture.panels, start=1):
        _draw(figure, panel, row)
    figure.update_annotations(x=0, xanchor="left", font_size=14, selector={"xref": "paper"})
    figure.update_xaxes(range=_time_range(picture), showgrid=False)
    figure.update_xaxes(title_text="<br>".join(picture.notes), row=len(picture.panels), col=1)
    figure.update_yaxes(gridcolor="#E4E4E4", zeroline=False)
    figure.update_xaxes(ticks="outside", ticklen=6, row=len(picture.panels), col=1)
    figure.update_layout(
        title={"text": f"<b>{picture.title}</b>", "x": 0.01},
        template="plotly_white",
        height=240 * len(picture.panels) + 120,
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.07, "x": 1, "xanchor": "right"},
    )
    figure.write_html(path, include_plotlyjs=True, config=PLOT_CONFIG)


def _draw(figure: go.Figure, panel: Panel, row: int) -> None:
    place = {"row": row, "col": 1}
    for line in panel.lines:
        _draw_line(figure, line, row)
    # After the lines: plotly leaves subplots without any out.
    figure.add_vrect(
        *look.REFERENCE_SPAN,
        fillcolor=look.REFERENCE_FILL,
        line_width=0,
        layer="below",
        annotation_text="reference",
        annotation_position="inside top left",
        **place,
    )
    figure.update_yaxes(range=[0.0, panel.top], **place)
    _draw_drift(figure, panel, row)
    _draw_marks(figure, panel, row)


def _draw_line(figure: go.Figure, line: Line, row: int) -> None:
    reachable = [value if value <= 1.0 else None for value in line.thresholds]
    looks = (
        (f"threshold of {line.view}", reachable, "lines", {"dash": "dash", "width": 1.5}),
        (line.view, line.statistics, "lines+markers", {"width": 2.5}),
    )
    for name, values, mode, style in looks:
        figure.add_scatter(
            x=line.times,
            y=values,
            name=name,
            mode=mode,
            line=style | {"color": line.colour},
            showlegend=row == 1,
            legendgroup=name,
            row=row,
            col=1,
        )


def _draw_drift(figure: go.Figure, panel: Panel, row: int) -> None:
    if panel.drift_time is None:
        return
    figure.add_vline(
        x=panel.drift_time.timestamp() * 1000,
        line={"color": "#222222", "width": 1.5},
        annotation_text=panel.change,
        annotation_position="top right",
        row=row,
        col=1,
    )


def _draw_marks(figure: go.Figure, panel: Panel, row: int) -> None:
    for view, mark in ((line.view, mark) for line in panel.lines for mark in line.marks):
        symbol, colour, name = _MARKERS[mark.kind]
        figure.add_scatter(
            x=[mark.time],
            y=[mark.statistic],
            name=f"{name} of {view}",
            mode="markers+text",
            text=[name],
            textposition="top center",
            textfont={"color": colour},
            marker={"symbol": symbol, "color": colour, "size": 14},
            showlegend=False,
            row=row,
            col=1,
        )


def _time_range(picture: Picture) -> list[object]:
    last = max(
        (time for panel in picture.panels for line in panel.lines for time in line.times),
        default=None,
    )
    return [look.REFERENCE_SPAN[0], last or look.REFERENCE_SPAN[1]]
