"""Compares what the job reported with what is true of each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flink_jobs.demo.streams import ModelStream
from flink_jobs.demo.timing import N_REFERENCE
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score, ScoreStatus
from flink_jobs.records.dead_letters import DeadLetter


@dataclass(frozen=True)
class Reported:
    """Everything that the job wrote, in the order in which it came."""

    alerts: Sequence[Alert]
    scores: Sequence[Score]
    dead_letters: Sequence[DeadLetter]


@dataclass(frozen=True)
class ModelOutcome:
    """Result for one model.

    Attributes
    ----------
    model, truth, change : str
    drift_ms : int or None
        Event time of the first event after the change.
    n_windows : int
        Windows tested.
    n_alerts : int
        Alerts of all kinds and causes.
    found_by : dict of str to Alert
        For each view that found the drift its first alert of drift in a window that holds events
        from after the change.
    delay_events : int or None
        Events from the change to the end of the first of these windows.
    n_false_alarms : int
        Incidents of drift that started without one.
    n_dead_letters : int
    has_unstable_reference : bool
        Whether an alert says that the halves of its reference differ, against which every verdict
        on this model was reached.
    """

    model: str
    truth: str
    change: str
    drift_ms: int | None
    n_windows: int
    n_alerts: int
    found_by: dict[str, Alert]
    delay_events: int | None
    n_false_alarms: int
    n_dead_letters: int
    has_unstable_reference: bool

    @property
    def found(self) -> Alert | None:
        """The first alert of drift; None where no view found it."""
        return min(self.found_by.values(), key=lambda alert: alert.window.end_ms, default=None)

    @property
    def is_right(self) -> bool:
        """True if what is to be found was found, or if a model that was tested stayed silent."""
        is_silent = self.found is None and self.n_windows > 0
        return self.n_false_alarms == 0 and (
            is_silent if self.drift_ms is None else self.found is not None
        )

    @property
    def verdict(self) -> str:
        """The outcome in a few words."""
        if self.n_false_alarms:
            return "false alarm"
        if self.n_windows == 0:
            return "not tested"
        if self.drift_ms is None:
            return "silent"
        return "missed" if self.found is None else "found"


def judge_models(streams: Sequence[ModelStream], reported: Reported) -> list[ModelOutcome]:
    """The outcome of every model, in the order of the streams."""
    return [_judge(stream, reported) for stream in streams]


def unstable_note(outcomes: Sequence[ModelOutcome]) -> str:
    """Describe references that drifted while they were collected; empty without any."""
    names = [outcome.model for outcome in outcomes if outcome.has_unstable_reference]
    if not names:
        return ""
    return (
        f"Unstable reference: {', '.join(names)}. The two halves of it differ, so that what is "
        "found against it may not be drift."
    )


def _judge(stream: ModelStream, reported: Reported) -> ModelOutcome:
    alerts = sorted(
        (a for a in reported.alerts if a.model == stream.model), key=lambda a: a.window.end_ms
    )
    started = _started(alerts, Cause.DRIFT)
    true = [alert for alert in started if _holds_drift(alert, stream.drift_ms)]
    # The last one that a view is given stays: its first.
    found_by = {alert.view: alert for alert in reversed(true)}
    return ModelOutcome(
        model=stream.model,
        truth=stream.truth,
        change=stream.change,
        drift_ms=stream.drift_ms,
        n_windows=sum(
            s.model == stream.model and s.status is ScoreStatus.TESTED for s in reported.scores
        ),
        n_alerts=len(alerts),
        found_by=found_by,
        delay_events=_delay_events(true[0], stream) if true else None,
        n_false_alarms=len(started) - len(true),
        n_dead_letters=sum(d.model == stream.model for d in reported.dead_letters),
        has_unstable_reference=bool(_started(alerts, Cause.UNSTABLE_REFERENCE)),
    )


def _started(alerts: Sequence[Alert], cause: Cause) -> list[Alert]:
    return [a for a in alerts if a.kind is AlertKind.STARTED and a.cause is cause]


def _holds_drift(alert: Alert, drift_ms: int | None) -> bool:
    return drift_ms is not None and alert.window.end_ms > drift_ms


def _delay_events(alert: Alert, stream: ModelStream) -> int:
    assert stream.drift_from is not None  # noqa: S101 - only drifted streams have something found
    return N_REFERENCE + alert.window.first_event + alert.window.n_events - stream.drift_from
