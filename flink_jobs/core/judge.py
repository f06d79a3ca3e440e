"""Tests a closed window and writes its score and, where the policy asks for one, its alert."""

from __future__ import annotations

import hashlib
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import (
    Calibration,
    DriftDetector,
    Judgement,
    TwoSampleResult,
    choose_exemplars,
)
from flink_jobs.alerts import (
    Alert,
    DimensionShift,
    Exemplar,
    ReferenceSummary,
    Score,
    ScoreStatus,
    ThresholdSummary,
    WindowSummary,
    finite_or_none,
    record_id,
)
from flink_jobs.config import DriftJobConfig, config_version
from flink_jobs.core import lifecycle
from flink_jobs.core.state import Status
from flink_jobs.core.windows import ClosedWindow
from flink_jobs.version import __version__


class Verdict(NamedTuple):
    """What came of a tested window."""

    score: Score
    alert: Alert | None


class _Facts(NamedTuple):
    """What the score and the alert of one window have in common."""

    model: str
    window: WindowSummary
    reference: ReferenceSummary

    def identity(self) -> tuple[str | int, ...]:
        w = self.window
        return (
            self.model, w.kind, w.start_ms, w.end_ms, w.first_event, self.reference.fingerprint
        )  # fmt: skip


class Judge:
    """Turns closed windows into scores and alerts.

    Parameters
    ----------
    config : DriftJobConfig
    calibration : Calibration
        Decides which results are drifts.
    """

    def __init__(self, config: DriftJobConfig, calibration: Calibration) -> None:
        self._policy = config.policy
        self._seed = config.detector.seed
        self._calibration = calibration
        self._reducer = _kind(config.detector.reducer)
        self._test = _kind(config.detector.test)
        self._job = config.job.name
        self._config_version = config_version(config)

    def too_few(self, model: str, window: ClosedWindow, status: Status) -> Score:
        """The score of a window that holds too few events to be tested."""
        return self._score(_facts(model, window, status), ScoreStatus.TOO_FEW_EVENTS)

    def test(
        self, model: str, window: ClosedWindow, status: Status, detector: DriftDetector
    ) -> Verdict:
        """Test a window; advances the incident in ``status``."""
        facts = _facts(model, window, status)
        z_test = window.z
        result = detector.test_reduced(z_test, rng=self._rng(facts))
        judgement = self._calibration.judge(detector.two_sample_test, result)
        score = self._score(facts, ScoreStatus.TESTED, result, judgement)
        transition = lifecycle.advance(
            status.incident,
            lifecycle.Outcome(
                window.end_ms, judgement.is_drift, result.p_value, result.effect_size
            ),
            policy=self._policy,
            new_incident_id=self._id("incident", facts),
        )
        if transition is None:
            return Verdict(score, None)
        exemplars = self._exemplars(window, detector.event_scores_reduced(z_test))
        return Verdict(score, self._alert(facts, result, judgement, transition, exemplars))

    def _id(self, what: str, facts: _Facts) -> str:
        return record_id(what, *facts.identity(), self._config_version)

    def _rng(self, facts: _Facts) -> np.random.Generator:
        """Seeded by what is tested, so that a replay permutes the same way."""
        identity = msgspec.json.encode((self._seed, *facts.identity()))
        return np.random.default_rng(int.from_bytes(hashlib.sha256(identity).digest()[:16], "big"))

    def _score(
        self,
        facts: _Facts,
        status: ScoreStatus,
        result: TwoSampleResult | None = None,
        judgement: Judgement | None = None,
    ) -> Score:
        return Score(
            score_id=self._id("score", facts),
            status=status,
            **self._about(facts),
            statistic=finite_or_none(result.statistic) if result else None,
            p_value=finite_or_none(result.p_value) if result else None,
            threshold=_threshold(judgement) if judgement else None,
            effect_size=finite_or_none(result.effect_size) if result else None,
            missing_p_value=_missing_p_value(result) if result else None,
            is_drift=judgement.is_drift if judgement else None,
        )

    def _alert(
        self,
        facts: _Facts,
        result: TwoSampleResult,
        judgement: Judgement,
        transition: lifecycle.Transition,
        exemplars: list[Exemplar],
    ) -> Alert:
        return Alert(
            alert_id=self._id(transition.kind, facts),
            incident_id=transition.incident_id,
            kind=transition.kind,
            severity=transition.severity,
            is_flapping=transition.is_flapping,
            n_suppressed=transition.n_suppressed,
            **self._about(facts),
            statistic=result.statistic,
            p_value=result.p_value,
            threshold=_threshold(judgement),
            effect_size=result.effect_size,
            missing_p_value=_missing_p_value(result),
            top_dimensions=_top_dimensions(result, self._policy.top_dimensions),
            exemplars=exemplars,
        )

    def _about(self, facts: _Facts) -> dict[str, Any]:
        """What a score and an alert say about where they come from."""
        return {
            "model": facts.model,
            "window": facts.window,
            "reference": facts.reference,
            "reducer": self._reducer,
            "test": self._test,
            "job": self._job,
            "job_version": __version__,
            "config_version": self._config_version,
        }

    def _exemplars(self, window: ClosedWindow, scores: NDArray[np.float64]) -> list[Exemplar]:
        chosen = choose_exemplars(scores, self._policy.exemplars).most_different
        columns = window.columns()
        return [
            Exemplar(
                event_id=columns.event_ids[row],
                partition=int(columns.partitions[row]),
                offset=int(columns.offsets[row]),
                score=float(scores[row]),
            )
            for row in chosen.tolist()
        ]


def _facts(model: str, window: ClosedWindow, status: Status) -> _Facts:
    summary = WindowSummary(
        kind=window.kind,
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        first_event=window.first_event,
        n_events=window.n_events,
        n_tested=window.n_tested,
    )
    reference = ReferenceSummary(
        n_events=status.n_reference, fingerprint=status.reference_fingerprint
    )
    return _Facts(model, summary, reference)


def _kind(table: msgspec.Struct) -> str:
    return str(table.__struct_config__.tag)


def _threshold(judgement: Judgement) -> ThresholdSummary:
    threshold = judgement.threshold
    return ThresholdSummary(
        p_value=threshold.p_value, statistic=finite_or_none(threshold.statistic)
    )


def _top_dimensions(result: TwoSampleResult, most: int) -> list[DimensionShift]:
    """The dimensions with the largest statistics, the first one first among equals."""
    order = np.argsort(-result.dimension_statistics, kind="stable")[:most]
    return [
        DimensionShift(
            dimension=dimension,
            statistic=float(result.dimension_statistics[dimension]),
            p_value=float(result.dimension_p_values[dimension]),
            direction=_direction(float(result.dimension_shifts[dimension])),
            shift=finite_or_none(float(result.dimension_shifts[dimension])),
        )
        for dimension in order.tolist()
    ]


def _direction(shift: float) -> Literal["up", "down", "none"]:
    if shift == 0.0:
        return "none"
    return "up" if shift > 0.0 else "down"


def _missing_p_value(result: TwoSampleResult) -> float | None:
    return None if result.missing is None else result.missing.p_value
