"""How plotly's charts behave in pages that stand alone."""

from __future__ import annotations

from typing import Any

PLOT_CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    # Named one by one: plotly's own buttons include one that sends the chart to its makers.
    "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
}
