"""What is shown of an incident of drift: what moved, which events, which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import config_of_model
from flink_jobs.config.views import reads_outputs
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.records.alerts import Alert, AlertKind, DimensionShift, Exemplar
from flink_jobs.records.shown import shown_html
from flink_jobs.reports.alert_events import (
    Comparison,
    Shape,
    compare,
    dimension_name,
)
from flink_jobs.reports.charts import classes, distributions, palette
from flink_jobs.reports.charts.images import Thumbnail, difference, image_scale, thumbnail
from flink_jobs.reports.streams import StreamView
from flink_jobs.reports.words import direction, number

MOST_DIMENSIONS = 6
MOST_INCIDENTS = 24
MOST_OF_A_STREAM = 4


class Dimension(NamedTuple):
    """One dimension that moved, with its distributions where the events are at hand."""

    name: str
    moved: DimensionShift
    words: str
    chart: dict[str, Any] | None = None
    rows: Sequence[tuple[str, str, str]] = ()


class Event(NamedTuple):
    """An exemplar, with its image where there is one."""

    exemplar: Exemplar
    image: Thumbnail | None


@dataclass
class IncidentView:
    """An incident, at its strongest window among those an alert was written of.

    Attributes
    ----------
    started, strongest : Alert
    dimensions : list of Dimension
    dots : dict or None
        A chart of how far the dimensions moved, where there are no distributions.
    events : list of Event
    means : list of Thumbnail
        Mean image of the reference and of the window, and their difference.
    mix : ClassMix or None
    mix_chart : dict or None
    mix_rows : list of tuple of str
    note : str
        What is left out, and why.
    """

    started: Alert
    strongest: Alert
    dimensions: list[Dimension]
    dots: dict[str, Any] | None = None
    events: list[Event] = field(default_factory=list)
    means: list[Thumbnail] = field(default_factory=list)
    mix: classes.ClassMix | None = None
    mix_chart: dict[str, Any] | None = None
    mix_rows: list[tuple[str, ...]] = field(default_factory=list)
    note: str = ""


def incidents(
    views: Sequence[StreamView],
    config: DriftJobConfig,
    *,
    history: str | None,
    image_shape: Shape | None,
) -> dict[str, IncidentView]:
    """The incidents that are shown, by their id: the first of each stream."""
    pairs = [
        (started, strongest(view, started))
        for view in views
        for started in view.started[:MOST_OF_A_STREAM]
    ]
    return views_of(pairs[:MOST_INCIDENTS], config, history=history, image_shape=image_shape)


def views_of(
    pairs: Sequence[tuple[Alert, Alert]],
    config: DriftJobConfig,
    *,
    history: str | InputFiles | None,
    image_shape: Shape | None = None,
) -> dict[str, IncidentView]:
    """The incidents that began with an alert and were strongest with another, by their id."""
    if history is None:
        return {started.incident_id: _plain(config, started, most) for started, most in pairs}
    alerts = [alert for _, alert in pairs]
    compared = compare(history, config, alerts, with_features=image_shape is not None)
    return {
        started.incident_id: _with_events(started, most, comparison, image_shape)
        for (started, most), comparison in zip(pairs, compared, strict=True)
    }


def strongest(view: StreamView, started: Alert) -> Alert:
    """The alert of an incident's strongest window."""
    same = [
        alert
        for alert in view.alerts
        if alert.incident_id == started.incident_id
        and alert.kind is not AlertKind.RECOVERED
        and alert.statistic is not None
    ]
    return max(same, key=_strength, default=started)


def _strength(alert: Alert) -> tuple[float, float]:
    # Windows of unequal size have statistics that cannot be compared; their p-values can, until
    # these are too small for a number.
    p_value = 1.0 if alert.p_value is None else alert.p_value
    return -p_value, alert.statistic or 0.0


def _plain(config: DriftJobConfig, started: Alert, strongest: Alert) -> IncidentView:
    of_model = config_of_model(config, started.model)
    dimensions = [
        Dimension(dimension_name(of_model, moved.dimension, None), moved, direction(moved))
        for moved in strongest.top_dimensions[:MOST_DIMENSIONS]
    ]
    events = [Event(exemplar, None) for exemplar in strongest.exemplars]
    dots = _dots(dimensions) if dimensions else None
    return IncidentView(started, strongest, dimensions, dots, events)


def _with_events(
    started: Alert, strongest: Alert, both: Comparison, image_shape: Shape | None
) -> IncidentView:
    view = _plain(both.config, started, strongest)
    view.note = both.note
    if image_shape is not None and both.window.features.shape[1] != np.prod(image_shape):
        image_shape = None
    if len(both.z_ref):
        view.dots = None
        view.dimensions = [
            _drawn(both, moved, image_shape) for moved in strongest.top_dimensions[:MOST_DIMENSIONS]
        ]
    if image_shape is not None and len(both.window):
        view.events = _with_images(both, strongest.exemplars, image_shape)
        view.means = _means(both, image_shape)
    if reads_outputs(both.config) and len(both.reference) and len(both.window):
        mix = classes.class_mix(both.reference.x, both.window.x, seed=both.config.detector.seed)
        view.mix, view.mix_chart, view.mix_rows = mix, classes.chart(mix), classes.table(mix)
    return view


def _drawn(both: Comparison, moved: DimensionShift, image_shape: Shape | None) -> Dimension:
    name = dimension_name(both.config, moved.dimension, image_shape)
    if moved.dimension >= both.z_ref.shape[1]:
        return Dimension(name, moved, direction(moved))
    z_ref, z_test = both.z_ref[:, moved.dimension], both.z_test[:, moved.dimension]
    is_probability = reads_outputs(both.config) and both.z_ref.shape[1] > 1
    drawn = distributions.histogram(z_ref, z_test, is_probability=is_probability)
    words = direction(moved)
    missing = float(np.isnan(z_ref).mean()), float(np.isnan(z_test).mean())
    if any(missing):
        words += f", missing {number(100 * missing[0])} % → {number(100 * missing[1])} %"
    return Dimension(name, moved, words, distributions.chart(drawn), distributions.table(drawn))


def _with_images(both: Comparison, exemplars: Sequence[Exemplar], shape: Shape) -> list[Event]:
    scale = image_scale(both.window.features)
    place_of = {event_id: place for place, event_id in enumerate(both.window.event_ids)}
    events = []
    for exemplar in exemplars:
        place = place_of.get(exemplar.event_id)
        image = None
        if place is not None:
            text = f"image of event {exemplar.event_id}"
            image = thumbnail(both.window.features[place], shape, scale, text)
        events.append(Event(exemplar, image))
    return events


def _means(both: Comparison, shape: Shape) -> list[Thumbnail]:
    if not len(both.reference):
        return []
    before, now = _mean(both.reference.features), _mean(both.window.features)
    scale = image_scale(np.concatenate([before, now]))
    moved = now - before
    most = float(np.abs(moved).max()) or 1.0
    return [
        thumbnail(before, shape, scale, "mean of the reference"),
        thumbnail(now, shape, scale, "mean of the window"),
        difference(moved, shape, most, "difference: orange is lighter now, purple darker"),
    ]


def _mean(features: NDArray[np.float64]) -> NDArray[np.float64]:
    known = features[np.isfinite(features).all(axis=1)]
    return known.mean(axis=0) if len(known) else np.zeros(features.shape[1])


def _dots(dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """How far each dimension moved, in standard deviations of the reference."""
    symbols = {"up": "triangle-right", "down": "triangle-left", "none": "circle"}
    n = len(dimensions)
    heights = list(range(n))
    shifts = [dimension.moved.shift or 0.0 for dimension in dimensions]
    most = 1.2 * max([abs(shift) for shift in shifts] + [0.1])
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": shifts,
                "y": heights,
                "text": [shown_html(f"{d.name}: {d.words}") for d in dimensions],
                "customdata": [d.moved.statistic for d in dimensions],
                "hovertemplate": "%{text}<br>statistic %{customdata:.3~g}<extra></extra>",
                "marker": {
                    "symbol": [symbols[d.moved.direction] for d in dimensions],
                    "size": 13,
                    "color": palette.DRIFT_COLOUR,
                },
            }
        ],
        "layout": {
            "shapes": [
                {
                    "type": "line",
                    "x0": 0,
                    "x1": shift,
                    "y0": height,
                    "y1": height,
                    "line": {"color": palette.DRIFT_COLOUR, "width": 2},
                }
                for shift, height in zip(shifts, heights, strict=True)
            ],
            "height": 70 + 30 * n,
            "xaxis": {
                "title": {"text": "shift in standard deviations of the reference"},
                "range": [-most, most],
                "zeroline": True,
            },
            "yaxis": {
                "tickvals": heights,
                "ticktext": [shown_html(dimension.name) for dimension in dimensions],
                "range": [n - 0.5, -0.5],
                "automargin": True,
            },
        },
    }
