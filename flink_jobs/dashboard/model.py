"""One model, as scores, alerts and status records describe it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from msgspec.structs import replace

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
)
from flink_jobs.records.status import (
    WORST_FIRST,
    ModelState,
    ModelStatus,
    OpenIncident,
    state_of_incidents,
    state_of_watching,
    worse,
)
from flink_jobs.reports.streams import StreamView

_MOST_WATCHERS = 32
_N_RECENT = 40
_N_ALERTS = 60


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
    unsent : deque of float or None
        Ratios that the page has not been sent; emptied by who sends them.
    """

    def __init__(self, number: int, name: str, n_windows: int) -> None:
        self.number = number
        self.name = name
        self.last_ms: int | None = None
        self.series: dict[Watcher, Series] = {}
        self._alerts: deque[Alert] = deque(maxlen=_N_ALERTS)
        self.unsent: deque[float | None] = deque(maxlen=_N_RECENT)
        self._n_windows = n_windows
        self._moved: dict[Watcher, Alert] = {}
        self._job = ""
        self._recent: deque[float | None] = deque(maxlen=_N_RECENT)
        self._incidents: dict[tuple[str, Watcher, Cause], IncidentRow] = {}
        self._last_score: ScoreStatus | None = None
        self._forgotten_ms: int | None = None
        self._status: ModelStatus | None = None
        self._is_answer = False
        self._tested_ms = -1

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
            self._last_score = score.status
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
        # Without its columns and events an alert takes 1.8 kB.
        self._alerts.append(replace(alert, top_columns=[], segments=[], exemplars=[]))
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
        self._incidents[place] = _row_of(alert, started_ms, window.closed_ms)

    def take_status(self, status: ModelStatus, *, is_answer: bool = False) -> None:
        """Believe what the job says of the model.

        An answer to a command is read from another topic: an old one does not take the place of
        what is known already. On the topic of status records the last one holds.
        """
        if is_answer and self._status is not None and status.at_ms < self._status.at_ms:
            return
        self._status, self._is_answer, self._job = status, is_answer, status.job
        self._reach(max(status.at_ms, status.heard_ms or 0) or None)
        if status.is_forgotten:
            self._forgotten_ms = status.at_ms
        self._put_incidents_right(status)

    def stream(self, watcher: Watcher) -> StreamView | None:
        """Copy what is known of a watcher, as reports draw it; None where nothing is."""
        series = self.series.get(watcher)
        if series is None:
            return None
        alerts = [each for each in self._alerts if (each.view, each.detector) == watcher]
        return StreamView(
            self.name,
            *watcher,
            series.reducer,
            series.test,
            series.windows(),
            dict(series.references),
            sorted(alerts, key=lambda alert: alert.window.closed_ms),
        )

    def streams(self) -> list[StreamView]:
        """Copy what is known of all watchers."""
        return [seen for watcher in self.series if (seen := self.stream(watcher)) is not None]

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
            self._moved[watcher] = replace(alert, top_columns=columns)

    @property
    def first_watcher(self) -> Watcher:
        """Return the text that stands for the model in the list."""
        main = MAIN_VIEW, MAIN_DETECTOR
        mains = (each for each in self.series if each[1] == MAIN_DETECTOR)
        return main if main in self.series else next(mains, next(iter(self.series), ("", "")))

    @property
    def rank(self) -> int:
        """Return the place of its state among all, the worst first."""
        return WORST_FIRST.index(self._state())

    @property
    def has_incident(self) -> bool:
        """Say whether one is open."""
        return bool(self._incidents)

    def row(self) -> ModelRow:
        """The line of the list."""
        return ModelRow(
            number=self.number,
            model=self.name,
            job=self._job,
            state=self._state().value,
            snoozed_until_ms=self._snooze(),
            last_ms=self.last_ms,
            watchers=list(self.series),
            incidents=[
                replace(each, is_acknowledged=self._is_acknowledged(each))
                for each in self._incidents.values()
            ],
            recent=list(self._recent),
            status=self._status,
        )

    def _series_of(self, watcher: Watcher) -> Series | None:
        if watcher not in self.series and len(self.series) < _MOST_WATCHERS:
            self.series[watcher] = Series(self._n_windows)
        return self.series.get(watcher)

    def _reach(self, time_ms: int | None) -> None:
        if time_ms is not None:
            self.last_ms = time_ms if self.last_ms is None else max(self.last_ms, time_ms)

    def _look(self) -> tuple[object, ...]:
        """Everything besides numbers that a score can change."""
        return self._state(), self._snooze(), len(self.series), self._job

    def _state(self) -> ModelState:
        told = state_of_incidents((e.cause, e.severity) for e in self._incidents.values())
        known = self._state_by_status()
        if told is not None:
            return told if known is None else worse(told, known)
        if self._forgotten_ms is not None and self._forgotten_ms == self.last_ms:
            return ModelState.FORGOTTEN
        if known is not None and known is not ModelState.UNTESTED:
            return known
        # No status record, or none since the first windows: what scores say is newer.
        is_tested = self._last_score is ScoreStatus.TESTED
        return ModelState.QUIET if is_tested else ModelState.UNTESTED

    def _state_by_status(self) -> ModelState | None:
        """The last status; None where there is none, or it does not hold any more.

        Nothing but a tested window says that an answer to a command is out of date.
        """
        status = self._status
        if status is None or status.is_forgotten:
            return None
        if self._is_answer and self._tested_ms > status.at_ms:
            return None
        watched = state_of_watching(is_paused=status.is_paused, views=status.views)
        untold = state_of_incidents((e.cause, e.severity) for e in _held_back(status))
        return watched if untold is None else worse(watched, untold)

    def _snooze(self) -> int | None:
        until_ms = self._status.snoozed_until_ms if self._status is not None else None
        is_over = until_ms is not None and self.last_ms is not None and self.last_ms >= until_ms
        return None if is_over else until_ms

    def _is_acknowledged(self, incident: IncidentRow) -> bool:
        """Say whether it was, after its last alert: each alert that is written asks anew."""
        status = self._status
        if status is None or incident.last_ms > status.at_ms:
            return False
        seen = {each.incident_id for each in status.incidents if each.is_acknowledged}
        return incident.incident_id in seen

    def _put_incidents_right(self, status: ModelStatus) -> None:
        """Close incidents that the job no longer has, and open those that alerts did not tell of.

        Alerts that came since are newer than the status.
        """
        job, at_ms = status.job, status.at_ms
        said = {each.incident_id for each in status.incidents}
        self._incidents = {
            place: each
            for place, each in self._incidents.items()
            if place[0] != job or each.incident_id in said or each.last_ms > at_ms
        }
        # Where a stage over all models decides what is told, alerts alone say what it told.
        for each in () if status.may_hold_back else status.incidents:
            if each.is_told:
                place = job, (each.view, each.detector), each.cause
                self._incidents.setdefault(place, _row_of(each, at_ms, at_ms))


def _held_back(status: ModelStatus) -> Iterable[OpenIncident]:
    """The incidents of which the policy, or a snooze, let no alert tell."""
    return [each for each in status.incidents if not (each.is_told or status.may_hold_back)]


def _row_of(incident: Alert | OpenIncident, started_ms: int, last_ms: int) -> IncidentRow:
    """Make the row of an incident; one whose alerts the page has not read has no numbers."""
    alert = incident if isinstance(incident, Alert) else None
    threshold = alert.threshold if alert else None
    return IncidentRow(
        incident_id=incident.incident_id,
        cause=incident.cause,
        view=incident.view,
        detector=incident.detector,
        severity=incident.severity,
        is_flapping=alert is not None and alert.is_flapping,
        is_acknowledged=False,
        started_ms=started_ms,
        last_ms=last_ms,
        statistic=alert.statistic if alert else None,
        threshold=threshold.statistic if threshold else None,
        effect_size=alert.effect_size if alert else None,
    )
