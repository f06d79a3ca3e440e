"""From drifting test windows to alerts: started, ongoing, recovered.

A tested window changes the incident, and the incident may *raise* an alert. A raised alert is
written, or held back and counted; the next one written says how many were held back. All that is
remembered lies in :class:`~flink_jobs.core.state.incident.Incident`.

All time is event time, and the time of a test is the moment at which it was due: ``closed_ms`` of
its window. For a window that is tested early this is the end of the pane that brings it
``early_events`` events, not the end of the window, which still lies ahead. Snooze, cooldown, the
maximum rate, the distance of ongoing alerts and flapping all read this one clock.

One window is one vote, however many tests it had: the last verdict counts, and takes the place of
the early one.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.core.state.incident import Incident, Vote
from flink_jobs.records.alerts import AlertKind, Severity


class Outcome(NamedTuple):
    """The result of one test.

    Attributes
    ----------
    start_ms : int
        Event time at the window's start.
    closed_ms : int
        Event time of the test; no test comes before an earlier one.
    is_drift : bool
    p_value, effect_size : float
    is_early : bool
        Whether the window was still open, so that another test of it may follow.
    is_snoozed : bool
        Whether what it raises is held back.
    """

    start_ms: int
    closed_ms: int
    is_drift: bool
    p_value: float
    effect_size: float
    is_early: bool = False
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
    """Count one test and say which alert is to be written, if any.

    Parameters
    ----------
    incident : Incident
        Changed in place.
    outcome : Outcome
        Of one detector of a model, in the order of the tests.
    policy : PolicyTable
    new_incident_id : str
        Taken when this test opens an incident.

    Examples
    --------
    >>> incident = Incident()
    >>> policy = PolicyTable(windows_to_start=2, windows_to_recover=1, critical_effect_size=0.5)
    >>> for start_ms, effect_size in ((1, 0.3), (2, 0.3), (3, 0.6), (4, 0.0)):
    ...     outcome = Outcome(start_ms, start_ms + 1, effect_size > 0.1, 0.5, effect_size)
    ...     alert = advance(incident, outcome, policy=policy, new_incident_id="i")
    ...     print(alert and (alert.kind.value, alert.severity.value, alert.incident_id))
    None
    ('started', 'warning', 'i')
    ('ongoing', 'critical', 'i')
    ('recovered', 'critical', 'i')
    """
    outcome = _as_counted(outcome, policy)
    _count(incident, outcome, policy)
    now_ms = outcome.closed_ms
    if not incident.incident_id:
        return _start(incident, outcome, policy, new_incident_id, now_ms)
    if _has_ended(incident, policy, now_ms):
        return _recover(incident, now_ms)
    return _go_on(incident, outcome, policy, now_ms) if outcome.is_drift else None


def _as_counted(outcome: Outcome, policy: PolicyTable) -> Outcome:
    """Take drift below the least effect that matters for a normal window, on either level."""
    if outcome.is_drift and outcome.effect_size < policy.min_effect_size:
        return outcome._replace(is_drift=False, p_value=1.0)
    return outcome


def _count(incident: Incident, outcome: Outcome, policy: PolicyTable) -> None:
    votes = [v for v in incident.votes if not (v.is_early and v.start_ms == outcome.start_ms)]
    is_normal = _is_normal(outcome, policy)
    if not is_normal:
        incident.unquiet_ms = outcome.closed_ms
        votes = [msgspec.structs.replace(vote, is_calm=False) for vote in votes]
    votes.append(Vote(outcome.start_ms, outcome.is_early, outcome.is_drift, is_normal))
    most = max(policy.windows_to_start, policy.start_within_windows, policy.windows_to_recover)
    incident.votes = votes[-most:]


def _is_normal(outcome: Outcome, policy: PolicyTable) -> bool:
    """Apply the hysteresis: between the two levels a window neither drifts nor is normal."""
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
    recent = incident.votes[-(policy.start_within_windows or policy.windows_to_start) :]
    return sum(vote.is_drift for vote in recent) >= policy.windows_to_start


def _go_on(
    incident: Incident, outcome: Outcome, policy: PolicyTable, now_ms: int
) -> Transition | None:
    if _severity(outcome, policy) is Severity.CRITICAL:
        incident.severity = Severity.CRITICAL
    # Not yet told, or told as less than it is: no interval may keep that back, and nobody has
    # acknowledged it.
    is_news = incident.told is not incident.severity
    is_too_soon = _is_within(incident.raised_ms, policy.ongoing_every_ms, now_ms)
    if not is_news and (incident.is_acknowledged or is_too_soon):
        return None
    kind = AlertKind.STARTED if incident.told is None else AlertKind.ONGOING
    return _raise(incident, kind, outcome, policy, now_ms)


def _has_ended(incident: Incident, policy: PolicyTable, now_ms: int) -> bool:
    if sum(vote.is_calm for vote in incident.votes) < policy.windows_to_recover:
        return False
    return not (
        incident.is_flapping and _is_within(incident.unquiet_ms, policy.flapping_within_ms, now_ms)
    )


def end(incident: Incident, now_ms: int) -> Transition | None:
    """End an open incident whatever its windows say, and return the alert to write, if any.

    Windows tested before do not count any more, as after a recovery.
    """
    transition = _recover(incident, now_ms) if incident.incident_id else None
    incident.votes = []
    return transition


def _recover(incident: Incident, now_ms: int) -> Transition | None:
    """Close the incident; only one that wrote an alert writes its end."""
    written = None if incident.told is None else _write(incident, AlertKind.RECOVERED)
    incident.incident_id = ""
    incident.is_acknowledged = False
    incident.told = None
    incident.votes = []
    incident.recovered_ms = now_ms
    return written


def _raise(
    incident: Incident, kind: AlertKind, outcome: Outcome, policy: PolicyTable, now_ms: int
) -> Transition | None:
    """Write the alert unless somebody snoozed the model or the maximum rate is reached."""
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
    """Note that an incident starts, and say whether it is one of too many."""
    starts_ms = [*_since(incident.starts_ms, policy.flapping_within_ms, now_ms), now_ms]
    incident.starts_ms = _newest(starts_ms, policy.flapping_after)
    return 0 < policy.flapping_after <= len(incident.starts_ms)


def _is_within(since_ms: int | None, duration_ms: int, now_ms: int) -> bool:
    return since_ms is not None and now_ms - since_ms < duration_ms


def _since(times_ms: list[int], duration_ms: int, now_ms: int) -> list[int]:
    return [time_ms for time_ms in times_ms if _is_within(time_ms, duration_ms, now_ms)]


def _newest(times_ms: list[int], most: int) -> list[int]:
    """Return the last ``most`` of them: what lies further back decides nothing."""
    return times_ms[-most:] if most else []
