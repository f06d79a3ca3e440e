"""The status of a model, from its state and its plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flink_jobs.config.tables.watching import CalibrationTable, LevelPerWindowConfig
from flink_jobs.core.many_models.stage import decides_over_models
from flink_jobs.core.record_parts import kind_of
from flink_jobs.core.state.incident import Incident
from flink_jobs.core.state.watch import LastResult, Watch
from flink_jobs.core.views.view_watch import ViewWatch
from flink_jobs.records.alerts import (
    Cause,
    Severity,
    ThresholdSummary,
    WindowSummary,
    record_id,
)
from flink_jobs.records.status import (
    DetectorSummary,
    ModelState,
    ModelStatus,
    OpenIncident,
    Promise,
    ViewSummary,
    WindowResult,
    state_of_incidents,
    state_of_watching,
)
from flink_jobs.version import __version__

if TYPE_CHECKING:
    from flink_jobs.core.watched_model import WatchedModel


def describe(model: WatchedModel, at_ms: int) -> ModelStatus:
    """Describe a model as its state is at a moment of event time, without an identity."""
    context, status = model.context, model.context.status
    incidents = open_incidents(model)
    views = [_view_summary(view) for view in model.views]
    worst = state_of_incidents((each.cause, each.severity) for each in incidents)
    return ModelStatus(
        model=model.name,
        state=worst or state_of_watching(is_paused=status.is_paused, views=views),
        at_ms=at_ms,
        heard_ms=status.heard_ms,
        is_paused=status.is_paused,
        snoozed_until_ms=status.snoozed_until_ms if context.is_snoozed(at_ms) else None,
        change=status.change,
        n_pending=len(status.pending),
        may_hold_back=decides_over_models(context.config),
        incidents=incidents,
        views=views,
        job=context.config.job.name,
        job_version=__version__,
        config_version=model.plan.config_version,
    )


def describe_forgotten(model: WatchedModel, at_ms: int) -> ModelStatus:
    """Describe a model that is gone, and of which nothing is kept."""
    return ModelStatus(
        model=model.name,
        state=ModelState.FORGOTTEN,
        at_ms=at_ms,
        heard_ms=model.context.status.heard_ms,
        is_forgotten=True,
        incidents=[],
        views=[],
        job=model.context.config.job.name,
        job_version=__version__,
        config_version=model.plan.config_version,
    )


def status_id(status: ModelStatus) -> str:
    """Return the identifier of a status record, the same in a replay."""
    return record_id(
        "status", status.job, status.model, status.at_ms, status.number, status.config_version
    )


def open_incidents(model: WatchedModel) -> list[OpenIncident]:
    """List the incidents of a model that have not recovered."""
    found = [each for view in model.views for each in _incidents_of(view)]
    silence_id, first = model.context.status.silence_id, model.views[0]
    if silence_id:
        found.append(_warning(silence_id, Cause.SILENCE, first.name, first.plan.main.name))
    return found


def _incidents_of(view: ViewWatch) -> Iterator[OpenIncident]:
    """Most views have none: nothing is made of what is not open."""
    status, main = view.status, view.plan.main.name
    for watch in status.watches:
        if watch.incident.incident_id:
            yield _drift(view.name, watch.name, watch.incident)
    if status.unstable_id:
        yield _warning(status.unstable_id, Cause.UNSTABLE_REFERENCE, view.name, main)
    if status.no_reference_id:
        yield _warning(status.no_reference_id, Cause.NO_REFERENCE, view.name, main)
    for watch in status.watches:
        if watch.failing_id:
            yield _warning(watch.failing_id, Cause.TEST_FAILED, view.name, watch.name)
        if watch.untested.incident_id:
            yield _warning(watch.untested.incident_id, Cause.UNTESTED, view.name, watch.name)


def _drift(view: str, detector: str, incident: Incident) -> OpenIncident:
    return OpenIncident(
        incident_id=incident.incident_id,
        cause=Cause.DRIFT,
        view=view,
        detector=detector,
        severity=incident.severity,
        is_acknowledged=incident.is_acknowledged,
        is_told=incident.told is not None,
    )


def _warning(incident_id: str, cause: Cause, view: str, detector: str) -> OpenIncident:
    return OpenIncident(
        incident_id=incident_id,
        cause=cause,
        view=view,
        detector=detector,
        severity=Severity.WARNING,
    )


def _view_summary(view: ViewWatch) -> ViewSummary:
    status = view.status
    is_collecting = status.phase == "collecting"
    wanted = view.plan.rule.wanted(view)
    return ViewSummary(
        view=view.name,
        phase=status.phase,
        reference=view.reference_summary(),
        n_collected=status.n_collected,
        n_wanted=wanted.n_events,
        complete_ms=wanted.until_ms if is_collecting else None,
        n_monitored=status.n_monitored,
        reducer=kind_of(view.plan.view.reducer),
        detectors=_detectors(view),
    )


def _detectors(watched: ViewWatch) -> list[DetectorSummary]:
    view, finds = watched.plan.view, watched.shifts_found()
    watches = {watch.name: watch for watch in watched.status.watches}
    windowed = [
        DetectorSummary(
            detector=each.name,
            kind=kind_of(each.window),  # type: ignore[arg-type]
            test=kind_of(each.test),
            promise=promise_of(each.calibration),
            finds=finds.get(each.name, []),
            last_window=_last_window(watches.get(each.name), kind_of(each.window)),
        )
        for each in view.detectors
    ]
    sequential = [
        DetectorSummary(
            detector=each.name,
            kind="sequential",
            test=kind_of(each.table),
            promise=Promise(
                run_time=float(each.table.run_time),
                unit=each.table.unit,
                confidence=each.table.confidence,
            ),
            evidence=_evidence(watches.get(each.name)),
            finds=finds.get(each.name, []),
            last_window=_last_window(watches.get(each.name), "sequential"),
        )
        for each in view.sequential
    ]
    return windowed + sequential


def promise_of(table: CalibrationTable) -> Promise:
    """Return what a calibration promises, in the unit in which it was given."""
    if isinstance(table, LevelPerWindowConfig):
        return Promise(level=table.level)
    if table.events is not None:
        return Promise(run_time=float(table.events), unit="events", confidence=table.confidence)
    if table.time_ms is not None:
        return Promise(run_time=float(table.time_ms), unit="ms", confidence=table.confidence)
    return Promise(run_time=table.windows, unit="windows", confidence=table.confidence)


def _evidence(watch: Watch | None) -> float | None:
    return None if watch is None or watch.sequential is None else watch.sequential.evidence


def _last_window(watch: Watch | None, kind: str) -> WindowResult | None:
    if watch is None or watch.last_result is None:
        return None
    last = watch.last_result
    return WindowResult(
        status=last.status,
        window=_window(last, kind),
        statistic=last.statistic,
        p_value=last.p_value,
        threshold=ThresholdSummary(p_value=last.level, statistic=last.threshold)
        if last.has_threshold
        else None,
        effect_size=last.effect_size,
        is_drift=last.is_drift,
    )


def _window(last: LastResult, kind: str) -> WindowSummary:
    return WindowSummary(
        kind=kind,  # type: ignore[arg-type]
        start_ms=last.start_ms,
        end_ms=last.end_ms,
        closed_ms=last.closed_ms,
        first_event=last.first_event,
        n_events=last.n_events,
        n_tested=last.n_tested,
        closed_early=last.closed_early,
    )
