"""From drifting test windows to alerts: started, ongoing, recovered.

A tested window changes the incident, and the incident may *raise* an alert. A raised alert is
written, or held back and counted; the next one written says how many were held back. All that is
remembered lies in :class:`~flink_jobs.core.incidents.incident.Incident`, all time is event time.
"""

from __future__ import annotations

from typing import NamedTuple

from flink_jobs.config.policy_table import PolicyTable
from flink_jobs.core.incidents.incident import Incident
from flink_jobs.records.alerts import AlertKind, Severity

_RECENT = (1 << 64) - 1


class Outcome(NamedTuple):
    """What the test of one window found; ``end_ms`` is the event time at the window's end.

    ``is_snoozed`` holds back what it raises.
    """

    end_ms: int
    is_drift: bool
    p_value: float
    effect_size: float
    is_snoozed: bool = False


class Transition(NamedTuple):
    """The alert to write, and what it says about the incident it belongs to."""

    kind: AlertKind
    incident_id: str
    severity: Severity = Severity.WARNING
    is_flapping: bool = False
    n_suppressed: int = 0


def advance(
    incident: Incident, outcome: Outcome, *, policy: PolicyTable, new_incident_id: str
) -> Transition | None:
    """Count one tested window and say which alert is to be written, if any.

    Parameters
    ----------
    incident : Incident
        Changed in place.
    outcome : Outcome
        Of the windows of one model, in the order in which they close.
    policy : PolicyTable
    new_incident_id : str
        Taken when this window opens an incident.

    Examples
    --------
    >>> incident, policy = Incident(), PolicyTable(windows_to_start=2, critical_effect_size=0.5)
    >>> for end_ms, effect_size in ((1, 0.3), (2, 0.3), (3, 0.6), (4, 0.0)):
    ...     outcome = Outcome(end_ms, effect_size > 0.1, 0.5, effect_size)
    ...     alert = advance(incident, outcome, policy=policy, new_incident_id="i")
    ...     print(alert and (alert.kind.value, alert.severity.value, alert.incident_id))
    None
    ('started', 'warning', 'i')
    ('ongoing', 'critical', 'i')
    ('recovered', 'critical', 'i')
    """
    now_ms = _count(incident, outcome, policy)
    if not incident.incident_id:
        return _start(incident, outcome, policy, new_incident_id, now_ms)
    if _has_ended(incident, policy, now_ms):
        return _recover(incident, now_ms)
    return _go_on(incident, outcome, policy, now_ms) if outcome.is_drift else None


def _count(incident: Incident, outcome: Outcome, policy: PolicyTable) -> int:
    """Count the window; returns how far event time has come."""
    # A count window ends with its last event in the order of (partition, offset), so that ends can
    # step back within a pane; no rule may see time run backwards.
    now_ms = max(outcome.end_ms, outcome.end_ms if incident.now_ms is None else incident.now_ms)
    incident.now_ms = now_ms
    incident.recent_drifts = (incident.recent_drifts << 1 | outcome.is_drift) & _RECENT
    incident.n_drifting = incident.n_drifting + 1 if outcome.is_drift else 0
    if _is_normal(outcome, policy):
        incident.n_normal += 1
    else:
        incident.n_normal = 0
        incident.unquiet_ms = now_ms
    return now_ms


def _is_normal(outcome: Outcome, policy: PolicyTable) -> bool:
    """Hysteresis: between the two levels a window neither drifts nor counts towards recovery."""
    level = policy.recover_level
    return not outcome.is_drift and not (level is not None and outcome.p_value <= level)


def _start(
    incident: Incident, outcome: Outcome, policy: PolicyTable, new_incident_id: str, now_ms: int
) -> Transition | None:
    if not (outcome.is_drift and _enough_drift(incident, policy)):
        return None
    if _is_within(incident.recovered_ms, policy.cooldown_ms, now_ms):
        incident.n_suppressed += 1
        return None
    incident.incident_id = new_incident_id
    incident.severity = _severity(outcome, policy)
    incident.is_flapping = _is_flapping(incident, policy, now_ms)
    return _raise(incident, AlertKind.STARTED, outcome, policy, now_ms)


def _enough_drift(incident: Incident, policy: PolicyTable) -> bool:
    recent = incident.recent_drifts & ((1 << policy.start_within_windows) - 1)
    return max(incident.n_drifting, recent.bit_count()) >= policy.windows_to_start


def _go_on(
    incident: Incident, outcome: Outcome, policy: PolicyTable, now_ms: int
) -> Transition | None:
    incident.n_since_alert += 1
    if _severity(outcome, policy) is Severity.CRITICAL:
        incident.severity = Severity.CRITICAL
    # Not yet told, or told as less than it is: no interval may keep that back, and nobody has
    # acknowledged it.
    is_news = incident.told is not incident.severity
    if not is_news and (incident.is_acknowledged or not _is_due(incident, policy, now_ms)):
        return None
    kind = AlertKind.STARTED if incident.told is None else AlertKind.ONGOING
    return _raise(incident, kind, outcome, policy, now_ms)


def _is_due(incident: Incident, policy: PolicyTable, now_ms: int) -> bool:
    return incident.n_since_alert >= policy.ongoing_every_windows and not _is_within(
        incident.raised_ms, policy.ongoing_every_ms, now_ms
    )


def _has_ended(incident: Incident, policy: PolicyTable, now_ms: int) -> bool:
    if incident.n_normal < policy.windows_to_recover:
        return False
    return not (
        incident.is_flapping and _is_within(incident.unquiet_ms, policy.flapping_within_ms, now_ms)
    )


def end(incident: Incident, now_ms: int) -> Transition | None:
    """End an open incident whatever its windows say; the alert to write, if any.

    Its windows count no more, as those before a recovery.
    """
    transition = _recover(incident, now_ms) if incident.incident_id else None
    incident.recent_drifts = incident.n_drifting = incident.n_normal = 0
    return transition


def _recover(incident: Incident, now_ms: int) -> Transition | None:
    """Who saw the incident begin sees it end; of what nobody saw there is nothing to say."""
    written = None if incident.told is None else _write(incident, AlertKind.RECOVERED)
    incident.incident_id = ""
    incident.is_acknowledged = False
    incident.told = None
    incident.recent_drifts = 0
    incident.recovered_ms = now_ms
    return written


def _raise(
    incident: Incident, kind: AlertKind, outcome: Outcome, policy: PolicyTable, now_ms: int
) -> Transition | None:
    """Write the alert unless somebody snoozed the model or the maximum rate is reached."""
    incident.n_since_alert = 0
    incident.raised_ms = now_ms
    if outcome.is_snoozed:
        incident.n_suppressed += 1
        return None
    written_ms = _since(incident.written_ms, policy.max_alerts_per_ms, now_ms)
    if policy.max_alerts and len(written_ms) >= policy.max_alerts:
        incident.n_suppressed += 1
        return None
    incident.written_ms = _newest([*written_ms, now_ms], policy.max_alerts)
    return _write(incident, kind)


def _write(incident: Incident, kind: AlertKind) -> Transition:
    transition = Transition(
        kind, incident.incident_id, incident.severity, incident.is_flapping, incident.n_suppressed
    )
    incident.told = incident.severity
    incident.is_acknowledged = False
    incident.n_suppressed = 0
    return transition


def _severity(outcome: Outcome, policy: PolicyTable) -> Severity:
    threshold = policy.critical_effect_size
    is_critical = threshold is not None and outcome.effect_size >= threshold
    return Severity.CRITICAL if is_critical else Severity.WARNING


def _is_flapping(incident: Incident, policy: PolicyTable, now_ms: int) -> bool:
    """Note that an incident starts; whether it is one of too many."""
    starts_ms = [*_since(incident.starts_ms, policy.flapping_within_ms, now_ms), now_ms]
    incident.starts_ms = _newest(starts_ms, policy.flapping_after)
    return 0 < policy.flapping_after <= len(incident.starts_ms)


def _is_within(since_ms: int | None, duration_ms: int, now_ms: int) -> bool:
    return since_ms is not None and now_ms - since_ms < duration_ms


def _since(times_ms: list[int], duration_ms: int, now_ms: int) -> list[int]:
    return [time_ms for time_ms in times_ms if _is_within(time_ms, duration_ms, now_ms)]


def _newest(times_ms: list[int], most: int) -> list[int]:
    """The last ``most`` of them: what lies further back decides nothing."""
    return times_ms[-most:] if most else []
