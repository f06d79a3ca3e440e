"""The answer to the command ``describe``: the state of a model, in short."""

from __future__ import annotations

from collections.abc import Iterator

from flink_jobs.core.state.entries import encode
from flink_jobs.core.views.view_watch import ViewWatch
from flink_jobs.core.watched_model import WatchedModel
from flink_jobs.records.alerts import Cause, Severity
from flink_jobs.records.control import (
    EvidenceSummary,
    ModelSummary,
    OpenIncident,
    ViewSummary,
)


def describe(model: WatchedModel) -> ModelSummary:
    """Summarise the state of a model."""
    status = model.context.status
    return ModelSummary(
        config_version=model.plan.config_version,
        views=[_view_summary(view) for view in model.views],
        now_ms=status.now_ms,
        heard_ms=status.heard_ms,
        is_paused=status.is_paused,
        snoozed_until_ms=status.snoozed_until_ms,
        change=status.change,
        incidents=open_incidents(model),
        n_pending=len(status.pending),
        state_bytes=len(encode(status)) + model.n_bytes,
    )


def _view_summary(view: ViewWatch) -> ViewSummary:
    return ViewSummary(
        view=view.name,
        phase=view.status.phase,
        reference=view.reference_summary(),
        n_collected=view.status.n_collected,
        n_monitored=view.status.n_monitored,
        sequential=_evidence(view),
    )


def _evidence(view: ViewWatch) -> list[EvidenceSummary]:
    """Say how far the sequential detectors are from an alarm; none before there is a reference."""
    memories = {watch.name: watch.sequential for watch in view.status.watches}
    return [
        EvidenceSummary(
            detector=plan.name,
            evidence=memory.evidence,
            run_time=plan.table.run_time,
            unit=plan.table.unit,
        )
        for plan in view.plan.sequential
        if (memory := memories.get(plan.name)) is not None
    ]


def open_incidents(model: WatchedModel) -> list[OpenIncident]:
    """List the incidents of a model that have not recovered."""
    silence_id, first = model.context.status.silence_id, model.views[0]
    silence = [_warning(silence_id, Cause.SILENCE, first.name, first.plan.main.name)]
    found = [each for view in model.views for each in _incidents_of(view)]
    return [each for each in found + silence if each.incident_id]


def _incidents_of(view: ViewWatch) -> Iterator[OpenIncident]:
    status, main = view.status, view.plan.main.name
    for watch in status.watches:
        yield OpenIncident(
            incident_id=watch.incident.incident_id,
            cause=Cause.DRIFT,
            view=view.name,
            detector=watch.name,
            severity=watch.incident.severity,
            is_acknowledged=watch.incident.is_acknowledged,
        )
    yield _warning(status.unstable_id, Cause.UNSTABLE_REFERENCE, view.name, main)
    yield _warning(status.no_reference_id, Cause.NO_REFERENCE, view.name, main)
    for watch in status.watches:
        yield _warning(watch.failing_id, Cause.TEST_FAILED, view.name, watch.name)
        yield _warning(watch.untested.incident_id, Cause.UNTESTED, view.name, watch.name)


def _warning(incident_id: str, cause: Cause, view: str, detector: str) -> OpenIncident:
    return OpenIncident(
        incident_id=incident_id,
        cause=cause,
        view=view,
        detector=detector,
        severity=Severity.WARNING,
    )
