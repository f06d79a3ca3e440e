"""The parts of scores and alerts that all detectors write alike."""

from __future__ import annotations

from typing import Any

import msgspec

from flink_jobs.config.digests import config_version
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.views import View
from flink_jobs.core.incidents import lifecycle
from flink_jobs.core.record_parts import Facts, kind_of
from flink_jobs.core.state.incident import Incident
from flink_jobs.records.alerts import (
    Alert,
    AlertKind,
    Cause,
    Ending,
    ReferenceSummary,
    Score,
    ScoreStatus,
    WindowSummary,
    record_id,
)
from flink_jobs.version import __version__


class RecordWriter:
    """Writes the scores and alerts of one detector that no test stands behind.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.
    view : View
        One of :func:`~flink_jobs.config.views.views_of` of it.
    name : str
        Of the detector.
    test : Table
        The table that chooses what the detector does.
    """

    def __init__(self, config: DriftJobConfig, view: View, name: str, test: msgspec.Struct) -> None:
        self._view = view.name
        self._name = name
        self._config_version = config_version(config)
        self._about = {
            "view": view.name,
            "detector": name,
            "reducer": kind_of(view.reducer),
            "test": kind_of(test),
            "job": config.job.name,
            "job_version": __version__,
            "config_version": self._config_version,
        }

    def not_tested(
        self,
        model: str,
        window: WindowSummary,
        reference: ReferenceSummary,
        status: ScoreStatus,
        reason: str | None = None,
    ) -> Score:
        """Return the score of a window that could not be tested."""
        return self._score(self._facts(model, window, reference), status, reason=reason)

    def end_incident(
        self,
        model: str,
        incident: Incident,
        window: WindowSummary,
        reference: ReferenceSummary,
        ending: Ending,
    ) -> Alert | None:
        """End an open incident that no window ends, and return the alert that says so, if any."""
        facts = self._facts(model, window, reference)
        transition = lifecycle.end(incident, window.closed_ms)
        if transition is None:
            return None
        return Alert(
            alert_id=record_id("recovered", transition.incident_id, ending, self._config_version),
            incident_id=transition.incident_id,
            kind=transition.kind,
            ending=ending,
            severity=transition.severity,
            is_flapping=transition.is_flapping,
            n_suppressed=transition.n_suppressed,
            **self._where(facts),
        )

    def about_model(
        self, model: str, cause: Cause, kind: AlertKind, incident_id: str, window: WindowSummary,
        reference: ReferenceSummary, *, ending: Ending | None = None, reason: str | None = None,
    ) -> Alert:  # fmt: skip
        """Return an alert without a test behind it; a new incident has an empty ``incident_id``."""
        facts = self._facts(model, window, reference)
        return Alert(
            alert_id=self._id(f"{cause}-{kind}", facts),
            incident_id=incident_id or self._id(cause, facts),
            kind=kind,
            cause=cause,
            ending=ending,
            reason=reason,
            **self._where(facts),
        )

    def _score(self, facts: Facts, status: ScoreStatus, **numbers: Any) -> Score:
        return Score(
            score_id=self._id("score", facts), status=status, **numbers, **self._where(facts)
        )

    def _facts(self, model: str, window: WindowSummary, reference: ReferenceSummary) -> Facts:
        return Facts(model, self._view, self._name, window, reference)

    def _where(self, facts: Facts) -> dict[str, Any]:
        """Return the fields that name the origin of a score or an alert."""
        return {
            "model": facts.model,
            "window": facts.window,
            "reference": facts.reference,
            **self._about,
        }

    def _id(self, what: str, facts: Facts) -> str:
        return record_id(what, *facts.identity(), self._config_version)
