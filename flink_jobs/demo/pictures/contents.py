"""What both pictures show: each model's statistic per window against its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flink_jobs.demo.outcome import ModelOutcome, Reported, unstable_note
from flink_jobs.demo.timing import REFERENCE_END_MS, START_MS
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score, ScoreStatus

REFERENCE_FILL = "#EFEFEF"
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
    times : list of datetime
        Ends of the tested windows.
    statistics, thresholds : list of float
        One for each window; a threshold that nothing reaches is infinite.
    marks : list of Mark
    """

    heading: str
    verdict: str
    is_right: bool
    drift_time: datetime | None
    change: str
    times: list[datetime]
    statistics: list[float]
    thresholds: list[float]
    marks: list[Mark]

    @property
    def top(self) -> float:
        """Where the axis ends: above everything drawn, with room for labels."""
        reachable = [value for value in self.thresholds if value <= 1.0]
        return 1.35 * max([*self.statistics, *reachable, 0.05])


@dataclass(frozen=True)
class Picture:
    """All panels under one title, with notes below."""

    title: str
    notes: list[str]
    panels: list[Panel]


def prepare(outcomes: Sequence[ModelOutcome], reported: Reported) -> Picture:
    """Everything that is drawn, from what the job reported."""
    n_tested = max((outcome.n_windows for outcome in outcomes), default=0)
    unstable = unstable_note(outcomes)
    return Picture(
        title=_title(outcomes),
        notes=[
            f"Kolmogorov–Smirnov statistic of the softmax outputs in {n_tested} windows of ten "
            "minutes, each drawn at its end.",
            "Vertical lines: the true moments of drift. Event time in UTC.",
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
    scores = _tested(outcome.model, reported.scores)
    return Panel(
        heading=f"{outcome.model}: {outcome.truth}",
        verdict=_verdict(outcome),
        is_right=outcome.is_right,
        drift_time=None if outcome.drift_ms is None else _utc(outcome.drift_ms),
        change=outcome.change,
        times=[_utc(score.window.end_ms) for score in scores],
        statistics=[_number(score.statistic) for score in scores],
        thresholds=[_threshold(score) for score in scores],
        marks=[
            Mark(_utc(alert.window.end_ms), _number(alert.statistic), alert.kind)
            for alert in reported.alerts
            if alert.model == outcome.model and _is_marked(alert)
        ],
    )


def _is_marked(alert: Alert) -> bool:
    """What started or ended with a window; an unstable reference has its note."""
    return alert.cause is Cause.DRIFT and alert.kind is not AlertKind.ONGOING


def _verdict(outcome: ModelOutcome) -> str:
    if outcome.delay_events is None:
        return outcome.verdict
    return f"{outcome.verdict} after {outcome.delay_events:,} events"


def _tested(model: str, scores: Sequence[Score]) -> list[Score]:
    tested = [s for s in scores if s.model == model and s.status is ScoreStatus.TESTED]
    return sorted(tested, key=lambda score: score.window.end_ms)


def _threshold(score: Score) -> float:
    return float("inf") if score.threshold is None else _number(score.threshold.statistic)


def _number(value: float | None) -> float:
    return float("inf") if value is None else value


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)
