"""How the numbers of a column are distributed in the reference and in a window."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from flink_jobs.records.shown import shown_html
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.figures import bars, figure, line, short

Floats = NDArray[np.float64]

_N_BINS = 28
_MOST_VALUES = 20
_MOST_TICKS = 4
_SMALLEST = 1e-12
# Evenly spaced on the scale of log odds, and far enough apart for a small chart.
_LOGIT_TICKS = (
    (1e-10, "10⁻¹⁰"), (1e-8, "10⁻⁸"), (1e-6, "10⁻⁶"), (1e-4, "10⁻⁴"),
    (0.01, "1 %"), (0.5, "50 %"), (0.99, "99 %"), (0.9999, "99.99 %"),
)  # fmt: skip


class Histogram(NamedTuple):
    """Shares of both samples in common bins.

    Attributes
    ----------
    edges : ndarray of float64, shape (n_bins + 1,)
        On the scale that is drawn.
    reference, window : ndarray of float64, shape (n_bins,)
        Shares; they sum to 1 less the share of missing values.
    ticks : list of (float, str)
        Where the axis has a label, and which; empty for the usual ones.
    """

    edges: Floats
    reference: Floats
    window: Floats
    ticks: list[tuple[float, str]]


def histogram(z_ref: Floats, z_test: Floats, *, is_probability: bool) -> Histogram:
    """Shares in common bins; values in the outermost 0.5 % count at the edges.

    Probabilities are binned on the scale of log odds: a softmax output lies near 0 or 1 almost
    always, where even bins show nothing.

    Examples
    --------
    >>> h = histogram(np.array([0.0, 1.0]), np.array([1.0, 1.0]), is_probability=False)
    >>> h.edges, h.reference, h.window
    (array([-0.5,  0.5,  1.5]), array([0.5, 0.5]), array([0., 1.]))
    """
    ticks: list[tuple[float, str]] = []
    if is_probability:
        z_ref, z_test = _log_odds(z_ref), _log_odds(z_test)
        ticks = [(float(_log_odds(np.array(p))), text) for p, text in _LOGIT_TICKS]
    pooled = np.concatenate([z_ref, z_test])
    edges = _edges(pooled[np.isfinite(pooled)])
    ticks = [tick for tick in ticks if edges[0] <= tick[0] <= edges[-1]]
    ticks = ticks[::-1][:: -(-len(ticks) // _MOST_TICKS) or 1][::-1]
    return Histogram(edges, _shares(z_ref, edges), _shares(z_test, edges), ticks)


def chart(drawn: Histogram, unit: str = "") -> Figure:
    """Bars for the reference, an outline for the window; the unit below, and with each number."""
    unit = shown_html(unit)
    middles = (drawn.edges[:-1] + drawn.edges[1:]) / 2
    widths = np.diff(drawn.edges)
    ranges = np.column_stack([drawn.edges[:-1], drawn.edges[1:]])
    axis: dict[str, Any] = {"range": [float(drawn.edges[0]), float(drawn.edges[-1])]}
    if unit:
        axis["title"] = {"text": unit}
    if drawn.ticks:
        axis |= {
            "tickvals": [place for place, _ in drawn.ticks],
            "ticktext": [text for _, text in drawn.ticks],
            "tickangle": 0,
        }
        ranges = 1 / (1 + np.exp(-ranges))
    # Braces would be read as a place for a value.
    hover = unit.replace("{", "(").replace("}", ")")
    return figure(
        [
            bars(
                x=short(middles),
                y=short(drawn.reference),
                width=short(widths),
                customdata=np.column_stack([ranges, drawn.window]),
                hovertemplate=f"%{{customdata[0]:.3~g}} to %{{customdata[1]:.3~g}} {hover}<br>"
                "reference %{y:.1%}<br>window %{customdata[2]:.1%}<extra></extra>",
                marker={"color": palette.REFERENCE_COLOUR, "opacity": 0.55, "line": {"width": 0}},
            ),
            line(
                x=short(np.repeat(drawn.edges, 2)[1:-1]),
                y=short(np.repeat(drawn.window, 2)),
                line={"color": palette.DRIFT_COLOUR, "width": 2},
                hoverinfo="skip",
            ),
        ],
        xaxis=axis,
        yaxis={"tickformat": ".0%", "rangemode": "tozero"},
    )


def table(drawn: Histogram) -> list[tuple[str, str, str]]:
    """The bins as rows: range, share of the reference, share of the window."""
    edges = 1 / (1 + np.exp(-drawn.edges)) if drawn.ticks else drawn.edges
    return [
        (f"{low:.3g} to {high:.3g}", f"{100 * ref:.1f} %", f"{100 * test:.1f} %")
        for low, high, ref, test in zip(
            edges[:-1], edges[1:], drawn.reference, drawn.window, strict=True
        )
    ]


def _log_odds(p: Floats) -> Floats:
    clipped = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _edges(values: Floats) -> Floats:
    if not len(values):
        return np.array([0.0, 1.0])
    distinct = np.unique(values)
    # Half numbers lie between whole ones only up to 2^52.
    is_whole = bool(np.all((distinct == np.round(distinct)) & (np.abs(distinct) < 1e15)))
    if is_whole and np.ptp(distinct) < _MOST_VALUES:
        return np.asarray(np.arange(distinct[0] - 0.5, distinct[-1] + 1.0))
    low, high = np.quantile(values, [0.005, 0.995])
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        room = max(0.5, 1e-6 * abs(low))
        low, high = low - room, high + room
    return np.asarray(np.linspace(low, high, _N_BINS + 1))


def _shares(values: Floats, edges: Floats) -> Floats:
    inside = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
    counts, _ = np.histogram(inside, bins=edges)
    return np.asarray(counts / max(1, len(values)))
