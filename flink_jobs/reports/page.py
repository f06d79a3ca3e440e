"""Puts the report together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from flink_jobs import times
from flink_jobs.config.calibration import run_times_of
from flink_jobs.config.overrides import PerOverride
from flink_jobs.config.smallest_shifts import found_by_views
from flink_jobs.evaluation.evaluate import Detection, Evaluation
from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.records import wording
from flink_jobs.replay.result import BacktestResult, PlacedDeadLetter
from flink_jobs.reports import column_words, pages, verdict, words
from flink_jobs.reports.charts import (
    calendar,
    calibration,
    classes,
    moved,
    overview,
    palette,
    quality,
    timeline,
)
from flink_jobs.reports.charts.accuracy_line import AccuracyLine
from flink_jobs.reports.incidents import IncidentView
from flink_jobs.reports.pages import Charts
from flink_jobs.reports.streams import StreamView
from flink_jobs.reports.text.alerts import method_of

N_COLUMNS = 600
"""Pixel columns of a timeline that shows a run in full detail."""
_MOST_POINTS = 300_000
_MOST_OPEN = 40
_MANY_STREAMS = 50
_MOST_IN_FULL = 100
"""Collapsed timelines; more are unpacked when they are asked for: 960 have 290,000 elements."""


@dataclass
class StreamBlock:
    """One stream on the page."""

    view: StreamView
    place: int
    chart: str
    outline: list[tuple[str, ...]]
    tone: str
    word: str
    sentence: str
    is_thinned: bool
    incidents: list[IncidentView] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)

    @property
    def calendar(self) -> calendar.Calendar | None:
        """The windows by day and hour; None for a short history."""
        return calendar.of_windows(self.view.windows)

    @property
    def name(self) -> str:
        """The model, with what watches it."""
        return self.view.name

    @property
    def method(self) -> str:
        """The reducer and the test."""
        return method_of(self.view.reducer, self.view.test)


@dataclass(frozen=True)
class Contents:
    """Everything a report shows.

    Attributes
    ----------
    result : BacktestResult
    views : list of StreamView
    drifts : list of DriftInterval
    evaluation : Evaluation or None
        None without ground truth.
    incidents : dict of str to IncidentView
    tolerance_ms : int
    accuracy : pyarrow.Table or str
        Of :data:`~flink_jobs.evaluation.accuracy.ACCURACY_SCHEMA`, or why there is none.
    configuration : list of (str, str)
        The configuration in words.
    """

    result: BacktestResult
    views: Sequence[StreamView]
    drifts: Sequence[DriftInterval]
    evaluation: Evaluation | None
    incidents: dict[str, IncidentView]
    tolerance_ms: int = 0
    accuracy: pa.Table | str = ""
    configuration: Sequence[tuple[str, str]] = ()

    @property
    def span_ms(self) -> tuple[float, float]:
        """Event time of the first and the last event."""
        return float(self.result.summary.start_ms), float(self.result.summary.end_ms)

    def measured_in(self, view: IncidentView) -> tuple[int, float]:
        """Labelled events of an incident's window, and the share of them predicted right."""
        if isinstance(self.accuracy, str):
            return 0, 0.0
        window = view.strongest.window
        return AccuracyLine.of(self.accuracy, view.strongest.model).within(
            window.start_ms, window.end_ms
        )


def render(contents: Contents) -> str:
    """The whole page."""
    charts = Charts()
    blocks = _blocks(contents, charts)
    shown = [block for block in blocks if block.view.alerts or block.tone == "bad"][:_MOST_OPEN]
    seen = _quality(contents)
    letters = contents.result.dead_letters()
    context = {
        "contents": contents,
        "summary": contents.result.summary,
        "headline": verdict.headline(contents.evaluation, contents.views),
        "lines": verdict.lines(contents.evaluation, contents.views),
        "line_columns": verdict.TRUTH_COLUMNS if contents.evaluation else verdict.ALERT_COLUMNS,
        "totals": list(verdict.totals(contents.evaluation)) if contents.evaluation else [],
        "total_columns": verdict.TOTAL_COLUMNS,
        "shown": shown or blocks[:1],
        "collapsed": [block for block in blocks if block not in (shown or blocks[:1])],
        "calibrations": [
            (
                each,
                charts.add(calibration.chart(each)) if each.n_apart else None,
                calibration.table(each),
            )
            for each in calibration.calibrations(
                contents.views, contents.drifts, tolerance_ms=contents.tolerance_ms
            )
        ],
        "quality": seen,
        "quality_chart": charts.add(quality.chart(seen)) if seen.some else None,
        "quality_rows": quality.table(seen),
        "letters": quality.first_examples(letters),
        "letter_words": quality.dead_letter_words(
            contents.result.summary.dead_letters, contents.result.summary.n_events
        ),
        "has_accuracy": not isinstance(contents.accuracy, str),
        "config_json": msgspec.json.format(
            msgspec.json.encode(contents.result.config), indent=2
        ).decode(),
        "words": words,
        "column_words": column_words,
        "wording": wording,
        "times": times,
        "palette": palette,
        "signs": verdict.SIGNS,
        "quiet": verdict.QUIET,
        "classes": classes,
        "most_in_full": _MOST_IN_FULL,
        "packed": pages.packed,
        "overview": verdict.overview(contents.evaluation, contents.views),
        "calendar": calendar,
        "moved": moved,
        "states": palette.STATES[overview.QUIET :],
        "measured_in": contents.measured_in,
        "payload": payload_text,
    }
    return pages.render("report.html.jinja", charts, **context)


def payload_text(letter: PlacedDeadLetter) -> str:
    """The first bytes of a dead letter as text."""
    payload = letter.payload or b""
    text = payload[:120].decode(errors="replace")
    return text + "…" * (letter.payload_bytes > 120)


def _blocks(contents: Contents, charts: Charts) -> list[StreamBlock]:
    n_columns = max(60, min(N_COLUMNS, _MOST_POINTS // (5 * max(1, len(contents.views)))))
    n_rows = 60 if len(contents.views) <= _MANY_STREAMS else 12
    lines = verdict.lines(contents.evaluation, contents.views)
    run_times = PerOverride(contents.result.config, run_times_of)
    found = PerOverride(contents.result.config, found_by_views)
    judged = {line.place: (rank, line) for rank, line in enumerate(lines)}
    blocks = []
    for place, view in enumerate(contents.views):
        drifts = [drift for drift in contents.drifts if drift.concerns(view.model)]
        # Those without an alert are seldom opened.
        columns = n_columns if view.alerts else min(n_columns, 300)
        name = (view.view, view.detector)
        promise = run_times.of(view.model).get(name)
        sentence = timeline.sentence(view, promise, found.of(view.model).get(name))
        line = None
        if not isinstance(contents.accuracy, str):
            line = AccuracyLine.of(contents.accuracy, view.model)
            sentence = f"{sentence} {line.sentence}"
        chart = timeline.timeline(view, drifts, contents.span_ms, n_columns=columns, accuracy=line)
        detections = [
            each
            for each in (contents.evaluation.detections if contents.evaluation else [])
            if (each.model, each.view, each.detector) == (view.model, view.view, view.detector)
        ]
        blocks.append(
            StreamBlock(
                view=view,
                place=place,
                chart=charts.add(chart),
                outline=timeline.outline(view, n_rows),
                tone=judged[place][1].tone,
                word=judged[place][1].word,
                sentence=sentence.rstrip(),
                is_thinned=int(view.windows.is_tested.sum()) > 2 * columns,
                incidents=[
                    contents.incidents[alert.incident_id]
                    for alert in view.started
                    if alert.incident_id in contents.incidents
                ],
                detections=detections,
            )
        )
    return _together(blocks, {place: rank for place, (rank, _) in judged.items()})


def _together(blocks: Sequence[StreamBlock], rank_of: Mapping[int, int]) -> list[StreamBlock]:
    """All that watches a model stands together, so that inputs and outputs can be compared."""
    rank_of_model: dict[str, int] = {}
    for block in blocks:
        known = rank_of_model.get(block.view.model, rank_of[block.place])
        rank_of_model[block.view.model] = min(known, rank_of[block.place])
    return sorted(blocks, key=lambda block: (rank_of_model[block.view.model], block.place))


def _quality(contents: Contents) -> quality.Quality:
    return quality.quality(contents.views, contents.result.dead_letters(), contents.span_ms)
