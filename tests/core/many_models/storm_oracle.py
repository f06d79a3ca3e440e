"""Storms by their definition, looking at all alerts at once; ongoing alerts bring no new column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flink_jobs.records.alerts import Alert, AlertKind


class Found(NamedTuple):
    """One storm: since when, the models that joined, and what they moved."""

    first_ms: int
    models: frozenset[str]
    columns: frozenset[str]


class _Start(NamedTuple):
    place: tuple[int, str, str, str]
    alert: Alert
    columns: frozenset[str]
    ends: tuple[int, str, str, str]

    @property
    def at_ms(self) -> int:
        return self.place[0]


_NEVER = (1 << 60, "", "", "")


def storms_of(alerts: Sequence[Alert], models: int, within_ms: int) -> tuple[set[str], list[Found]]:
    """The ids of alerts that are held back, and the storms."""
    left = sorted(_starts(alerts), key=lambda s: s.place)
    held: set[str] = set()
    found: list[Found] = []
    while left:
        first = left[0]
        near = [s for s in left if s.at_ms <= first.at_ms + within_ms]
        group = _group(first, near, models)
        if len({s.alert.model for s in group}) < models:
            left = left[1:]
            continue
        about = frozenset(c for s in group for c in s.columns)
        for later in left:
            if later.at_ms <= first.at_ms + within_ms or not later.columns <= about:
                continue
            is_over = all(s.ends < later.place for s in group)
            if is_over or later.at_ms > max(s.at_ms for s in group) + within_ms:
                break
            group.append(later)
        held |= {s.alert.incident_id for s in group}
        names = frozenset(s.alert.model for s in group)
        found.append(Found(first.at_ms, names, about))
        left = [s for s in left if s not in group]
    return {a.alert_id for a in alerts if a.incident_id in held}, found


def _group(first: _Start, near: Sequence[_Start], models: int) -> list[_Start]:
    """All that moved nothing but what the first one's storm would be about."""
    common = {
        column
        for s in near
        for column in s.columns
        if len({o.alert.model for o in near if column in o.columns}) >= models
    }
    if not first.columns <= common:
        return []
    about = set(first.columns)
    for _ in near:
        for s in near:
            if s.columns <= common and s.columns & about:
                about |= s.columns
    return [s for s in near if s.columns <= about]


def _starts(alerts: Sequence[Alert]) -> list[_Start]:
    ends = {a.incident_id: _place(a) for a in alerts if a.kind is AlertKind.RECOVERED}
    return [
        _Start(
            _place(a),
            a,
            frozenset(c.column for c in a.top_columns if c.p_value <= 0.001),
            ends.get(a.incident_id, _NEVER),
        )
        for a in alerts
        if a.kind is AlertKind.STARTED and any(c.p_value <= 0.001 for c in a.top_columns)
    ]


def _place(alert: Alert) -> tuple[int, str, str, str]:
    return alert.window.closed_ms, alert.model, alert.view, alert.detector
