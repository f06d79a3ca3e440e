"""The memory of one watcher of a view."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from detectors import UNKNOWN_OFFSET, Offset
from flink_jobs.core.slices.slices import Slices
from flink_jobs.core.state.incident import Incident
from flink_jobs.core.state.sequential import SequentialMemory
from flink_jobs.records.alerts import Score, ScoreStatus


class LastWindow(Struct, array_like=True):
    """The events of the last closed window, by their positions since the reference."""

    first_event: int
    end_event: int


class LastResult(Struct, array_like=True):
    """The score of the last closed window, as small as it can be.

    Attributes
    ----------
    start_ms, end_ms, closed_ms, first_event, n_events, n_tested, closed_early
        Of :class:`~flink_jobs.records.alerts.WindowSummary`.
    statistic, p_value, effect_size, is_drift
        Of :class:`~flink_jobs.records.alerts.Score`.
    level, threshold : float or None
        The threshold on the scales of the p-value and of the statistic.
    has_threshold : bool
    """

    status: ScoreStatus
    start_ms: int
    end_ms: int
    closed_ms: int
    first_event: int
    n_events: int
    n_tested: int
    closed_early: bool
    statistic: float | None
    p_value: float | None
    effect_size: float | None
    is_drift: bool | None
    has_threshold: bool
    level: float | None
    threshold: float | None

    @classmethod
    def of(cls, score: Score) -> LastResult:
        """Take over what a score says."""
        window, threshold = score.window, score.threshold
        return cls(
            score.status, window.start_ms, window.end_ms, window.closed_ms, window.first_event,
            window.n_events, window.n_tested, window.closed_early, score.statistic, score.p_value,
            score.effect_size, score.is_drift, threshold is not None,
            threshold.p_value if threshold else None, threshold.statistic if threshold else None,
        )  # fmt: skip


class Untested(Struct):
    """The windows in a row that held too few events to be tested.

    Attributes
    ----------
    n : int
        Their number; those that overlap one that was counted are not.
    from_ms, until_ms : int
        The start of the first and the end of the last that was counted.
    incident_id : str
        The incident that is open because of them; empty while there is none.
    """

    n: int = 0
    from_ms: int = 0
    until_ms: int = 0
    incident_id: str = ""


class Watch(Struct):
    """The memory of one detector of a view.

    Attributes
    ----------
    name : str
        The detector's name.
    closed_until : int
        Windows that end at or before it are closed: milliseconds for windows of time and sessions,
        an event position for count windows.
    early_until : int or None
        Windows that start at or before it have had their early test, if not closed before; None
        before the first.
    early : dict of int to int
        By the start of an open window that was tested early: the position after its events then.
    last_window : LastWindow or None
        The last window that closed, where commands may make it the reference.
    incident : Incident
    failing_id : str
        The incident that is open because tests fail; empty while there is none.
    untested : Untested
    slices : bytes
        Of :class:`~flink_jobs.core.slices.slices.Slices`.
    failures : dict of int to str
        By the position of a slice's first event: the reason why its events could not be reduced.
    n_parts : int
        How many entries of slices have been written.
    sequential : SequentialMemory or None
        Of a detector without windows; None for one that has them.
    last_result : LastResult or None
        Of the last window that closed, tested or not, since windows began.
    offset : Offset
        What windows have told about the reference.
    """

    name: str
    closed_until: int = 0
    early_until: int | None = None
    early: dict[int, int] = msgspec.field(default_factory=dict)
    last_window: LastWindow | None = None
    incident: Incident = msgspec.field(default_factory=Incident)
    failing_id: str = ""
    untested: Untested = msgspec.field(default_factory=Untested)
    slices: bytes = b""
    failures: dict[int, str] = msgspec.field(default_factory=dict)
    n_parts: int = 0
    sequential: SequentialMemory | None = None
    last_result: LastResult | None = None
    offset: Offset = UNKNOWN_OFFSET

    def remember(self, slices: Slices) -> None:
        """Note which events a command would make the reference: those that are tested."""
        self.last_window = LastWindow(slices[0].first_event, slices[-1].end_event)
