"""What scores, alerts and answers say about one model."""

from __future__ import annotations

import re
from collections import deque
from enum import StrEnum

import msgspec
from msgspec import Struct

from flink_jobs.dashboard.moved import MOST_COLUMNS, tells_what_moved
from flink_jobs.dashboard.series import Series, ratio
from flink_jobs.dashboard.wire import IncidentRow, ModelRow, Watcher
from flink_jobs.records.alerts import (
    MAIN_DETECTOR,
    MAIN_VIEW,
    Alert,
    AlertKind,
    Cause,
    Score,
    ScoreStatus,
    Severity,
)
from flink_jobs.records.control import Acknowledge, Audit, Command, ModelSummary, Outcome

_MOST_WATCHERS = 32
_N_RECENT = 40
_N_ALERTS = 60
_N_ACKNOWLEDGED = 16
# The answer to a snooze says until when; nothing else of it lies on the topics that are followed.
_HELD_BACK = re.compile(r"held back until (\d{1,15}) ms of event time")


class ModelState(StrEnum):
    """The one word that the list shows of a model, the worst first."""

    CRITICAL = "critical"
    DRIFT = "drift"
    FAILING = "failing"
    NO_REFERENCE = "no_reference"
    SILENT = "silent"
    FORGOTTEN = "forgotten"
    UNSTABLE = "unstable"
    PAUSED = "paused"
    COLLECTING = "collecting"
    UNTESTED = "untested"
    QUIET = "quiet"


_STATES = {
    Cause.DRIFT: ModelState.DRIFT,
    Cause.TEST_FAILED: ModelState.FAILING,
    Cause.NO_REFERENCE: ModelState.NO_REFERENCE,
    Cause.SILENCE: ModelState.SILENT,
    Cause.UNSTABLE_REFERENCE: ModelState.UNSTABLE,
    Cause.UNTESTED: ModelState.UNTESTED,
}


class Mark(Struct, frozen=True, array_like=True):
    """An alert, as the chart marks it."""

    view: str
    detector: str
    kind: AlertKind
    cause: Cause
    severity: Severity
    start_ms: int
    end_ms: int


class _Acknowledged(Struct, frozen=True):
    """``incident_id`` is empty where somebody else sent the command: its answer does not say."""

    at_ms: int
    incident_id: str


class Model:
    """One model as the page knows it.

    Records may come in any order between topics, as they do when history is read; what they say is
    ordered by event time.

    Parameters
    ----------
    number : int
    name : str
    n_windows : int
        How many windows of each watcher are kept.

    Attributes
    ----------
    series : dict of str to Series
        By view and detector.
    alerts : deque of Mark
        The last ones.
    unsent : deque of float or None
        Ratios that the page has not been sent; emptied by who sends them.
    """

    def __init__(self, number: int, name: str, n_windows: int) -> None:
        self.number = number
        self.name = name
        self.last_ms: int | None = None
        self.series: dict[Watcher, Series] = {}
        self.alerts: deque[Mark] = deque(maxlen=_N_ALERTS)
        self.unsent: deque[float | None] = deque(maxlen=_N_RECENT)
        self._n_windows = n_windows
        self._moved: dict[Watcher, Alert] = {}
        self._job = ""
        self._recent: deque[float | None] = deque(maxlen=_N_RECENT)
        self._incidents: dict[tuple[str, Watcher, Cause], IncidentRow] = {}
        self._acknowledged: deque[_Acknowledged] = deque(maxlen=_N_ACKNOWLEDGED)
        self._status: ScoreStatus | None = None
        self._tested_ms = -1
        self._is_paused = False
        self._snoozed_until_ms: int | None = None
        self._forgotten_ms: int | None = None
        self._collecting_from_ms: int | None = None
        self._summary: ModelSummary | None = None

    def take_score(self, score: Score) -> bool:
        """Remember a score; whether more changed than its numbers."""
        before = self._look()
        self._job = score.job
        self._reach(score.window.closed_ms)
        watcher = score.view, score.detector
        series = self._series_of(watcher)
        if series is not None:
            series.add(score)
        if watcher == self.first_watcher:
            self._status = score.status
            self._recent.append(ratio(score))
            self.unsent.append(ratio(score))
        if score.status is ScoreStatus.TESTED:
            self._tested_ms = max(self._tested_ms, score.window.closed_ms)
        return self._look() != before

    def take_alert(self, alert: Alert) -> None:
        """Open, change or close an incident."""
        self._job = alert.job
        window = alert.window
        self._reach(window.closed_ms)
        self.alerts.append(
            Mark(
                alert.view,
                alert.detector,
                alert.kind,
                alert.cause,
                alert.severity,
                window.start_ms,
                window.end_ms,
            )
        )
        self._remember_moved(alert)
        if alert.cause is Cause.FORGOTTEN:
            # Nothing follows it: events of the model that come later begin anew.
            self._forgotten_ms = window.closed_ms
            return
        # A job has at most one incident of a cause and watcher open, so that a new one also takes
        # the place of one whose end was never written.
        place = (alert.job, (alert.view, alert.detector), alert.cause)
        known = self._incidents.get(place)
        is_known = known is not None and known.incident_id == alert.incident_id
        if alert.kind is AlertKind.RECOVERED:
            if is_known:
                del self._incidents[place]
            return
        started_ms = known.started_ms if known is not None and is_known else window.closed_ms
        self._incidents[place] = _incident(alert, started_ms)

    def take_answer(self, audit: Audit, command: Command | None) -> None:
        """Learn from an answer; ``command`` is what was sent, where this page sent it."""
        if audit.outcome is not Outcome.APPLIED:
            return
        self._job = audit.job
        at_ms = audit.effective_ms or 0
        self._reach(at_ms or None)
        match audit.kind:
            case "pause" | "resume":
                self._is_paused = audit.kind == "pause"
            case "snooze":
                found = _HELD_BACK.search(audit.reason)
                self._snoozed_until_ms = int(found[1]) if found else None
            case "rebaseline":
                self._collecting_from_ms = at_ms
            case "acknowledge":
                of_mine = isinstance(command, Acknowledge)
                incident_id = command.incident_id if of_mine else ""  # type: ignore[union-attr]
                self._acknowledged.append(_Acknowledged(at_ms, incident_id))
        if audit.summary is not None:
            self._take_summary(audit.summary, audit.job, at_ms)

    def moved(self, watcher: Watcher) -> Alert | None:
        """Return the last alert of a watcher that says what moved."""
        return self._moved.get(watcher)

    def _remember_moved(self, alert: Alert) -> None:
        watcher = alert.view, alert.detector
        known = self._moved.get(watcher)
        is_older = known is not None and known.window.closed_ms > alert.window.closed_ms
        has_room = known is not None or len(self._moved) < _MOST_WATCHERS
        if tells_what_moved(alert) and has_room and not is_older:
            columns = alert.top_columns[:MOST_COLUMNS]
            self._moved[watcher] = msgspec.structs.replace(alert, top_columns=columns)

    @property
    def first_watcher(self) -> Watcher:
        """Return the text that stands for the model in the list."""
        main = MAIN_VIEW, MAIN_DETECTOR
        mains = (each for each in self.series if each[1] == MAIN_DETECTOR)
        return main if main in self.series else next(mains, next(iter(self.series), ("", "")))

    @property
    def has_incident(self) -> bool:
        """Whether one is open."""
        return bool(self._incidents)

    def row(self) -> ModelRow:
        """What the list shows."""
        return ModelRow(
            number=self.number,
            model=self.name,
            job=self._job,
            state=self._state().value,
            is_paused=self._is_paused,
            snoozed_until_ms=self._snooze(),
            is_collecting=self._is_collecting(),
            last_ms=self.last_ms,
            watchers=list(self.series),
            incidents=[
                msgspec.structs.replace(each, is_acknowledged=self._is_acknowledged(each))
                for each in self._incidents.values()
            ],
            recent=list(self._recent),
            summary=self._summary,
        )

    def _series_of(self, watcher: Watcher) -> Series | None:
        if watcher not in self.series and len(self.series) < _MOST_WATCHERS:
            self.series[watcher] = Series(self._n_windows)
        return self.series.get(watcher)

    def _reach(self, time_ms: int | None) -> None:
        if time_ms is not None:
            self.last_ms = time_ms if self.last_ms is None else max(self.last_ms, time_ms)

    def _look(self) -> tuple[object, ...]:
        """What a score can change besides numbers."""
        return self._state(), self._snooze(), self._is_collecting(), len(self.series), self._job

    def _state(self) -> ModelState:
        open_causes = {each.cause for each in self._incidents.values()}
        if any(each.severity is Severity.CRITICAL for each in self._incidents.values()):
            return ModelState.CRITICAL
        for cause, state in _STATES.items():
            if cause in open_causes:
                return state
        if self._forgotten_ms is not None and self._forgotten_ms == self.last_ms:
            return ModelState.FORGOTTEN
        if self._is_paused:
            return ModelState.PAUSED
        if self._is_collecting():
            return ModelState.COLLECTING
        return ModelState.QUIET if self._status is ScoreStatus.TESTED else ModelState.UNTESTED

    def _snooze(self) -> int | None:
        until_ms = self._snoozed_until_ms
        is_over = until_ms is not None and self.last_ms is not None and self.last_ms >= until_ms
        return None if is_over else until_ms

    def _is_collecting(self) -> bool:
        return self._collecting_from_ms is not None and self._tested_ms <= self._collecting_from_ms

    def _is_acknowledged(self, incident: IncidentRow) -> bool:
        """Whether it was, after its last alert: each alert that is written asks anew."""
        if incident.cause is not Cause.DRIFT:
            return False
        return any(
            each.incident_id == incident.incident_id
            or (not each.incident_id and self._is_sole(each.at_ms))
            for each in self._acknowledged
            if each.at_ms >= incident.last_ms
        )

    def _is_sole(self, at_ms: int) -> bool:
        """Whether one incident alone can be meant by who acknowledged one then."""
        meant = [
            each
            for each in self._incidents.values()
            if each.cause is Cause.DRIFT and each.started_ms <= at_ms
        ]
        return len(meant) == 1

    def _take_summary(self, summary: ModelSummary, job: str, at_ms: int) -> None:
        """The job's own word on what is open."""
        self._summary = summary
        self._is_paused = summary.is_paused
        self._snoozed_until_ms = summary.snoozed_until_ms
        self._collecting_from_ms = (
            at_ms if any(view.phase == "collecting" for view in summary.views) else None
        )
        said = {each.incident_id for each in summary.incidents}
        self._incidents = {
            place: each
            for place, each in self._incidents.items()
            if place[0] != job or each.incident_id in said or each.last_ms > at_ms
        }
        for each in summary.incidents:
            if each.is_acknowledged:
                self._acknowledged.append(_Acknowledged(at_ms, each.incident_id))
            self._incidents.setdefault(
                (job, (each.view, each.detector), each.cause),
                IncidentRow(
                    incident_id=each.incident_id,
                    cause=each.cause,
                    view=each.view,
                    detector=each.detector,
                    severity=each.severity,
                    is_flapping=False,
                    is_acknowledged=False,
                    started_ms=at_ms,
                    last_ms=at_ms,
                    statistic=None,
                    threshold=None,
                    effect_size=None,
                ),
            )


def _incident(alert: Alert, started_ms: int) -> IncidentRow:
    return IncidentRow(
        incident_id=alert.incident_id,
        cause=alert.cause,
        view=alert.view,
        detector=alert.detector,
        severity=alert.severity,
        is_flapping=alert.is_flapping,
        is_acknowledged=False,
        started_ms=started_ms,
        last_ms=alert.window.closed_ms,
        statistic=alert.statistic,
        threshold=alert.threshold.statistic if alert.threshold else None,
        effect_size=alert.effect_size,
    )
