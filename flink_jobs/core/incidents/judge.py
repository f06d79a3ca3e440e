"""Tests closed windows and writes scores and, where there is something to tell, alerts."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import DriftDetector, Judgement, TwoSampleResult
from flink_jobs.config.job import DriftJobConfig, config_version
from flink_jobs.config.views import Detector, views_of
from flink_jobs.core.factory import make_calibration
from flink_jobs.core.failures import detector_code
from flink_jobs.core.incidents import lifecycle
from flink_jobs.core.record_parts import (
    Facts,
    column_names,
    exemplars,
    kind_of,
    result_fields,
    sample,
    top_columns,
    window_summary,
)
from flink_jobs.core.state.incident import Incident
from flink_jobs.core.windows.windows import ClosedWindow
from flink_jobs.records.alerts import (
    Alert,
    AlertKind,
    Cause,
    ColumnShift,
    Ending,
    ReferenceSummary,
    Score,
    ScoreStatus,
    WindowSummary,
    record_id,
)
from flink_jobs.version import __version__


class Verdict(NamedTuple):
    """The records of a tested window; ``has_recovered`` even where nothing is written of it."""

    score: Score
    alert: Alert | None
    has_recovered: bool = False


class Judge:
    """Writes the scores and alerts of one detector.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.
    detector : Detector
        One of :func:`~flink_jobs.config.job.detectors_of` of it.
    """

    def __init__(self, config: DriftJobConfig, detector: Detector) -> None:
        self._config = config
        self._name = detector.name
        self._policy = detector.policy
        self._test = kind_of(detector.test)
        self._seed = config.detector.seed
        self._calibration = make_calibration(detector.calibration)
        self._config_version = config_version(config)
        self._about = {
            "detector": detector.name,
            "reducer": kind_of(views_of(config)[0].reducer),
            "test": self._test,
            "job": config.job.name,
            "job_version": __version__,
            "config_version": self._config_version,
        }

    def not_tested(
        self,
        model: str,
        window: ClosedWindow,
        reference: ReferenceSummary,
        status: ScoreStatus,
        reason: str | None = None,
    ) -> Score:
        """Return the score of a window that could not be tested."""
        return self._score(self._facts(model, window, reference), status, reason=reason)

    def test(
        self,
        model: str,
        window: ClosedWindow,
        reference: ReferenceSummary,
        detector: DriftDetector,
        incident: Incident,
        *,
        is_reduced: bool,
        snoozed_until_ms: int | None,
        known: TwoSampleResult | None = None,
    ) -> Verdict:
        """Test a window and advance the incident.

        ``is_reduced`` says whether the window holds reduced rows or raw ones. ``known`` is the
        result where it is known but for the p-values and shifts of dimensions, which only alerts
        show.

        Raises
        ------
        DetectorFailedError
            When the detector does; the incident may have changed.
        """
        facts = self._facts(model, window, reference)

        def tested() -> TwoSampleResult:
            return detector.test_reduced(z_test(), rng=self._rng(facts))

        def z_test() -> NDArray[np.float64]:
            return window.z if is_reduced else detector.reduce(window.z)

        with detector_code():
            result = known or tested()
            judgement = self._calibration.judge(detector.two_sample_test, result)
        score = self._score(
            facts,
            ScoreStatus.TESTED,
            is_drift=judgement.is_drift,
            **result_fields(result, judgement),
        )
        was_open = bool(incident.incident_id)
        transition = lifecycle.advance(
            incident,
            lifecycle.Outcome(
                window.start_ms,
                window.closed_ms,
                judgement.is_drift,
                result.p_value,
                result.effect_size,
                is_early=window.closed_early,
                is_snoozed=snoozed_until_ms is not None and window.closed_ms < snoozed_until_ms,
            ),
            policy=self._policy,
            new_incident_id=self._id("incident", facts) if judgement.is_drift else "",
        )
        has_recovered = was_open and not incident.incident_id
        if transition is None:
            return Verdict(score, None, has_recovered)
        with detector_code():
            result = tested() if known else result
        alert = self._drift_alert(facts, transition, result, judgement)
        if self._policy.exemplars:
            with detector_code():
                scores = detector.event_scores_reduced(z_test())
            shown = exemplars(window.columns(), scores, self._policy.exemplars)
            alert = msgspec.structs.replace(alert, exemplars=shown)
        return Verdict(score, alert, has_recovered)

    def end_incident(
        self,
        model: str,
        incident: Incident,
        window: WindowSummary,
        reference: ReferenceSummary,
        ending: Ending,
    ) -> Alert | None:
        """End an open incident that no window ends, and return the alert that says so, if any."""
        facts = Facts(model, self._name, window, reference)
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
        facts = Facts(model, self._name, window, reference)
        return Alert(
            alert_id=self._id(f"{cause}-{kind}", facts),
            incident_id=incident_id or self._id(cause, facts),
            kind=kind,
            cause=cause,
            ending=ending,
            reason=reason,
            **self._where(facts),
        )

    def reference_stability(
        self, model: str, halves: TwoSampleResult, detector: DriftDetector, window: WindowSummary,
        incident_id: str,
    ) -> Alert | None:  # fmt: skip
        """Return an alert where the halves of a new reference differ, or agree again.

        ``incident_id`` is that of the incident that is open because of it, or empty. Raises
        DetectorFailedError when the calibration fails.
        """
        with detector_code():
            judgement = self._calibration.judge(detector.two_sample_test, halves)
        if judgement.is_drift == bool(incident_id):
            return None
        facts = Facts(model, self._name, window, ReferenceSummary(n_events=0, fingerprint=""))
        kind = AlertKind.STARTED if judgement.is_drift else AlertKind.RECOVERED
        return Alert(
            alert_id=self._id(f"unstable-{kind}", facts),
            incident_id=incident_id or self._id("unstable", facts),
            kind=kind,
            cause=Cause.UNSTABLE_REFERENCE,
            ending=None if judgement.is_drift else Ending.NORMAL,
            sample=sample(halves, self._test),
            top_columns=self._top_columns(halves),
            **result_fields(halves, judgement),
            **self._where(facts),
        )

    def _drift_alert(
        self,
        facts: Facts,
        transition: lifecycle.Transition,
        result: TwoSampleResult,
        judgement: Judgement,
    ) -> Alert:
        is_over = transition.kind is AlertKind.RECOVERED
        return Alert(
            alert_id=self._id(transition.kind, facts),
            incident_id=transition.incident_id,
            kind=transition.kind,
            ending=Ending.NORMAL if is_over else None,
            severity=transition.severity,
            is_flapping=transition.is_flapping,
            n_suppressed=transition.n_suppressed,
            sample=sample(result, self._test),
            top_columns=self._top_columns(result),
            **result_fields(result, judgement),
            **self._where(facts),
        )

    def _top_columns(self, result: TwoSampleResult) -> list[ColumnShift]:
        names = column_names(self._config, len(result.dimension_statistics))
        return top_columns(result, names, self._policy.top_columns)

    def _score(self, facts: Facts, status: ScoreStatus, **numbers: Any) -> Score:
        return Score(
            score_id=self._id("score", facts), status=status, **numbers, **self._where(facts)
        )

    def _facts(self, model: str, window: ClosedWindow, reference: ReferenceSummary) -> Facts:
        return Facts(model, self._name, window_summary(window), reference)

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

    def _rng(self, facts: Facts) -> np.random.Generator:
        """Seeded by what is tested, so that a replay permutes the same way."""
        identity = msgspec.json.encode((self._seed, *facts.identity()))
        return np.random.default_rng(int.from_bytes(hashlib.sha256(identity).digest()[:16], "big"))
