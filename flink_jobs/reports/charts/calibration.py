"""A check that windows without drift drift as often as the level says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure
from scipy.stats import beta, binomtest

from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.records.alerts import MAIN_VIEW
from flink_jobs.records.wording import watcher_name
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.figures import figure, line, points, short
from flink_jobs.reports.streams import StreamView, Windows

Floats = NDArray[np.float64]

_CONFIDENCE = 0.95
_MOST_POINTS = 400


class Calibration(NamedTuple):
    """The windows of one detector of one view outside true drifts.

    Attributes
    ----------
    view, detector : str
    level : float
        The mean of the levels of the windows apart, the share of them that should drift.
    lowest, highest : float
        A level that follows from a run time differs from window to window.
    n_windows, n_drifting : int
        All tested windows.
    n_apart, n_apart_drifting : int
        Those that share no event with one before.
    low, high : float
        Exact binomial interval of the share among those apart.
    p_values : ndarray of float64
        Of the windows apart, ascending.
    """

    view: str
    detector: str
    level: float
    lowest: float
    highest: float
    n_windows: int
    n_drifting: int
    n_apart: int
    n_apart_drifting: int
    low: float
    high: float
    p_values: Floats

    @property
    def name(self) -> str:
        """Return the name of what watched, as a title begins with it."""
        if self.view == MAIN_VIEW:
            return f"Detector {self.detector}"
        return f"View {watcher_name(self.view, self.detector)}"

    @property
    def level_text(self) -> str:
        """Return the level, or the range in which the levels of the windows lie."""
        ends = dict.fromkeys(f"{level:.3g}" for level in (self.lowest, self.highest))
        return "level " + next(iter(ends)) if len(ends) == 1 else "levels " + " to ".join(ends)

    @property
    def fits(self) -> bool:
        """Say whether the level lies in the interval, or above it: a test may be cautious."""
        return self.level >= self.low


def calibrations(
    views: Sequence[StreamView], drifts: Sequence[DriftInterval], *, tolerance_ms: int = 0
) -> list[Calibration]:
    """One for each view and detector.

    Windows that overlap say the same thing twice, so the interval rests on windows that do not.
    """
    parts: dict[tuple[str, str], list[Windows]] = defaultdict(list)
    for view in views:
        windows = view.windows.take(view.windows.is_tested)
        of_model = [drift for drift in drifts if drift.concerns(view.model)]
        windows = windows.take(_is_outside(windows, of_model, tolerance_ms))
        windows = windows.take(~np.isnan(windows.level))
        if len(windows):
            parts[view.view, view.detector].append(windows)
    return [_calibration(*key, parts[key]) for key in sorted(parts)]


def _calibration(view: str, detector: str, parts: list[Windows]) -> Calibration:
    apart = [part.take(_apart(part)) for part in parts]
    levels = np.concatenate([part.level for part in parts])
    p_values = np.sort(np.concatenate([part.p_value for part in apart]))
    n, k = len(p_values), int(sum(part.is_drift.sum() for part in apart))
    interval = binomtest(k, n).proportion_ci(_CONFIDENCE) if n else (0.0, 1.0)
    return Calibration(
        view=view,
        detector=detector,
        level=float(np.concatenate([part.level for part in apart]).mean()),
        lowest=float(levels.min()),
        highest=float(levels.max()),
        n_windows=len(levels),
        n_drifting=int(sum(part.is_drift.sum() for part in parts)),
        n_apart=n,
        n_apart_drifting=k,
        low=float(interval[0]),
        high=float(interval[1]),
        p_values=p_values,
    )


def _is_outside(
    windows: Windows, drifts: Sequence[DriftInterval], tolerance_ms: int
) -> NDArray[np.bool_]:
    outside = np.ones(len(windows), dtype=np.bool_)
    for drift in drifts:
        outside &= (windows.end_ms <= drift.start_ms) | (
            windows.start_ms >= drift.end_ms + tolerance_ms
        )
    return outside


def _apart(windows: Windows) -> NDArray[np.intp]:
    """The first window, and each next one that starts where the last one taken ends."""
    kept, free_from = [], -np.inf
    for place, (start_ms, end_ms) in enumerate(
        zip(windows.start_ms.tolist(), windows.end_ms.tolist(), strict=True)
    ):
        if start_ms >= free_from:
            kept.append(place)
            free_from = end_ms
    return np.array(kept, dtype=np.intp)


def chart(each: Calibration) -> Figure:
    """Observed p-values against those of a perfect test, both as -log10, with a 95 % band."""
    n = len(each.p_values)
    ranks = np.arange(1, n + 1)
    places = _thinned(n)
    expected = -np.log10((ranks - 0.5) / n)[places]
    observed = -np.log10(np.maximum(each.p_values, 1e-300))[places]
    tails = [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2]
    high, low = (-np.log10(beta.ppf(t, ranks, n - ranks + 1))[places] for t in tails)
    most = 1.05 * max(float(expected.max()), min(float(observed.max()), 2 * float(expected.max())))
    x = short(expected)
    edge: dict[str, Any] = {"x": x, "line": {"width": 0}, "hoverinfo": "skip"}
    return figure(
        [
            line(**edge, y=short(low)),
            line(**edge, y=short(high), fill="tonexty", fillcolor="rgba(138,138,138,0.22)"),
            line(
                x=[0, most],
                y=[0, most],
                line={"color": palette.THRESHOLD_COLOUR, "width": 1, "dash": "dash"},
                hoverinfo="skip",
            ),
            points(
                x=x,
                y=short(observed),
                marker={"color": palette.STATISTIC_COLOUR, "size": 5},
                hovertemplate="expected %{x:.2f}<br>observed %{y:.2f}<extra></extra>",
            ),
        ],
        xaxis={"title": {"text": "expected \N{MINUS SIGN}log₁₀ p"}, "range": [0, most]},
        yaxis={"title": {"text": "observed \N{MINUS SIGN}log₁₀ p"}, "rangemode": "tozero"},
    )


def table(each: Calibration) -> list[tuple[str, str]]:
    """How many windows have a p-value at or below some levels: expected and observed."""
    n = len(each.p_values)
    levels = sorted({0.5, 0.1, 0.05, 0.01, 0.001, each.level}, reverse=True)
    observed = [int((each.p_values <= level).sum()) for level in levels]
    return [
        (f"{level:.3g}", f"{n * level:.3g} expected, {k} observed")
        for level, k in zip(levels, observed, strict=True)
    ]


def _thinned(n: int) -> NDArray[np.intp]:
    """All of the smallest p-values, fewer of the rest."""
    if n <= _MOST_POINTS:
        return np.arange(n)
    return np.unique(np.geomspace(1, n, _MOST_POINTS).astype(np.intp)) - 1
