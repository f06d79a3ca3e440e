"""Accuracy over time on a timeline, where a history has true labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Scatter

from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.words import clock

if TYPE_CHECKING:  # the live page draws timelines without it
    import pyarrow as pa


class AccuracyLine(NamedTuple):
    """The accuracy of a model until each time; NaN where nothing labelled came, in between.

    Attributes
    ----------
    end_ms, accuracy, n_labelled : ndarray of float64, shape (n,)
    """

    end_ms: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    n_labelled: NDArray[np.float64]

    @classmethod
    def of(cls, table: pa.Table, model: str) -> AccuracyLine:
        """From what :func:`~flink_jobs.evaluation.accuracy.accuracy_table` gives.

        Examples
        --------
        >>> import pyarrow as pa
        >>> rows = [{"model": "m", "start_ms": t, "end_ms": t + 1, "n_labelled": 2, "accuracy": 0.5}
        ...         for t in (0, 1, 7)]
        >>> AccuracyLine.of(pa.Table.from_pylist(rows), "m").accuracy
        array([0.5, 0.5, nan, 0.5])
        """
        is_own = table["model"].to_numpy(zero_copy_only=False) == model
        start_ms, end_ms, accuracy, n_labelled = (
            table[name].to_numpy()[is_own].astype(np.float64)
            for name in ("start_ms", "end_ms", "accuracy", "n_labelled")
        )
        after_gaps = np.flatnonzero(start_ms[1:] > end_ms[:-1]) + 1
        return cls(
            np.insert(end_ms, after_gaps, start_ms[after_gaps]),
            np.insert(accuracy, after_gaps, np.nan),
            np.insert(n_labelled, after_gaps, 0.0),
        )

    def __bool__(self) -> bool:
        return len(self.end_ms) > 0

    def within(self, start_ms: float, end_ms: float) -> tuple[int, float]:
        """Labelled events of the stretches that lie in a span of time, and their accuracy.

        Examples
        --------
        >>> line = AccuracyLine(*np.array([[10.0, 20.0, 30.0], [1.0, 0.5, 0.0], [6.0, 2.0, 2.0]]))
        >>> line.within(0, 20), line.within(40, 50)
        ((8, 0.875), (0, 0.0))
        """
        inside = (self.end_ms > start_ms) & (self.end_ms <= end_ms) & (self.n_labelled > 0)
        n = float(self.n_labelled[inside].sum())
        right = float((self.accuracy[inside] * self.n_labelled[inside]).sum())
        return int(n), right / n if n else 0.0

    @property
    def sentence(self) -> str:
        """The line in words; empty where there is none."""
        if not self:
            return ""
        n = self.n_labelled.sum()
        overall = np.nansum(self.accuracy * self.n_labelled) / n
        lowest = int(np.nanargmin(self.accuracy))
        return (
            f"Accuracy {overall:.1%} of {n:,.0f} labelled events, lowest "
            f"{self.accuracy[lowest]:.1%} until {clock(self.end_ms[lowest])}."
        )

    def trace(self) -> Scatter:
        """Draw the line, against an axis of its own: :data:`AXIS`."""
        return figures.line(
            mode="lines+markers",
            name="accuracy",
            x=self.end_ms,
            y=figures.short(self.accuracy),
            customdata=self.n_labelled,
            hovertemplate="accuracy %{y:.1%} of %{customdata:,} labelled events<extra></extra>",
            line={"color": palette.ACCURACY_COLOUR, "dash": "dot", "width": 1.5},
            marker={"size": 3, "color": palette.ACCURACY_COLOUR},
            yaxis="y2",
        )


# Its 0 lies where that of the statistic lies.
AXIS = {
    "title": {"text": "accuracy"},
    "overlaying": "y",
    "side": "right",
    "range": [-0.06 * 1.05, 1.05],
    "tickmode": "array",
    "tickvals": [0.0, 0.25, 0.5, 0.75, 1.0],
    "tickformat": ".0%",
    "showgrid": False,
}
