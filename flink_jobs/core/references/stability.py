"""References that drifted while they were collected."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from flink_jobs.core.failures import DetectorFailedError, detector_code
from flink_jobs.core.incidents.judge import WhatMoved
from flink_jobs.core.record_parts import Named, column_shifts
from flink_jobs.core.references.fitted import (
    FittedView,
    RawRows,
    ReferenceRows,
    compare_halves,
)
from flink_jobs.core.sampling import smallest
from flink_jobs.core.state.incident import Incident
from flink_jobs.records.alerts import Cause, Ending, SampleSummary, Severity, WindowSummary

if TYPE_CHECKING:
    from flink_jobs.core.views.view_watch import ViewWatch


class Stability:
    """The incident about a view's reference that drifted while it was collected.

    Parameters
    ----------
    view : ViewWatch
    """

    def __init__(self, view: ViewWatch) -> None:
        self._view = view

    def report(self, rows: ReferenceRows) -> None:
        """Compare the halves of a new reference: one that drifts is not a reference; say so."""
        try:
            self._report(rows)
        except DetectorFailedError as error:
            self._view.notice(f"the halves of its reference could not be compared ({error})")
            self.end(self._end_ms)

    def end(self, at_ms: int, ending: Ending = Ending.NEW_REFERENCE) -> None:
        """End the incident when a reference comes that is not judged so."""
        view, status = self._view, self._view.status
        if not status.unstable_id:
            return
        incident = Incident(incident_id=status.unstable_id, told=Severity.WARNING)
        alert = view.plan.main.judge.end_incident(
            view.context.model,
            incident,
            view.teller.moment(at_ms),
            view.reference_summary(),
            ending,
        )
        assert alert is not None  # noqa: S101 - it was told
        alert = msgspec.structs.replace(alert, cause=Cause.UNSTABLE_REFERENCE)
        view.context.actions.alerts.append(alert)
        status.unstable_id = ""

    @property
    def _end_ms(self) -> int:
        end_ms = self._view.status.reference_end_ms
        assert end_ms is not None  # noqa: S101 - set with the last event
        return end_ms

    def _report(self, rows: ReferenceRows) -> None:
        view, status = self._view, self._view.status
        window = self._window(len(rows.x))
        compared = compare_halves(view.plan.view, rows, view.sample_size, self._rng())
        if compared is None:
            self.end(self._end_ms)
            return
        result, fitted = compared
        alert = view.plan.main.judge.reference_stability(
            view.context.model,
            result,
            fitted.detectors[0].two_sample_test,
            self._evidence(rows, fitted),
            window,
            status.unstable_id,
        )
        if alert is None:
            return
        if view.context.is_snoozed(window.closed_ms) and not status.unstable_id:
            status.watches[0].incident.n_suppressed += 1
            view.notice("its reference drifted while it was collected; alerts are snoozed")
            return
        view.context.actions.alerts.append(alert)
        status.unstable_id = "" if status.unstable_id else alert.incident_id

    def _evidence(self, rows: ReferenceRows, fitted: FittedView) -> WhatMoved:
        """How the second half differs from the first."""
        view = self._view.plan.view
        second = slice(len(rows.x) // 2, None)
        chosen = smallest(rows.keys[second], self._view.sample_size)
        x = rows.x[second][chosen]
        with detector_code():
            moves = fitted.shifts.compare(fitted.encoded(RawRows(x, rows.texts)))
        named = Named(fitted.encoder, fitted.encoder.other_shares(x, rows.texts), len(x))
        return WhatMoved(
            column_shifts(moves, view.slots, named, len(moves)),
            [],
            [],
            SampleSummary(n_ref=fitted.shifts.n_ref, n_test=len(x)),
        )

    def _window(self, n_events: int) -> WindowSummary:
        start_ms = self._view.status.reference_start_ms
        assert start_ms is not None  # noqa: S101 - set with the first event
        return WindowSummary(
            kind="time",
            start_ms=start_ms,
            end_ms=self._end_ms,
            closed_ms=self._end_ms,
            first_event=0,
            n_events=n_events,
            n_tested=n_events,
        )

    def _rng(self) -> np.random.Generator:
        view = self._view
        parts = (view.plan.view.seed, view.context.model, view.name, view.status.reference_start_ms)
        digest = hashlib.sha256(msgspec.json.encode(parts)).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))
