"""From drifting test windows to alerts: started, ongoing, recovered."""

from __future__ import annotations

from typing import NamedTuple

from flink_jobs.alerts import AlertKind
from flink_jobs.config import PolicyTable
from flink_jobs.core.state import Incident


class Transition(NamedTuple):
    """The alert that a tested window raises, and the incident it belongs to."""

    kind: AlertKind
    incident_id: str


def advance(
    incident: Incident, *, is_drift: bool, policy: PolicyTable, new_incident_id: str
) -> Transition | None:
    """Count one tested window and say which alert it raises, if any.

    Parameters
    ----------
    incident : Incident
        Changed in place.
    is_drift : bool
        Whether the window drifted.
    policy : PolicyTable
    new_incident_id : str
        Taken when this window opens an incident.

    Examples
    --------
    >>> incident, policy = Incident(), PolicyTable(windows_to_start=2)
    >>> for is_drift in (True, True, True, False):
    ...     print(advance(incident, is_drift=is_drift, policy=policy, new_incident_id="i"))
    None
    Transition(kind=<AlertKind.STARTED: 'started'>, incident_id='i')
    Transition(kind=<AlertKind.ONGOING: 'ongoing'>, incident_id='i')
    Transition(kind=<AlertKind.RECOVERED: 'recovered'>, incident_id='i')
    """
    incident.n_drifting = incident.n_drifting + 1 if is_drift else 0
    incident.n_normal = 0 if is_drift else incident.n_normal + 1
    if not incident.incident_id:
        return _open(incident, policy, new_incident_id)
    if incident.n_normal >= policy.windows_to_recover:
        return _recover(incident)
    return _go_on(incident, policy) if is_drift else None


def _open(incident: Incident, policy: PolicyTable, new_incident_id: str) -> Transition | None:
    if incident.n_drifting < policy.windows_to_start:
        return None
    incident.incident_id = new_incident_id
    incident.n_since_alert = 0
    return Transition(AlertKind.STARTED, incident.incident_id)


def _go_on(incident: Incident, policy: PolicyTable) -> Transition | None:
    incident.n_since_alert += 1
    if incident.n_since_alert < policy.ongoing_every_windows:
        return None
    incident.n_since_alert = 0
    return Transition(AlertKind.ONGOING, incident.incident_id)


def _recover(incident: Incident) -> Transition:
    incident_id, incident.incident_id = incident.incident_id, ""
    return Transition(AlertKind.RECOVERED, incident_id)
