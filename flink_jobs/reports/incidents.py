"""The page's part on an incident of drift: what moved, which events, which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from detectors.column_shifts import CHANCE_LEVEL
from flink_jobs.config.overrides import config_of_model
from flink_jobs.records.alerts import Alert, AlertKind, ColumnShift, Exemplar
from flink_jobs.records.evidence import Evidence, strength_of
from flink_jobs.records.shown import shown as shown_text
from flink_jobs.reports import column_words
from flink_jobs.reports.charts import classes, quantiles, shares
from flink_jobs.reports.charts.images import (
    Shape,
    Thumbnail,
    difference,
    image_scale,
    thumbnail,
)
from flink_jobs.reports.evidence import Both, Shown
from flink_jobs.reports.streams import StreamView
from flink_jobs.reports.words import share

if TYPE_CHECKING:  # it takes pyarrow, which the live page does without
    from flink_jobs.replay.result import BacktestResult

MOST_COLUMNS = 6
MOST_INCIDENTS = 24
MOST_OF_A_STREAM = 4
MOST_ROWS = 300
"""Columns of one incident in its table; 24 such tables take 2 MB of a page."""
_MOST_OF_A_NAME = 60
_NO_IMAGES = (
    "its evidence holds no images of {} x {} numbers: name their columns in evidence.columns and "
    "run the backtest again"
)


class MovedColumn(NamedTuple):
    """One column that moved, drawn where there is something to draw it with."""

    name: str
    moved: ColumnShift
    words: str
    chart: Figure | None = None
    rows: Sequence[tuple[str, str, str]] = ()

    @property
    def short_name(self) -> str:
        """The name, cut where it is too long for a heading."""
        return shown_text(self.name, _MOST_OF_A_NAME)

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
        """Say whether chance lets a column move as much."""
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
        All columns of the view where there is evidence, and else those that the alert names; at
        most 300, what moved most first.
    n_columns : int
        How many columns were compared.
    is_whole : bool
        Whether these are all columns of the view.
    events : list of Event
    means : list of Thumbnail
        Mean image of the reference and of the window, and their difference.
    mix : ClassMix or None
    mix_chart : Figure or None
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
    mix_chart: Figure | None = None
    mix_rows: list[tuple[str, ...]] = field(default_factory=list)
    note: str = ""


def incidents(
    views: Sequence[StreamView], result: BacktestResult, *, image_shape: Shape | None = None
) -> dict[str, IncidentView]:
    """The incidents that are shown, by their id: the first of each stream."""
    pairs = [
        (started, strongest(view, started))
        for view in views
        for started in view.started[:MOST_OF_A_STREAM]
    ]
    return views_of(pairs[:MOST_INCIDENTS], result, image_shape=image_shape)


def views_of(
    pairs: Sequence[tuple[Alert, Alert]],
    result: BacktestResult,
    *,
    image_shape: Shape | None = None,
) -> dict[str, IncidentView]:
    """The incidents that began with an alert, as they were at another of theirs, by their id."""
    evidence = result.evidence({alert.alert_id for _, alert in pairs})
    return {
        started.incident_id: view_of(
            started,
            alert,
            evidence.get(alert.alert_id),
            seed=config_of_model(result.config, alert.model).detector.seed,
            image_shape=image_shape,
        )
        for started, alert in pairs
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
    return max(same, key=strength_of, default=started)


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


def view_of(
    started: Alert,
    strongest: Alert,
    evidence: Evidence | None,
    *,
    seed: int = 0,
    image_shape: Shape | None = None,
) -> IncidentView:
    """Show an incident as it was at an alert of it, by that alert's evidence.

    Without evidence the alert alone says what moved. ``seed`` draws the samples from which the
    ranges of the classes' shares come.
    """
    view = _plain(started, strongest)
    if evidence is None:
        return view
    shown, names = Shown(evidence), _Names(None, None)
    if image_shape is not None:
        images = shown.images(image_shape[0] * image_shape[1])
        if images is None:
            view.note = _NO_IMAGES.format(*image_shape)
        else:
            names = _Names(shown, image_shape)
            view.events = _with_images(shown, images, strongest.exemplars, image_shape)
            view.means = _means(images, image_shape)
    _add_columns(view, evidence, shown, names)
    if (found := shown.probabilities()) is not None:
        both, classes_named = found
        mix = classes.class_mix(both.reference, both.window, seed=seed)
        view.mix, view.mix_chart = mix, classes.chart(mix, classes_named)
        view.mix_rows = classes.table(mix, classes_named)
    return view


class _Names(NamedTuple):
    """Names of columns, which may be pixels of an image."""

    shown: Shown | None
    shape: Shape | None

    def of(self, column: str) -> str:
        """Say where in an image a number lies; empty where the events are not images."""
        if self.shown is None or self.shape is None:
            return ""
        place = self.shown.pixel(column)
        return "" if place is None else "pixel ({}, {})".format(*divmod(place, self.shape[1]))


def _add_columns(view: IncidentView, evidence: Evidence, shown: Shown, names: _Names) -> None:
    """Draw columns with the events, and list all of them."""
    moves = {move.column: move for move in evidence.moves}
    view.columns = [
        _drawn(shown, moves.get(moved.column, moved), names.of(moved.column))
        for moved in column_words.telling(view.strongest.top_columns[:MOST_COLUMNS])
    ]
    view.n_columns = sum(column.is_watched for column in evidence.columns)
    view.is_whole = True
    view.table = [_told(moved, names.of(moved.column)) for moved in evidence.moves[:MOST_ROWS]]


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


def _drawn(shown: Shown, moved: ColumnShift, name: str) -> MovedColumn:
    """Draw a number with the events themselves, a category with its shares."""
    drawn = shown.histogram(moved.column)
    if drawn is None:
        return _column(moved)
    return _told(moved, name)._replace(chart=drawn.chart, rows=drawn.rows)


def _with_images(
    shown: Shown, images: Both, exemplars: Sequence[Exemplar], shape: Shape
) -> list[Event]:
    scale = image_scale(images.window)
    events = []
    for exemplar in exemplars:
        pixels, image = shown.image_of(exemplar.event_id), None
        if pixels is not None:
            image = thumbnail(pixels, shape, scale, f"image of event {exemplar.event_id}")
        events.append(Event(exemplar, image))
    return events


def _means(images: Both, shape: Shape) -> list[Thumbnail]:
    before, now = _mean(images.reference), _mean(images.window)
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
