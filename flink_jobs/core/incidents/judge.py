"""Tests closed windows and writes scores and, where there is something to tell, alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import Dependence, Judgement, Offset, TwoSampleResult, TwoSampleTest
from flink_jobs.config.calibration import judge_halves, make_calibration
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Table
from flink_jobs.config.views import Detector, View
from flink_jobs.core.factory import is_prepared
from flink_jobs.core.failures import detector_code
from flink_jobs.core.incidents import lifecycle
from flink_jobs.core.incidents.record_writer import RecordWriter
from flink_jobs.core.record_parts import Facts, result_fields
from flink_jobs.core.state.incident import Incident
from flink_jobs.records.alerts import (
    Alert,
    AlertKind,
    Cause,
    ColumnShift,
    Ending,
    Exemplar,
    ReferenceSummary,
    SampleSummary,
    Score,
    ScoreStatus,
    SegmentMove,
    WindowSummary,
)


class Verdict(NamedTuple):
    """The records of a tested window, and what follows from it.

    Attributes
    ----------
    score : Score
    alert : Alert or None
    offset : Offset
        What is known of the reference, with this window.
    has_recovered : bool
        Even where nothing is written of it.
    """

    score: Score
    alert: Alert | None
    offset: Offset
    has_recovered: bool


class WhatMoved(NamedTuple):
    """The events as an alert shows them, of which it sees a sample."""

    columns: list[ColumnShift]
    segments: list[SegmentMove]
    exemplars: list[Exemplar]
    sample: SampleSummary


class Comparison(Protocol):
    """A window and its reference, ready to be tested; all of it runs code of detectors."""

    @property
    def test(self) -> TwoSampleTest:
        """The test, fitted."""
        ...

    def run(self, rng: Callable[[], np.random.Generator]) -> TwoSampleResult:
        """Test the window; ``rng`` makes the randomness of tests that draw."""
        ...

    def dependence(self, result: TwoSampleResult) -> Sequence[Dependence]:
        """Say by dimension how much the tested events depend on each other; nothing if not."""
        ...

    def evidence(self, n_columns: int, n_exemplars: int) -> WhatMoved:
        """Say what moved most, and name the events that are least like the reference."""
        ...


class Judge(RecordWriter):
    """Tests windows, and writes the scores and alerts of one detector.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.
    view : View
        One of :func:`~flink_jobs.config.views.views_of` of it.
    detector : Detector
        One of the view's.
    """

    def __init__(self, config: DriftJobConfig, view: View, detector: Detector) -> None:
        super().__init__(config, view, detector.name, detector.test)
        self._policy = detector.policy
        self._seed = config.detector.seed
        self._calibration = make_calibration(config, detector)
        self._calibration_table = detector.calibration
        self._dimension_names = dimension_names(view, detector.test)

    def test(
        self,
        model: str,
        window: WindowSummary,
        reference: ReferenceSummary,
        comparison: Comparison,
        incident: Incident,
        offset: Offset,
        *,
        is_snoozed: bool,
    ) -> Verdict:
        """Test a window and advance the incident.

        ``offset`` is what earlier windows have told about the reference.

        Raises
        ------
        DetectorFailedError
            When the detector does; the incident may have changed.
        """
        facts = self._facts(model, window, reference)
        with detector_code():
            result = comparison.run(partial(self._rng, facts))
            dependence = comparison.dependence(result)
            judgement = self._calibration.judge(comparison.test, result, dependence, offset)
            result = judgement.result
        score = self._score(
            facts,
            ScoreStatus.TESTED,
            is_drift=judgement.is_drift,
            top_column=self._top_column(result),
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
                is_snoozed=is_snoozed,
            ),
            policy=self._policy,
            new_incident_id=self._id("incident", facts) if judgement.is_drift else "",
        )
        has_recovered = was_open and not incident.incident_id
        if transition is None:
            return Verdict(score, None, judgement.offset, has_recovered)
        with detector_code():
            evidence = comparison.evidence(self._policy.top_columns, self._policy.exemplars)
        alert = self._drift_alert(facts, transition, result, judgement, evidence)
        return Verdict(score, alert, judgement.offset, has_recovered)

    def reference_stability(
        self, model: str, halves: TwoSampleResult, test: TwoSampleTest, evidence: WhatMoved,
        window: WindowSummary, incident_id: str,
    ) -> Alert | None:  # fmt: skip
        """Return an alert where the halves of a new reference differ, or agree again.

        ``incident_id`` is that of the incident that is open because of it, or empty. Raises
        DetectorFailedError when the calibration fails.
        """
        with detector_code():
            judgement = judge_halves(self._calibration_table, test, halves)
        if judgement.is_drift == bool(incident_id):
            return None
        facts = self._facts(model, window, ReferenceSummary(n_events=0, fingerprint=""))
        kind = AlertKind.STARTED if judgement.is_drift else AlertKind.RECOVERED
        return Alert(
            alert_id=self._id(f"unstable-{kind}", facts),
            incident_id=incident_id or self._id("unstable", facts),
            kind=kind,
            cause=Cause.UNSTABLE_REFERENCE,
            ending=None if judgement.is_drift else Ending.NORMAL,
            top_columns=evidence.columns[: self._policy.top_columns],
            sample=evidence.sample,
            **result_fields(halves, judgement),
            **self._where(facts),
        )

    def _drift_alert(
        self,
        facts: Facts,
        transition: lifecycle.Transition,
        result: TwoSampleResult,
        judgement: Judgement,
        evidence: WhatMoved,
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
            top_columns=evidence.columns,
            segments=evidence.segments,
            exemplars=evidence.exemplars,
            sample=evidence.sample,
            **result_fields(result, judgement),
            **self._where(facts),
        )

    def _top_column(self, result: TwoSampleResult) -> str | None:
        """Name the column that moved most, where each dimension is one."""
        statistics = result.dimension_statistics
        if len(self._dimension_names) != statistics.size:
            return None
        return top_name(self._dimension_names, top_place(statistics))

    def _rng(self, facts: Facts) -> np.random.Generator:
        """Seeded by what is tested, so that a replay permutes the same way."""
        identity = msgspec.json.encode((self._seed, *facts.identity()))
        return np.random.default_rng(int.from_bytes(hashlib.sha256(identity).digest()[:16], "big"))


def dimension_names(view: View, test: Table) -> Sequence[str]:
    """Name the dimensions that a detector sees; none where the reducer mixes columns."""
    if not view.tests_columns or is_prepared(view, test):
        return ()
    return [slot.name for slot in view.slots]


def top_place(statistics: NDArray[np.float64]) -> int:
    """Return the dimension with the largest statistic; -1 where none is above 0."""
    if not statistics.size or not statistics.max() > 0.0:
        return -1
    return int(np.argmax(statistics))


def top_name(names: Sequence[str], place: int) -> str | None:
    """Return the name of a dimension; None for -1, and where dimensions have no names."""
    return names[place] if 0 <= place < len(names) else None
