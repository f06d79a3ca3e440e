"""Requests of the stage that decides over many models to its caller."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import msgspec

from flink_jobs.records.alerts import Alert, AlertKind, record_id


@dataclass
class StageCounts:
    """Counts of the alerts that models raised, by what became of them.

    Attributes
    ----------
    raised : int
        Alerts of models that were taken in order.
    passed : int
        Those of them that went on.
    in_storms : int
        Those that a storm held back.
    no_discoveries : int
        Those that were held back since their incident is not a discovery.
    storm_alerts : int
        Alerts about storms.
    """

    raised: int = 0
    passed: int = 0
    in_storms: int = 0
    no_discoveries: int = 0
    storm_alerts: int = 0

    def items(self) -> list[tuple[str, int]]:
        """Name and value of each count."""
        return [(name, getattr(self, name)) for name in STAGE_COUNTS]


STAGE_COUNTS = tuple(each.name for each in fields(StageCounts))


@dataclass
class Decisions:
    """Alerts that go on, in order, and what was counted.

    ``raised`` is ``passed``, what was held back, and what still waits, added up.
    """

    alerts: list[Alert] = field(default_factory=list)
    counts: StageCounts = field(default_factory=StageCounts)

    def pass_on(self, alert: Alert) -> None:
        """Let an alert of a model go on."""
        self.alerts.append(alert)
        self.counts.passed += 1

    def tell(self, alert: Alert) -> None:
        """Write an alert about a storm."""
        self.alerts.append(alert)
        self.counts.storm_alerts += 1


def as_start(alert: Alert, n_held: int) -> Alert:
    """Return the first alert of an incident that goes on, though it was raised as a later one."""
    return msgspec.structs.replace(
        alert,
        alert_id=record_id("held-before", alert.alert_id),
        kind=AlertKind.STARTED,
        n_suppressed=alert.n_suppressed + n_held,
    )
