"""Contents of both pictures: each model's statistic per window against its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flink_jobs.demo.job_file import VIEWS
from flink_jobs.demo.outcome import ModelOutcome, Reported, unstable_note
from flink_jobs.demo.timing import REFERENCE_END_MS, START_MS
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score, ScoreStatus
from flink_jobs.reports.charts import palette

REFERENCE_FILL = "#EFEFEF"
VIEW_COLOURS = {VIEWS.inputs: palette.TRUTH_COLOUR, VIEWS.outputs: palette.STATISTIC_COLOUR}
REFERENCE_SPAN = (
    datetime.fromtimestamp(START_MS / 1000, tz=UTC),
    datetime.fromtimestamp(REFERENCE_END_MS / 1000, tz=UTC),
)


@dataclass(frozen=True)
class Mark:
    """An alert that started or ended an incident of drift."""

    time: datetime
    statistic: float
    kind: AlertKind


@dataclass(frozen=True)
class Line:
    """The results of one view of a model.

    Attributes
    ----------
    view, colour : str
    times : list of datetime
        Ends of the tested windows.
    statistics, thresholds : list of float
        One for each window; a threshold that nothing reaches is infinite.
    marks : list of Mark
    """

    view: str
    colour: str
    times: list[datetime]
    statistics: list[float]
    thresholds: list[float]
    marks: list[Mark]

    @property
    def top(self) -> float:
        """The highest value that can be drawn."""
        reachable = [value for value in self.thresholds if value <= 1.0]
        return max([*self.statistics, *reachable, 0.0])


@dataclass(frozen=True)
class Panel:
    """One model.

    Attributes
    ----------
    heading, verdict : str
        Model with what is true of it, and what the job found.
    is_right : bool
    drift_time : datetime or None
        The true moment of drift.
    change : str
        What happens at that moment.
    lines : list of Line
        One for each view.
    """

    heading: str
    verdict: str
    is_right: bool
    drift_time: datetime | None
    change: str
    lines: list[Line]

    @property
    def top(self) -> float:
        """End of the axis: above everything drawn, with room for labels."""
        return 1.35 * max([0.05, *(line.top for line in self.lines)])

    @property
    def labelled(self) -> list[Mark]:
        """The marks that bear a word: of those of one kind and moment the outermost."""
        outermost: dict[tuple[datetime, AlertKind], Mark] = {}
        for mark in sorted(
            (mark for line in self.lines for mark in line.marks), key=lambda mark: mark.statistic
        ):
            key = mark.time, mark.kind
            if mark.kind is AlertKind.STARTED or key not in outermost:
                outermost[key] = mark
        return list(outermost.values())


@dataclass(frozen=True)
class Picture:
    """All panels under one title, with notes below."""

    title: str
    notes: list[str]
    panels: list[Panel]


def prepare(outcomes: Sequence[ModelOutcome], reported: Reported) -> Picture:
    """Everything that is drawn, from what the job reported."""
    n_tested = max((outcome.n_windows for outcome in outcomes), default=0) // len(VIEWS)
    unstable = unstable_note(outcomes)
    return Picture(
        title=_title(outcomes),
        notes=[
            "Kolmogorov–Smirnov statistic of the inputs, 64 pixels, and of the outputs, ten "
            f"probabilities, in {n_tested} windows of ten minutes, each drawn at its end.",
            "Dashed: the thresholds. Vertical lines: the true moments of drift. Event time in UTC.",
            *([unstable] if unstable else []),
        ],
        panels=[_panel(outcome, reported) for outcome in outcomes],
    )


def _title(outcomes: Sequence[ModelOutcome]) -> str:
    drifted = [outcome for outcome in outcomes if outcome.drift_ms is not None]
    n_found = sum(outcome.found is not None for outcome in drifted)
    if all(outcome.is_right for outcome in outcomes):
        return f"All {n_found} drifts were found, and the model without drift stayed silent"
    n_false = sum(outcome.n_false_alarms for outcome in outcomes)
    n_untested = sum(outcome.n_windows == 0 for outcome in outcomes)
    untested = f"; {n_untested} of {len(outcomes)} models were not tested" if n_untested else ""
    return f"{n_found} of {len(drifted)} drifts were found, with {n_false} false alarms{untested}"


def _panel(outcome: ModelOutcome, reported: Reported) -> Panel:
    return Panel(
        heading=f"{outcome.model}: {outcome.truth}",
        verdict=_verdict(outcome),
        is_right=outcome.is_right,
        drift_time=None if outcome.drift_ms is None else _utc(outcome.drift_ms),
        change=outcome.change,
        lines=[_line(outcome.model, view, reported) for view in VIEWS],
    )


def _line(model: str, view: str, reported: Reported) -> Line:
    scores = _tested(model, view, reported.scores)
    return Line(
        view=view,
        colour=VIEW_COLOURS[view],
        times=[_utc(score.window.end_ms) for score in scores],
        statistics=[_number(score.statistic) for score in scores],
        thresholds=[_threshold(score) for score in scores],
        marks=[
            Mark(_utc(alert.window.end_ms), _number(alert.statistic), alert.kind)
            for alert in reported.alerts
            if (alert.model, alert.view) == (model, view) and _is_marked(alert)
        ],
    )


def _is_marked(alert: Alert) -> bool:
    """Say whether an alert starts or ends a drift; an unstable reference has its note."""
    return alert.cause is Cause.DRIFT and alert.kind is not AlertKind.ONGOING


def _verdict(outcome: ModelOutcome) -> str:
    if outcome.delay_events is None:
        return outcome.verdict
    return f"{outcome.verdict} after {outcome.delay_events:,} events"


def _tested(model: str, view: str, scores: Sequence[Score]) -> list[Score]:
    own = [score for score in scores if (score.model, score.view) == (model, view)]
    tested = [score for score in own if score.status is ScoreStatus.TESTED]
    return sorted(tested, key=lambda score: score.window.end_ms)


def _threshold(score: Score) -> float:
    return float("inf") if score.threshold is None else _number(score.threshold.statistic)


def _number(value: float | None) -> float:
    return float("inf") if value is None else value


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)
