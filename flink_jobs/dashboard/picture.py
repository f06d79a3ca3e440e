"""A picture of the live page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from plotly.graph_objects import Figure

from flink_jobs.reports.charts import figures


class Picture(NamedTuple):
    """A chart, in words, and its numbers as a table."""

    words: str
    drawn: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def plain(self) -> dict[str, Any]:
        """Give it as the page takes it, the chart as plotly.js does."""
        return self._asdict() | {"drawn": figures.for_page(self.drawn)}

    def encoded(self) -> str:
        """Write it as JSON."""
        return figures.encoded(self.plain())
