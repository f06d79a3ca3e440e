"""Columns by how much they moved, at one glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plotly.graph_objects import Bar, Figure, Scatter

from detectors.column_shifts import CHANCE_LEVEL
from flink_jobs.records.alerts import ColumnShift
from flink_jobs.records.shown import shown, shown_html
from flink_jobs.reports import column_words
from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.words import number

MOST_COLUMNS = 12
_ROW_PX, _FRAME_PX = 56, 44
_BAR = 0.26
"""The height of a bar within a row of 1; the words of the row stand above it."""
# At 12 px as many as a phone of 360 px has room for.
_MOST_OF_A_NAME, _MOST_OF_WORDS = 40, 44
_LEAST_RANGE = 0.3


def chart(columns: Sequence[ColumnShift], names: Sequence[str] = ()) -> Figure:
    """Draw a bar as long as the effect size of each column, before and after above it.

    Parameters
    ----------
    columns : sequence of ColumnShift
        The largest move first; at most 12 are drawn.
    names : sequence of str
        Other names for them.

    Examples
    --------
    >>> given = {"type": "number", "ref_quantiles": [1, 2, 3], "test_quantiles": [2, 4, 9]}
    >>> moved = ColumnShift(column="age", statistic=0.5, p_value=1e-9, direction="up", **given)
    >>> drawn = chart([moved])
    >>> [drawn.data[0].x, *(texts.text for texts in drawn.data[1:])]
    [(0.5,), ('age',), ('median 2 → 4, up',)]
    """
    drawn = columns[:MOST_COLUMNS]
    known = (names or [column_words.name(each) for each in drawn])[:MOST_COLUMNS]
    return figures.figure(
        [
            *_bars(drawn, palette.MOVED),
            *_bars(drawn, palette.BY_CHANCE),
            # Not as markup of a text: that needs inline styles, which the live page forbids.
            _texts([shown(each, _MOST_OF_A_NAME) for each in known], -0.36, {"weight": "bold"}),
            _texts([_words(each) for each in drawn], -0.08),
        ],
        height=_FRAME_PX + _ROW_PX * max(1, len(drawn)),
        barmode="overlay",
        margin={"l": 4, "r": 16, "t": 4, "b": 36},
        xaxis={"title": {"text": "effect size"}, "range": [0, _end(drawn)], "nticks": 6},
        yaxis={"visible": False, "range": [len(drawn) - 0.4, -0.6]},
    )


def _texts(texts: Sequence[str], above: float, font: dict[str, str] | None = None) -> Scatter:
    return figures.points(
        mode="text",
        x=[0.0] * len(texts),
        y=[row + above for row in range(len(texts))],
        text=list(map(shown_html, texts)),
        textfont=font or {},
        textposition="middle right",
        hoverinfo="skip",
        cliponaxis=False,
    )


def _bars(columns: Sequence[ColumnShift], look: palette.Fill) -> Iterator[Bar]:
    chosen = [(row, each) for row, each in enumerate(columns) if _look(each) is look]
    if chosen:
        yield figures.bars(
            orientation="h",
            x=[each.statistic for _, each in chosen],
            y=[row + 0.26 for row, _ in chosen],
            width=_BAR,
            marker=look.marker,
            customdata=[column_words.strength(each) for _, each in chosen],
            hovertemplate="%{customdata}<extra></extra>",
            text=[number(each.statistic, 2) for _, each in chosen],
            textposition="outside",
            textangle=0,
            cliponaxis=False,
        )


def table(columns: Sequence[ColumnShift]) -> list[tuple[str, str, str]]:
    """Give a row for each column that is drawn."""
    return [
        (shown(column_words.name(each)), column_words.moved(each), column_words.strength(each))
        for each in columns[:MOST_COLUMNS]
    ]


def sentence(columns: Sequence[ColumnShift]) -> str:
    """The picture in words."""
    said = [f"{column_words.name(each)} {column_words.moved(each)}" for each in columns[:3]]
    return shown("Columns by how much they moved: " + "; ".join(said), 400)


def _look(column: ColumnShift) -> palette.Fill:
    return palette.BY_CHANCE if column.p_value > CHANCE_LEVEL else palette.MOVED


def _words(column: ColumnShift) -> str:
    chance = "by chance: " if column.p_value > CHANCE_LEVEL else ""
    words = shown(column_words.moved(column))
    room = _MOST_OF_WORDS - len(chance)
    return chance + (words if len(words) <= room else f"{words[: room - 1]}…")


def _end(columns: Sequence[ColumnShift]) -> float:
    """The end of the axis: with room for the number beside the longest bar."""
    return max([_LEAST_RANGE, *(1.15 * each.statistic for each in columns)])
