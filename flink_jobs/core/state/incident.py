"""The memory of the alert lifecycle of one detector of a model."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from flink_jobs.records.alerts import Severity


class Vote(Struct, array_like=True):
    """The last verdict on one test window.

    Attributes
    ----------
    start_ms : int
        Event time at the window's start.
    is_early : bool
        Whether the window was still open, so that its test at the end takes this vote's place.
    is_drift : bool
    is_calm : bool
        Whether the window counts towards recovery: it was normal, and so was every test since.
    """

    start_ms: int
    is_early: bool
    is_drift: bool
    is_calm: bool


class Incident(Struct):
    """The lifecycle's memory.

    Its size is bounded: the policy allows at most 100 entries in each list.

    Attributes
    ----------
    incident_id : str
        Empty while no incident is open.
    votes : list of Vote
        One for each window tested since the last recovery, in the order of their last tests, as
        far back as the policy looks.
    unquiet_ms, raised_ms, recovered_ms : int or None
        Event time of the last test that did not count towards recovery, of the last alert that the
        open incident raised, and of the last recovery.
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
    strongest : tuple of float, or None
        How strong the strongest alert of the open incident was, of which evidence is kept.
    """

    incident_id: str = ""
    votes: list[Vote] = msgspec.field(default_factory=list)
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
    strongest: tuple[float, float] | None = None
