"""The events behind an alert of drift, record version 1: a sample of both sides of its test.

A record belongs to an alert and says more of it: every column with how it moved, and single events
of the reference and of the window. An incident has at most two, of its first alert and of its
strongest one. On a compacted topic a stronger alert takes the place of the one before.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from flink_jobs.records.alerts import (
    MAIN_DETECTOR,
    MAIN_VIEW,
    Alert,
    ColumnShift,
    ColumnType,
    OutputKind,
    ReferenceSummary,
    SampleSummary,
    WindowSummary,
)

Place = Literal["first", "strongest"]
"""The alert of an incident that evidence belongs to: its first one, or the strongest later one."""

_BYTES = 8  # of a number


class EvidenceColumn(Struct, frozen=True, kw_only=True):
    """The values of one column on both sides.

    Attributes
    ----------
    name : str
        As alerts name the column.
    of : str
        The column of the configuration: that of the vector where this is one of its elements.
    type : str
        ``number``, ``category`` or ``boolean``.
    kind : str or None
        The kind of an output; None for all other columns.
    unit : str
        Of the numbers, as the configuration names it.
    is_watched : bool
        Whether the view watches it; ``evidence.columns`` names further ones.
    categories : list of str
        Of a category the text of each code; empty for numbers.
    reference, window : bytes
        The value of each event: 64-bit little-endian floats, base64 in JSON. NaN is missing, and a
        category has its place in ``categories``.
    """

    name: str
    of: str
    type: ColumnType
    kind: OutputKind | None = None
    unit: str = ""
    is_watched: bool = True
    categories: list[str] = msgspec.field(default_factory=list)
    reference: bytes
    window: bytes


class Evidence(Struct, frozen=True, kw_only=True):
    """The evidence of one alert of drift, keyed by ``incident_id`` and ``place``.

    Attributes
    ----------
    alert_id, incident_id : str
    place : str
        ``first`` for the alert that began the incident, ``strongest`` for a later one with a lower
        p-value, or an equal one and a larger statistic, than all before. Where there is none of
        ``strongest`` the first alert is the strongest.
    model, view, detector : str
    window, reference : WindowSummary, ReferenceSummary
        Those of the alert.
    sample : SampleSummary
        The events that ``moves`` compare.
    moves : list of ColumnShift
        How each column of the view moved: first those that the alert tells of, in its order, then
        the others, what moved most first. At most 300, each with up to 30 categories.
    columns : list of EvidenceColumn
    event_ids : list of str
        Names of the window's events. The last ``n_exemplars`` of them were not drawn by chance:
        they are exemplars of the alert that the sample does not hold.
    n_exemplars : int
    """

    schema_version: Literal[1] = 1
    alert_id: str
    incident_id: str
    place: Place
    model: str
    view: str = MAIN_VIEW
    detector: str = MAIN_DETECTOR
    window: WindowSummary
    reference: ReferenceSummary
    sample: SampleSummary
    moves: list[ColumnShift]
    columns: list[EvidenceColumn]
    event_ids: list[str]
    n_exemplars: int = 0
    job: str
    job_version: str
    config_version: str

    def __post_init__(self) -> None:
        """Refuse a record that pictures would fail on, or draw wrongly, once it is shown."""
        n_window, n_others = len(self.event_ids), {len(each.reference) for each in self.columns}
        if any(len(each.window) != _BYTES * n_window for each in self.columns):
            raise ValueError(f"a column holds other than {n_window} events of the window")
        if len(n_others) > 1 or any(n % _BYTES for n in n_others):
            raise ValueError("columns hold unequal numbers of events of the reference")
        if not 0 <= self.n_exemplars <= n_window:
            raise ValueError(f"{self.n_exemplars} exemplars are not among {n_window} events")

    @property
    def key(self) -> str:
        """The key of the record: a later one with the same key takes its place."""
        return f"{self.incident_id}/{self.place}"


def strength_of(alert: Alert) -> tuple[float, float]:
    """Say how strong an alert of drift is: of two the larger one.

    Statistics of windows of unequal size cannot be compared. Their p-values can, until these are
    too small for a number.
    """
    p_value = 1.0 if alert.p_value is None else alert.p_value
    return -p_value, alert.statistic or 0.0


def encode_evidence(record: Evidence) -> tuple[bytes, bytes]:
    """Key and value of the Kafka record for evidence."""
    return record.key.encode(), msgspec.json.encode(record)
