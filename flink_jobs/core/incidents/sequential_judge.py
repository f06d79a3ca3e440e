"""Writes the scores and alerts of a sequential detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.sequential import policy_of_sequential
from flink_jobs.config.views import Sequential, View
from flink_jobs.core.incidents import lifecycle
from flink_jobs.core.incidents.judge import WhatMoved, top_name
from flink_jobs.core.incidents.record_writer import RecordWriter
from flink_jobs.core.record_parts import Facts
from flink_jobs.core.state.incident import Incident
from flink_jobs.records.alerts import (
    Alert,
    AlertKind,
    ColumnShift,
    Ending,
    ReferenceSummary,
    Score,
    ScoreStatus,
    ThresholdSummary,
    WindowSummary,
    finite_or_none,
)


class Reading(NamedTuple):
    """State of a sequential detector after an update.

    Attributes
    ----------
    evidence : float
        Its statistic.
    dimensions : ndarray of float64
        The evidence of each column, or each dimension where a reducer mixes columns; last, that of
        whole rows where they are watched too. Empty where no evidence belongs to a dimension.
    """

    evidence: float
    dimensions: NDArray[np.float64]


class SequentialJudge(RecordWriter):
    """Writes the scores and alerts of one sequential detector.

    Parameters
    ----------
    config : DriftJobConfig
        Of the model.
    view : View
    detector : Sequential
        One of the view's.
    """

    def __init__(self, config: DriftJobConfig, view: View, detector: Sequential) -> None:
        super().__init__(config, view, detector.name, detector.table)
        self._policy = policy_of_sequential(detector.policy)
        self._run_time = float(detector.table.run_time)
        self._names = [slot.name for slot in view.slots] if view.tests_columns else []
        self._n_slots = len(view.slots)

    def score(
        self,
        model: str,
        window: WindowSummary,
        reference: ReferenceSummary,
        evidence: float,
        top: int,
        *,
        is_alarm: bool,
    ) -> Score:
        """Return the score of a stretch of panes: how much evidence there is at its end."""
        return self._score(
            self._facts(model, window, reference),
            ScoreStatus.TESTED,
            is_drift=is_alarm,
            top_column=top_name(self._names, top),
            **self._numbers(evidence),
        )

    def advance(
        self,
        model: str,
        window: WindowSummary,
        reference: ReferenceSummary,
        reading: Reading,
        incident: Incident,
        shown: Callable[[int, int], WhatMoved | None],
        *,
        is_alarm: bool,
        is_snoozed: bool,
    ) -> tuple[Alert | None, bool]:
        """Count an alarm, or a time without one, and say what is to be written.

        Parameters
        ----------
        shown : callable
            Given the most columns and exemplars, what an alert shows of the events.

        Returns
        -------
        alert : Alert or None
        has_recovered : bool
            Even where nothing is written of it.
        """
        facts = self._facts(model, window, reference)
        was_open = bool(incident.incident_id)
        transition = lifecycle.advance(
            incident,
            lifecycle.Outcome(
                window.start_ms, window.closed_ms, is_alarm, p_value=0.0 if is_alarm else 1.0,
                effect_size=0.0, is_snoozed=is_snoozed,
            ),
            policy=self._policy,
            new_incident_id=self._id("incident", facts) if is_alarm else "",
        )  # fmt: skip
        has_recovered = was_open and not incident.incident_id
        if transition is None:
            return None, has_recovered
        # All columns, since those with the most evidence come first.
        evidence = shown(self._n_slots, self._policy.exemplars)
        return self._alert(facts, transition, reading, evidence), has_recovered

    def _alert(
        self,
        facts: Facts,
        transition: lifecycle.Transition,
        reading: Reading,
        evidence: WhatMoved | None,
    ) -> Alert:
        shown: dict[str, Any] = {}
        if evidence is not None:
            shown = {
                "top_columns": self._ordered(evidence.columns, reading.dimensions),
                "segments": evidence.segments,
                "exemplars": evidence.exemplars,
                "sample": evidence.sample,
            }
        is_over = transition.kind is AlertKind.RECOVERED
        return Alert(
            alert_id=self._id(transition.kind, facts),
            incident_id=transition.incident_id,
            kind=transition.kind,
            ending=Ending.NORMAL if is_over else None,
            severity=transition.severity,
            is_flapping=transition.is_flapping,
            n_suppressed=transition.n_suppressed,
            **self._numbers(reading.evidence),
            **shown,
            **self._where(facts),
        )

    def _ordered(
        self, columns: list[ColumnShift], dimensions: NDArray[np.float64]
    ) -> list[ColumnShift]:
        """Put columns with the most evidence first, where each dimension is a column.

        Of columns with equal evidence, those come first that moved most in the sample.
        """
        most = self._policy.top_columns
        if not self._names or not dimensions.size:
            return columns[:most]
        evidence = dict(zip(self._names, map(finite_or_none, dimensions.tolist()), strict=False))
        ordered = sorted(columns, key=lambda each: -(evidence[each.column] or 0.0))[:most]
        return [msgspec.structs.replace(each, evidence=evidence[each.column]) for each in ordered]

    def _numbers(self, evidence: float) -> dict[str, Any]:
        return {
            "statistic": finite_or_none(evidence),
            "threshold": ThresholdSummary(p_value=None, statistic=self._run_time),
        }
