"""The timeline of a stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure, Scatter

from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.records.alerts import Alert, AlertKind, Cause, ScoreStatus
from flink_jobs.records.shown import shown_html
from flink_jobs.records.wording import count
from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.charts.accuracy_line import AXIS, AccuracyLine
from flink_jobs.reports.charts.bands import (
    alert_bands,
    drift_bands,
    incident_bands,
    reference_bands,
)
from flink_jobs.reports.charts.thinning import thin
from flink_jobs.reports.streams import StreamView, Windows
from flink_jobs.reports.words import about, clock

MARKERS_UP_TO = 120
_CLOCK = "%Y-%m-%d %H:%M:%S"
# No text is bold: that needs inline styles, which the live page forbids.
_HOVER = (
    f"until %{{x|{_CLOCK}}}, window of %{{customdata[0]:,}} s<br>"
    "statistic %{y:.4~g}, threshold %{customdata[1]:.4~g}<br>"
    "\N{MINUS SIGN}log₁₀ p %{customdata[2]:.2f}, effect size %{customdata[3]:.3~g}<br>"
    "%{customdata[4]:,} of %{customdata[5]:,} events tested<extra></extra>"
)


def timeline(
    view: StreamView,
    drifts: Sequence[DriftInterval],
    span_ms: tuple[float, float],
    *,
    n_columns: int,
    accuracy: AccuracyLine | None = None,
) -> Figure:
    """Statistic, threshold, alerts and true drifts against event time.

    Parameters
    ----------
    view : StreamView
    drifts : sequence of DriftInterval
        The true drifts of the model.
    span_ms : tuple of float
        The span of the history.
    n_columns : int
        Pixel columns that a run is thinned to.
    accuracy : AccuracyLine, optional
        Drawn below all else, against an axis to the right.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    windows = view.windows
    top = _top(windows.take(windows.is_tested))
    # Those not tested are among them, without a statistic: there the line is interrupted.
    shown = _with_gaps(windows.take(thinned(windows, n_columns)), windows)
    begin_ms, end_ms = _span(view, span_ms)
    bands = [
        *reference_bands(view),
        *alert_bands(view.alerts, end_ms),
        *drift_bands(drifts, begin_ms, end_ms),
    ]
    traces = [_threshold(shown), _statistic(shown), *_drifting(shown), *_not_tested(view.windows)]
    return figures.figure(
        [*([accuracy.trace()] if accuracy else []), *traces, *_marks(view.alerts, top)],
        shapes=[*incident_bands(view.alerts, end_ms), *(shape for shape, _ in bands)],
        annotations=[note for _, note in bands],
        xaxis={"type": "date", "range": [begin_ms, end_ms]},
        yaxis={"range": [-0.06 * top, top], "title": {"text": _axis(view)}},
        **({"yaxis2": AXIS} if accuracy else {}),
    )


def thinned(windows: Windows, n_columns: int) -> NDArray[np.intp]:
    """Of each pixel column the extremes of the statistic and what exceeds the threshold most."""
    excess = windows.statistic - windows.threshold
    return thin(windows.end_ms, windows.statistic, excess, n_columns=n_columns)


def _with_gaps(shown: Windows, windows: Windows) -> Windows:
    """A window without numbers where none closed for a long time, so that no line crosses it."""
    if len(windows) < 3:
        return shown
    steps = np.diff(windows.end_ms)
    before = np.flatnonzero(steps > 5 * np.median(steps)) + 1
    places = np.searchsorted(shown.end_ms, windows.end_ms[before])
    return Windows(
        **{
            name: np.insert(
                getattr(shown, name), places, windows.end_ms[before] if name == "end_ms" else np.nan
            )
            for name in Windows.__dataclass_fields__
        }
    )


def _axis(view: StreamView) -> str:
    return f"{shown_html(view.test)} statistic"


def _top(tested: Windows) -> float:
    """The end of the axis: above everything that a statistic reached, with room for marks."""
    highest = max((float(v) for v in tested.statistic), default=0.0)
    if len(tested) and np.isnan(tested.p_value).all():
        # Evidence of a sequential detector may be a million times its threshold in one pane.
        highest = min(highest, 2.0 * float(np.nanmax(tested.threshold)))
    reachable = tested.threshold[tested.threshold <= max(4 * highest, 0.05)]
    return 1.3 * max([highest, *reachable[:1], float(reachable.max(initial=0.0))]) or 1.0


def _span(view: StreamView, span_ms: tuple[float, float]) -> tuple[float, float]:
    ends = [*span_ms, *view.windows.end_ms[-1:].tolist()]
    begin_ms, end_ms = min(ends), max(ends)
    room_ms = 0.01 * (end_ms - begin_ms) or 1_000.0
    return begin_ms - room_ms, end_ms + room_ms


def _threshold(shown: Windows) -> Scatter:
    return figures.line(
        x=shown.end_ms,
        y=figures.short(shown.threshold),
        line={"color": palette.THRESHOLD_COLOUR, "dash": "dash", "width": 1.5},
        hoverinfo="skip",
    )


def _statistic(shown: Windows) -> Scatter:
    is_short = len(shown) <= MARKERS_UP_TO
    return figures.line(
        mode="lines+markers" if is_short else "lines",
        x=shown.end_ms,
        y=figures.short(shown.statistic),
        customdata=figures.short(_custom(shown)),
        hovertemplate=_HOVER,
        line={"color": palette.STATISTIC_COLOUR, "width": 2 if is_short else 1.2},
        marker={"size": 5},
    )


def _custom(shown: Windows) -> NDArray[np.float64]:
    return np.column_stack(
        [
            (shown.end_ms - shown.start_ms) / 1_000,
            shown.threshold,
            shown.log_p,
            shown.effect_size,
            shown.n_tested,
            shown.n_events,
        ]
    )


def _drifting(shown: Windows) -> Iterator[Scatter]:
    """Windows that drift get a square, whether or not an alert was written."""
    drifting = shown.take(shown.is_drift > 0)
    if len(drifting):
        yield figures.points(
            x=drifting.end_ms,
            y=figures.short(drifting.statistic),
            marker={"symbol": "square", "size": 6, "color": palette.DRIFT_COLOUR},
            hoverinfo="skip",
        )


def _not_tested(windows: Windows) -> Iterator[Scatter]:
    for status, symbol in palette.NOT_TESTED.items():
        some = windows.take(windows.has_status(status))
        some = some.take(thin(some.end_ms, n_columns=200))
        if len(some):
            yield figures.points(
                x=some.end_ms,
                y=np.zeros(len(some), dtype=np.int8),
                customdata=figures.short(some.n_events),
                hovertemplate=f"until %{{x|{_CLOCK}}}<br>"
                f"not tested: {symbol.name}<br>%{{customdata:,}} events<extra></extra>",
                marker={"symbol": symbol.plotly, "size": 7, "color": symbol.colour},
            )


def _marks(alerts: Sequence[Alert], top: float) -> Iterator[Scatter]:
    """Alerts stand at their statistic; those without one along the top."""
    for kind, symbol in palette.KINDS.items():
        of_kind = [alert for alert in alerts if alert.kind is kind]
        if kind is AlertKind.ONGOING and len(of_kind) > MARKERS_UP_TO:
            of_kind = of_kind[:: -(-len(of_kind) // MARKERS_UP_TO)]
        if not of_kind:
            continue
        yield figures.points(
            x=[alert.window.end_ms for alert in of_kind],
            y=[_height(alert, top) for alert in of_kind],
            text=[shown_html(_label(alert)) for alert in of_kind],
            hovertemplate=f"{symbol.sign} %{{text}}<br>%{{x|{_CLOCK}}}<extra></extra>",
            marker={
                "symbol": symbol.plotly,
                "size": 9 if kind is AlertKind.ONGOING else 14,
                "color": symbol.colour,
                "line": {"width": 1.5, "color": "white"},
            },
            cliponaxis=False,
        )


def _height(alert: Alert, top: float) -> float:
    is_on_line = alert.cause is Cause.DRIFT and alert.statistic is not None
    return min(alert.statistic or 0.0, top) if is_on_line else 0.93 * top


def _label(alert: Alert) -> str:
    severity = f", {alert.severity}" if alert.severity != "warning" else ""
    return about(alert) + severity


def sentence(
    view: StreamView, promised: tuple[float, float] | None = None, found: str | None = None
) -> str:
    """The stream in a few words, for people and as the chart's text.

    ``promised`` is the run time in windows, and its confidence; ``found`` how large a shift is.
    """
    windows = view.windows
    n_tested, n_drifting = int(windows.is_tested.sum()), int(windows.is_drift.sum())
    parts = [f"{count(n_tested, 'window')} tested, {n_drifting:,} above the threshold"]
    if len(windows) > n_tested:
        parts.append(f"{len(windows) - n_tested:,} not tested")
    if n_tested:
        tested = windows.take(windows.is_tested)
        highest = int(tested.statistic.argmax())
        at = clock(tested.end_ms[highest])
        parts.append(f"highest statistic {tested.statistic[highest]:.3g} at {at}")
        parts.append(_least_found(tested))
    if promised is not None:
        rare = f"{promised[0]:,.0f} windows or more (confidence {promised[1]:g})"
        parts.append(f"without a drift an alarm in {rare}")
    if found is not None:
        parts.append(found)
    kinds = Counter(about(alert) for alert in view.alerts)
    alerts = ", ".join(f"{n} {what}" for what, n in kinds.items()) or "none"
    return f"{'; '.join(parts)}. Alerts: {alerts}."


def _least_found(tested: Windows) -> str:
    """The shift that the last window would have found."""
    threshold, level = tested.threshold[-1], tested.level[-1]
    if not np.isfinite(threshold):
        return "no statistic of the last window would have been drift"
    return f"the last one drifts from {threshold:.3g} on (p {level:.2g})"


def outline(view: StreamView, most: int = 60) -> list[tuple[str, ...]]:
    """The timeline as the rows of a table: at most ``most`` stretches of it.

    Each has its first start and last end, how many windows ended in it, how many were tested and
    how many drift, the highest statistic, the lowest threshold and the lowest p-value.
    """
    windows = view.windows
    parts = np.array_split(np.arange(len(windows)), min(most, max(1, len(windows))))
    return [_outline_row(windows.take(rows)) for rows in parts if len(rows)]


def _outline_row(part: Windows) -> tuple[str, ...]:
    tested = part.take(part.has_status(ScoreStatus.TESTED))
    numbers = (
        tested.statistic.max(initial=-np.inf),
        tested.threshold[~np.isnan(tested.threshold)].min(initial=np.inf),
        tested.p_value.min(initial=np.inf),
    )
    return (
        clock(part.start_ms.min()),
        clock(part.end_ms.max()),
        f"{len(part):,}",
        f"{len(tested):,}",
        f"{int(tested.is_drift.sum()):,}",
        *(f"{value:.3g}" if np.isfinite(value) else "–" for value in numbers),
    )
