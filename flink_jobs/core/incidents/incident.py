"""Where the alert lifecycle of one detector of a model stands."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from flink_jobs.records.alerts import Severity


class Incident(Struct):
    """What the lifecycle remembers.

    Its size is bounded: the policy allows at most 100 entries in each list.

    Attributes
    ----------
    incident_id : str
        Empty while no incident is open.
    n_drifting, n_normal : int
        Tested windows in a row, up to the last one, that drifted or count towards recovery.
    n_since_alert : int
        Drifting windows since the open incident last raised an alert.
    recent_drifts : int
        One bit for each tested window since the last recovery, the last window lowest; 64 at most.
    now_ms, unquiet_ms, raised_ms, recovered_ms : int or None
        Event time: how far tested windows have come; the last window that did not count towards
        recovery; the last alert the open incident raised; the last recovery.
    severity : Severity
        The highest of the open incident.
    told : Severity or None
        What the open incident's alerts on the topic say; None while it has written none.
    is_flapping : bool
        Whether the open incident stands for several.
    is_acknowledged : bool
        Whether somebody has seen the open incident: it writes no further ongoing alert until it
        becomes worse.
    starts_ms, written_ms : list of int
        Event time of incidents that started, and of alerts that count for the maximum rate, as far
        back as the policy looks.
    n_suppressed : int
        Alerts held back since the last one that was written.
    """

    incident_id: str = ""
    n_drifting: int = 0
    n_normal: int = 0
    n_since_alert: int = 0
    recent_drifts: int = 0
    now_ms: int | None = None
    unquiet_ms: int | None = None
    raised_ms: int | None = None
    recovered_ms: int | None = None
    severity: Severity = Severity.WARNING
    told: Severity | None = None
    is_flapping: bool = False
    is_acknowledged: bool = False
    starts_ms: list[int] = msgspec.field(default_factory=list)
    written_ms: list[int] = msgspec.field(default_factory=list)
    n_suppressed: int = 0
