"""The table of a configuration that says when drifting test windows become alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from flink_jobs.config.tables import Level, NonNegativeInt, PositiveInt, Problem, Table


class PolicyTable(Table, frozen=True, kw_only=True):
    """When drifting test windows become alerts, and what an alert shows.

    Only tested windows count, and times are event time at the end of a window. For the keys whose
    default is 0, 0 switches the rule off.

    Attributes
    ----------
    windows_to_start, start_within_windows : int
        An incident starts with a drifting window when ``windows_to_start`` of the last
        ``start_within_windows`` drifted; of windows in a row by default. Windows before the last
        recovery do not count.
    windows_to_recover : int
        It ends after so many normal windows in a row.
    recover_level : float, optional
        While an incident is open, a window is normal only with a p-value above this level;
        ``calibration.level`` by default.
    ongoing_every_windows, ongoing_every_ms : int
        Drifting windows, and time, that lie at least between one alert of an incident and the next.
    cooldown_ms : int
        For so long after an incident has ended none starts. Drift that lasts longer starts one
        then.
    max_alerts, max_alerts_per_ms : int
        At most so many alerts of a model in any stretch of so much time. Alerts of kind recovered
        neither count nor are held back, unless nothing of their incident was written. An incident
        whose started was held back raises it again with every drifting window.
    flapping_after, flapping_within_ms : int
        When so many incidents start within so much time, the last of them stands for those to come:
        it ends only after ``flapping_within_ms`` without a window that is not normal.
    critical_effect_size : float, optional
        An incident is critical from its first drifting window on whose effect size reaches it; the
        window that starts it is the first that is looked at.
    top_dimensions, exemplars : int
        How many of each an alert names at most.
    """

    windows_to_start: PositiveInt = 1
    start_within_windows: Annotated[int, Meta(ge=0, le=64)] = 0
    windows_to_recover: PositiveInt = 1
    recover_level: Level | None = None
    ongoing_every_windows: PositiveInt = 1
    ongoing_every_ms: NonNegativeInt = 0
    cooldown_ms: NonNegativeInt = 0
    max_alerts: Annotated[int, Meta(ge=0, le=100)] = 0
    max_alerts_per_ms: NonNegativeInt = 0
    flapping_after: Annotated[int, Meta(ge=0, le=100)] = 0
    flapping_within_ms: NonNegativeInt = 0
    critical_effect_size: Annotated[float, Meta(gt=0.0)] | None = None
    top_dimensions: NonNegativeInt = 5
    exemplars: NonNegativeInt = 5


def check_policy(policy: PolicyTable, level: float) -> Iterator[Problem]:
    """What is wrong between the keys of ``policy``, and with ``calibration.level``."""
    k, n = policy.windows_to_start, policy.start_within_windows
    if 0 < n < k:
        yield Problem(
            "policy.start_within_windows",
            f"{n} windows never hold windows_to_start = {k} that drift",
            f"{k} to 64, or 0 for windows in a row" if k <= 64 else "0 for windows in a row",
        )
    if policy.recover_level is not None and policy.recover_level < level:
        yield Problem(
            "policy.recover_level",
            f"{policy.recover_level} is below calibration.level = {level}",
            f"{level} or more, below 1",
        )
    yield from _check_pair(policy, "max_alerts", "max_alerts_per_ms")
    yield from _check_pair(policy, "flapping_after", "flapping_within_ms")
    yield from _check_flapping(policy)


def _check_pair(policy: PolicyTable, *names: str) -> Iterator[Problem]:
    """Of two keys that switch one rule on, both are set or none."""
    for name, other in (names, names[::-1]):
        if not getattr(policy, name) and getattr(policy, other):
            wrong = f"0 leaves {other} = {getattr(policy, other)} without effect"
            yield Problem(f"policy.{name}", wrong, f"1 or more, or {other} = 0")


def _check_flapping(policy: PolicyTable) -> Iterator[Problem]:
    n = policy.flapping_after
    if n == 1:
        yield Problem("policy.flapping_after", "one incident is no flapping", "2 to 100, or 0")
    least_ms = (n - 1) * policy.cooldown_ms
    if n > 1 and 0 < policy.flapping_within_ms <= least_ms:
        yield Problem(
            "policy.flapping_within_ms",
            f"with cooldown_ms = {policy.cooldown_ms} it never holds {n} starts",
            f"more than {least_ms}, or a shorter cooldown_ms",
        )
