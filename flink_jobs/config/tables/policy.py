"""The table of a configuration that says when drifting test windows become alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from flink_jobs.config.tables.base import Level, NonNegativeInt, PositiveInt, Problem, Table

Windows = Annotated[int, Meta(ge=1, le=100)]

_HOUR_MS = 3_600_000


class PolicyTable(Table, frozen=True, kw_only=True):
    """When drifting test windows become alerts, and what an alert shows.

    Only tested windows count, and a window counts once: its last test decides, in the place of an
    early one. All times are event time, measured from the moment at which a test was due: the
    window's end, or for a window tested early the end of the pane that brought enough events.

    With the defaults an incident starts with the second drifting window in a row, is heard of
    again every 4 hours while windows drift, and ends with the third normal window in a row. In no
    24 hours does it start more than 3 times. docs/alerts.md gives the reasons.

    Attributes
    ----------
    windows_to_start, start_within_windows : int
        An incident starts with a drifting window when ``windows_to_start`` of the last
        ``start_within_windows`` drifted; 0 for windows in a row. Windows tested before the last
        recovery do not count.
    windows_to_recover : int
        Normal windows in a row that end it.
    recover_level : float, optional
        While an incident is open, a window is normal only with a p-value above this level;
        that at which a window drifts by default.
    ongoing_every_ms : int
        The shortest time between one alert of an incident and the next. The next one comes with a
        drifting test; 0 for one with every drifting test.
    cooldown_ms : int
        No incident starts within this time after the last one ended. Drift that lasts longer starts
        one then. 0 for no cooldown.
    max_alerts, max_alerts_per_ms : int
        At most ``max_alerts`` alerts of a detector of a model in any ``max_alerts_per_ms``; 0 for
        no maximum. Alerts of kind recovered neither count nor are held back, unless nothing of
        their incident was written. An incident whose started was held back raises it again with
        every drifting test.
    flapping_after, flapping_within_ms : int
        When the incident that starts is number ``flapping_after`` within ``flapping_within_ms``, it
        stands for those to come: it ends only after ``flapping_within_ms`` without a test that is
        not normal. 0 for incidents that never flap.
    min_effect_size : float
        A drifting window with a smaller effect counts as a normal one: its score says that it
        drifts, and it neither starts an incident nor keeps one open. With very many events a shift
        that does not matter has a tiny p-value. 0 for drift of any size.
    critical_effect_size : float, optional
        An incident is critical from its first drifting window on whose effect size reaches it; the
        window that starts it is the first that is looked at.
    top_columns, exemplars : int
        The most columns and events that an alert names.
    """

    windows_to_start: Windows = 2
    start_within_windows: Annotated[int, Meta(ge=0, le=100)] = 0
    windows_to_recover: Windows = 3
    recover_level: Level | None = None
    ongoing_every_ms: NonNegativeInt = 4 * _HOUR_MS
    cooldown_ms: NonNegativeInt = 0
    max_alerts: Annotated[int, Meta(ge=0, le=100)] = 0
    max_alerts_per_ms: PositiveInt = 24 * _HOUR_MS
    flapping_after: Annotated[int, Meta(ge=0, le=100)] = 3
    flapping_within_ms: PositiveInt = 24 * _HOUR_MS
    min_effect_size: Annotated[float, Meta(ge=0.0)] = 0.0
    critical_effect_size: Annotated[float, Meta(gt=0.0)] | None = None
    top_columns: NonNegativeInt = 5
    exemplars: NonNegativeInt = 5


def check_policy(policy: PolicyTable) -> Iterator[Problem]:
    """Yield the contradictions between the keys of ``policy``."""
    k, n = policy.windows_to_start, policy.start_within_windows
    if 0 < n < k:
        yield Problem(
            "policy.start_within_windows",
            f"{n} windows never hold windows_to_start = {k} that drift",
            f"{k} to 100, or 0 for windows in a row",
        )
    if policy.flapping_after == 1:
        yield Problem("policy.flapping_after", "one incident does not flap", "2 to 100, or 0")
