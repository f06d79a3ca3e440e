"""The status of a model by its definition, from what went in and what alerts and scores said.

It counts events, follows commands and reads the records that people read; it knows nothing of the
monitor's state. Windows are panes, a reference is the first ``n_reference`` events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score

_WORST_FIRST = ("drift", "unstable", "paused", "collecting", "untested", "quiet")


@dataclass
class StatusOracle:
    """Follows one model with one view and one detector."""

    n_reference: int
    n_collected: int = 0
    n_monitored: int = 0
    is_monitoring: bool = False
    is_paused: bool = False
    snoozed_until_ms: int = 0
    heard_ms: int | None = None
    now_ms: int = 0
    last_score: Score | None = None
    told: dict[str, bool] = field(default_factory=dict)
    unstable: set[str] = field(default_factory=set)

    def pane(self, n_events: int, end_ms: int, scores: list[Score], alerts: list[Alert]) -> None:
        """Count a pane, and what was written while it was taken."""
        self.now_ms = self.heard_ms = end_ms
        begins = False
        if not self.is_paused:
            rest = n_events
            if not self.is_monitoring:
                rest = max(0, self.n_collected + n_events - self.n_reference)
                self.n_collected += n_events - rest
                begins = self.n_collected == self.n_reference
            if begins:
                self.is_monitoring, self.n_collected, self.n_monitored = True, 0, 0
                self.last_score = None
            if self.is_monitoring:
                self.n_monitored += rest
        if scores:
            self.last_score = scores[-1]
        self._read(alerts)

    def command(self, kind: str, alerts: list[Alert], **keys: Any) -> None:
        """Follow a command that was applied."""
        if kind == "pause":
            self.is_paused = True
        elif kind == "resume":
            self.is_paused = False
            if self.is_monitoring:
                self.n_monitored, self.last_score = 0, None
        elif kind == "snooze":
            self.snoozed_until_ms = keys["until_ms"]
        elif kind == "rebaseline":
            self.is_monitoring, self.n_collected, self.n_monitored = False, 0, 0
        elif kind == "acknowledge":
            self.told[keys["incident_id"]] = True
        self._read(alerts)

    @property
    def is_snoozed(self) -> bool:
        """Whether alerts are held back now."""
        return self.now_ms < self.snoozed_until_ms

    def state(self, *, is_drifting: bool) -> str:
        """The word for it."""
        tested = self.last_score is not None and self.last_score.status == "tested"
        holds = {
            "drift": is_drifting,
            "unstable": bool(self.unstable),
            "paused": self.is_paused,
            "collecting": not self.is_monitoring,
            "untested": not tested,
            "quiet": True,
        }
        return next(word for word in _WORST_FIRST if holds[word])

    def _read(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            if alert.kind is AlertKind.RECOVERED:
                self.told.pop(alert.incident_id, None)
                self.unstable.discard(alert.incident_id)
            else:
                self.told[alert.incident_id] = False
                if alert.cause is Cause.UNSTABLE_REFERENCE:
                    self.unstable.add(alert.incident_id)
