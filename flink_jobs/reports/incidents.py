"""What is shown of an incident of drift: what moved, which events, which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.column_shifts import CHANCE_LEVEL
from flink_jobs.config.columns import Slot
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.records.alerts import Alert, AlertKind, ColumnShift, Exemplar
from flink_jobs.records.shown import shown
from flink_jobs.reports import column_words
from flink_jobs.reports.alert_events import (
    Comparison,
    Shape,
    compare,
)
from flink_jobs.reports.charts import classes, quantiles, shares
from flink_jobs.reports.charts.images import Thumbnail, difference, image_scale, thumbnail
from flink_jobs.reports.evidence import Evidence
from flink_jobs.reports.streams import StreamView
from flink_jobs.reports.words import share

MOST_COLUMNS = 6
MOST_INCIDENTS = 24
MOST_OF_A_STREAM = 4
MOST_ROWS = 300
"""Columns of one incident in its table; 24 such tables take 2 MB of a page."""
_MOST_OF_A_NAME = 60


class MovedColumn(NamedTuple):
    """One column that moved, drawn where there is something to draw it with."""

    name: str
    moved: ColumnShift
    words: str
    chart: dict[str, Any] | None = None
    rows: Sequence[tuple[str, str, str]] = ()

    @property
    def short_name(self) -> str:
        """The name, cut where it is too long for a heading."""
        return shown(self.name, _MOST_OF_A_NAME)

    @property
    def unit(self) -> str:
        """The unit of the numbers, empty without one."""
        return column_words.unit(self.moved)

    @property
    def type(self) -> str:
        """The type of the values, with the unit of numbers."""
        return column_words.type_words(self.moved)

    @property
    def is_chance(self) -> bool:
        """Whether chance lets a column move as much."""
        return self.moved.p_value > CHANCE_LEVEL


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
    columns : list of MovedColumn
        Those that are drawn, what moved most first.
    table : list of MovedColumn
        All columns of the view where the events are at hand, and else those that the alert names;
        at most 300, what moved most first.
    n_columns : int
        How many columns were compared.
    is_whole : bool
        Whether the table is of all events that are at hand rather than of the alert's sample.
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
    columns: list[MovedColumn]
    table: list[MovedColumn] = field(default_factory=list)
    n_columns: int = 0
    is_whole: bool = False
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
        return {started.incident_id: _plain(started, most) for started, most in pairs}
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


def _plain(started: Alert, strongest: Alert) -> IncidentView:
    named = strongest.top_columns
    events = [Event(exemplar, None) for exemplar in strongest.exemplars]
    return IncidentView(
        started,
        strongest,
        [_column(moved) for moved in column_words.telling(named[:MOST_COLUMNS])],
        [_told(moved) for moved in named[:MOST_ROWS]],
        len(named),
        events=events,
    )


def _with_events(
    started: Alert, strongest: Alert, both: Comparison, image_shape: Shape | None
) -> IncidentView:
    view = _plain(started, strongest)
    view.note = both.note
    if image_shape is not None and both.window.features.shape[1] != np.prod(image_shape):
        image_shape = None
    if both.evidence:
        _add_columns(view, both, image_shape)
    if image_shape is not None and len(both.window):
        view.events = _with_images(both, strongest.exemplars, image_shape)
        view.means = _means(both, image_shape)
    if both.evidence and (places := both.evidence.probabilities()):
        before, now = both.evidence.reference.x[:, places], both.evidence.window.x[:, places]
        mix = classes.class_mix(before, now, seed=both.config.detector.seed)
        names = both.evidence.slots[places[0]].column.class_names
        view.mix, view.mix_chart = mix, classes.chart(mix, names)
        view.mix_rows = classes.table(mix, names)
    return view


def _add_columns(view: IncidentView, both: Comparison, image_shape: Shape | None) -> None:
    """Draw columns with the events, and list all of them."""
    slots = both.evidence.slots
    view.columns = [
        _drawn(both.evidence, moved, _pixel(slots, moved.column, image_shape))
        for moved in column_words.telling(view.strongest.top_columns[:MOST_COLUMNS])
    ]
    view.n_columns, view.is_whole = len(both.moves), True
    view.table = [
        _told(moved, _pixel(slots, moved.column, image_shape)) for moved in both.moves[:MOST_ROWS]
    ]


def _told(moved: ColumnShift, name: str = "") -> MovedColumn:
    return MovedColumn(name or column_words.name(moved), moved, column_words.moved(moved))


def _column(moved: ColumnShift) -> MovedColumn:
    """Draw a column with what its alert says: quantiles, or the shares that moved most."""
    of_alert = _told(moved)
    if moved.categories:
        categories = moved.categories
        if moved.type == "boolean":
            categories = sorted(categories, key=lambda each: each.category, reverse=True)
        bars = shares.of(categories, (moved.ref_missing, moved.test_missing))
        return of_alert._replace(chart=shares.chart(bars.drawn), rows=shares.table(bars.listed))
    if moved.ref_quantiles is None or moved.test_quantiles is None:
        return of_alert
    sides = moved.ref_quantiles, moved.test_quantiles
    before, now = (column_words.scaled(moved, side) for side in sides)
    rows = quantiles.table(before, now)
    if moved.ref_missing or moved.test_missing:
        rows.append(("missing", share(moved.ref_missing), share(moved.test_missing)))
    drawn = quantiles.chart(before, now, column_words.unit(moved))
    return of_alert._replace(chart=drawn, rows=rows)


def _drawn(evidence: Evidence, moved: ColumnShift, name: str) -> MovedColumn:
    """Draw a column with the events themselves, where they have it."""
    drawn = evidence.draw(moved.column)
    if drawn is None:
        return _column(moved)
    return _told(moved, name)._replace(chart=drawn.chart, rows=drawn.rows)


def _pixel(slots: Sequence[Slot], column: str, image_shape: Shape | None) -> str:
    """Say where in an image a number lies; empty where the events are no images."""
    names = [slot.name for slot in slots]
    if image_shape is None or len(names) != np.prod(image_shape) or column not in names:
        return ""
    return "pixel ({}, {})".format(*divmod(names.index(column), image_shape[1]))


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
