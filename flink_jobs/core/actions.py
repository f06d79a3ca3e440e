"""Requests of the monitor to its caller."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from flink_jobs.core.notices import Notice
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.control import Audit
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.status import ModelStatus


@dataclass
class Counts:
    """Counts of what happened to the events of a pane, and what that cost.

    Attributes
    ----------
    events, used, dead_letters, duplicates : int
        ``events == used + dead_letters + duplicates``.
    paused : int
        Used events that came while the model's tests were paused.
    windows_tested, windows_too_few, windows_no_reference, windows_failed : int
        Of a closed window there is one score, whichever of the four it was.
    references_unusable : int
        Collected references that the detectors could not be fitted to.
    alerts : int
    test_duration_ns : int
        Wall-clock time of the tests. It goes into metrics only, and no comparison of two panes'
        counts sees it: everything else is the same in a replay.
    reference_bytes, state_bytes : int
        Bytes of references, and of all entries, written to state.
    """

    events: int = 0
    used: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    paused: int = 0
    windows_tested: int = 0
    windows_too_few: int = 0
    windows_no_reference: int = 0
    windows_failed: int = 0
    references_unusable: int = 0
    alerts: int = 0
    test_duration_ns: int = field(default=0, compare=False)
    reference_bytes: int = 0
    state_bytes: int = 0

    def items(self) -> list[tuple[str, int]]:
        """Name and value of each count."""
        return [(name, getattr(self, name)) for name in _NAMES]


_NAMES = tuple(each.name for each in fields(Counts))


@dataclass
class Actions:
    """Requests that the caller has to carry out.

    Attributes
    ----------
    evidence : list of Evidence
        Of alerts among ``alerts``.
    statuses : list of ModelStatus
        What changes, where ``kafka.status_topic`` is set; how a model is at the end of the input,
        and that it was forgotten, always.
    wake_ms : int or None
        Event time for which the caller has to register a timer that calls ``on_time``.
    reference_age_events, reference_age_ms : int or None
        Events of the model, and event time, since its reference; None while it is collected, and
        where that is not known.
    reference_events_missing : int or None
        Events that the reference still needs; 0 when there is one, None where it moves.
    """

    alerts: list[Alert] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    statuses: list[ModelStatus] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    wake_ms: int | None = None
    reference_age_events: int | None = None
    reference_age_ms: int | None = None
    reference_events_missing: int | None = None
